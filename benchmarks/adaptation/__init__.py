"""What does adapting cost? See `__main__`."""
