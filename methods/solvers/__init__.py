"""Solvers of grid puzzles, one module or package each."""
