"""Methods against everything that they should beat: no memory, mere history, and the controls.

A gain over no memory may come of the longer prompt alone. The controls take that away: `random`
shows random items, `static` the same ones, `shuffled` the experiences of other items. All
comparisons of the table are corrected together (Holm).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness_leaderboards.boards import Board
from harness_leaderboards.gains import gains_against
from harness_leaderboards.model import Gain, Sample

HISTORY = "history"
CONTROLS = ("random", "static", "shuffled")


@dataclass(frozen=True)
class Contrast:
    """A method against a reference; `gain` is None where no item could be paired."""

    method: str
    reference: str
    gain: Gain | None


def contrasts(board: Board, samples: Mapping[str, Sequence[Sample]]) -> tuple[Contrast, ...]:
    """Every method against the baseline, history and each control, on the same items.

    Args:
        board: says which method is the baseline.
        samples: of each method of a section, by label.

    Returns:
        None at all where neither history nor a control was run.
    """
    references = {name: rows for name, rows in samples.items() if _place(board, name) is not None}
    methods = {name: rows for name, rows in samples.items() if name not in references}
    if not methods or set(references) <= {board.baseline}:
        return ()
    found = gains_against(board, references, methods)
    names = sorted(references, key=lambda one: (_place(board, one) or 0, one))
    return tuple(
        Contrast(method, name, found[method, name]) for method in sorted(methods) for name in names
    )


def _place(board: Board, label: str) -> int | None:
    """Where a reference stands; None of what is none.

    A control may be named with an agent and options: ``react+random:k=8``.
    """
    memory = label.rsplit("+", 1)[-1].split(":", 1)[0]
    known = (board.baseline, HISTORY, *CONTROLS)
    if label in known[:2]:
        return known.index(label)
    return known.index(memory) if memory in CONTROLS else None
