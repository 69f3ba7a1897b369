"""Built-in methods, registered through the same entry points as anybody else's."""
