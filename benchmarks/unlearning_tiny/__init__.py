"""Does gradient surgery keep more at equal forgetting? See `__main__`."""
