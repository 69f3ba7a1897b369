"""The solve protocol: what third-party tasks and solvers import."""

from harness.protocols.solve.grids import ARC, BadGrid, Domain, Grid, array, grid_of, read_grid
from harness.protocols.solve.method import (
    Ballot,
    Candidate,
    Desk,
    FitData,
    FitDesk,
    Query,
    Setting,
    Solver,
    Voting,
)
from harness.protocols.solve.puzzle import Pair, Problem, Puzzle, sample_id
from harness.protocols.solve.task import SolveSettings, SolveTask
from harness.protocols.task import Summary

__all__ = [
    "ARC",
    "BadGrid",
    "Ballot",
    "Candidate",
    "Desk",
    "Domain",
    "FitData",
    "FitDesk",
    "Grid",
    "Pair",
    "Problem",
    "Puzzle",
    "Query",
    "Setting",
    "SolveSettings",
    "SolveTask",
    "Solver",
    "Summary",
    "Voting",
    "array",
    "grid_of",
    "read_grid",
    "sample_id",
]
