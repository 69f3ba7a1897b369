"""What a board of an edit task shows: made of its TOML file."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Forgetting:
    """A measure that falls as a model forgets, and the levels at which methods are compared."""

    metric: str
    name: str
    """What to call it in tables."""
    levels: tuple[float, ...] = ()
    """Preset; the retrained model's own level is always added."""


@dataclass(frozen=True)
class EditBoard:
    """One leaderboard of an edit task.

    Attributes:
        name: what a user types.
        task: the task whose runs it holds.
        forgetting: measures of forgetting; the first that runs have along the edit is the main one.
        kept: measures of what must not be lost; the first that runs have along the edit is taken.
        end: columns at the end of the edit: metric, header.
        against_reference: those of `end` that compare with the reference, and are the same for
            every reference, which is compared with itself.
        baseline: the model as it was.
        reference: the method that never saw the forget set.
    """

    name: str
    task: str
    forgetting: tuple[Forgetting, ...]
    kept: tuple[tuple[str, str], ...]
    end: tuple[tuple[str, str], ...]
    against_reference: tuple[str, ...] = ()
    baseline: str = "identity"
    reference: str = "retrain"
