"""What is told about exchanges to those who run the gateway."""
