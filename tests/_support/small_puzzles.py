"""Shared by the tests of ARC-AGI: a mirror with three puzzles of ConceptARC's form.

Their test inputs number 2, 1 and 3, so that the three scoring rules differ.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GOLD = {
    "Copy1": [[[1, 2]], [[3, 4]]],
    "Copy2": [[[5], [6]]],
    "Fill1": [[[7]], [[8]], [[9]]],
}
"""Outputs of the test inputs; an input is its output with 0 in front of each row."""
WRONG = [[0, 0, 0]]


def pair(output: list[list[int]]) -> dict[str, Any]:
    return {"input": [[0, *row] for row in output], "output": output}


def write_mirror(folder: Path) -> Path:
    """Write the puzzles where the task looks for them; returns the mirror."""
    for name, outputs in GOLD.items():
        group = folder / "concept_arc" / "corpus" / name[:-1]
        group.mkdir(parents=True, exist_ok=True)
        train = [pair([[1, 1]]), pair([[2, 2], [3, 3]])]
        plain = {"train": train, "test": [pair(one) for one in outputs]}
        (group / f"{name}.json").write_text(json.dumps(plain))
    return folder


def answered(**attempts: Any) -> dict[str, Any]:
    """A submission with every output as first attempt, but for the tasks that are given."""
    right = {name: [{"attempt_1": one} for one in gold] for name, gold in GOLD.items()}
    return right | attempts
