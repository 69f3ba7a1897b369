"""Boards derived from published runs: built, compared and rendered.

from harness_leaderboards import compare, leaderboard, load_runs, load_samples
"""

from harness_leaderboards.api import compare, leaderboard, load_runs, load_samples

__all__ = ["compare", "leaderboard", "load_runs", "load_samples"]
