"""What is true about one exchange: pure values, without clock, log or I/O."""
