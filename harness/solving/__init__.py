"""Runs of the solve protocol: planned, fitted once, asked puzzle by puzzle."""
