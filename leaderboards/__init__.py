"""Boards derived from published runs: built, compared and rendered."""
