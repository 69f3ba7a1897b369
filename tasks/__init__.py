"""Built-in tasks, registered through the same entry points as anybody else's."""
