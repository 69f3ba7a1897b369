"""What does a step of TRM cost? See `__main__`."""
