"""Ranked tables of any board: value, interval and rank range of every method, from samples."""
