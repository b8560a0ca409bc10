"""What is told about a run: the console first."""
