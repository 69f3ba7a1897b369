"""Boards of edit tasks: methods at the end, and where they have forgotten equally."""
