"""Runs of the edit protocol: planned, executed with checkpoints, evaluated, published."""
