"""Boards of solve tasks: solved under every rule, what it took, curves over votes and steps."""
