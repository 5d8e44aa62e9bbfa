"""The admin side: a small application of its own, on a listener of its own."""
