"""A small search over programs of grid operations."""
