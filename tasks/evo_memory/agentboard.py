"""AgentBoard's label files: one JSON object a line, read from the local mirror at run time.

Ma et al. 2024, "AgentBoard: An Analytical Evaluation Board of Multi-turn LLM Agents",
arXiv 2401.13178. The labels are GPL-2.0 data and never part of this repository. A label names a
goal, the subgoals whose share is the progress, and a difficulty; what else it names depends on
the data set and stays in ``info``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from harness.data import MirrorFile
from harness.errors import MissingData

_DIFFICULTY = {"easy": 0.0, "hard": 1.0}


@dataclass(frozen=True)
class Label:
    """What an annotator wrote about one item."""

    goal: str
    subgoals: tuple[str, ...]
    """Texts or regular expressions, as the data set takes them."""
    difficulty: str
    """``easy`` or ``hard``."""
    info: Mapping[str, Any]

    @property
    def level(self) -> float | None:
        """The difficulty as a number, larger is harder."""
        return _DIFFICULTY.get(self.difficulty)


def load_labels(path: Path, count: int) -> list[Label]:
    """Read a label file.

    Args:
        path: a ``test.jsonl`` of AgentBoard.
        count: how many labels the whole file has.

    Raises:
        MissingData: the file cannot be read, a line is no label, or labels are missing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MissingData(f"cannot read the labels {path}: {error}.") from error
    labels = list[Label]()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            labels.append(_parse(json.loads(line)))
        except (KeyError, TypeError, ValueError) as error:
            raise MissingData(
                f"line {number} of {path} is not a label of AgentBoard"
                f" ({type(error).__name__}: {error}); fetch the file again."
            ) from error
    if len(labels) != count:
        raise MissingData(
            f"{path} has {len(labels)} labels, not {count}; take AgentBoard's whole file."
        )
    return labels


def find_required(files: Sequence[MirrorFile], subset: str) -> list[Path]:
    """The files of the mirror that a subset cannot do without, in their order.

    Raises:
        MissingData: names the first that is not there, and the ways to get it.
    """
    found = list[Path]()
    for file in files:
        path = file.find()
        if path is None:
            raise MissingData(
                f"subset '{subset}' needs {file.path} ({file.purpose}); put AgentBoard's data "
                "into a folder and name that folder in HARNESS_DATA."
            )
        found.append(path)
    return found


def _parse(row: Any) -> Label:
    if not isinstance(row, dict):
        raise TypeError("an object is expected")
    fields = cast("dict[str, Any]", row)
    subgoals: Any = fields["subgoals"]
    if not isinstance(subgoals, list) or not subgoals:
        raise TypeError("subgoals must be a list that is not empty")
    info: Any = fields["additional_info"]
    if not isinstance(info, dict):
        raise TypeError("additional_info must be an object")
    return Label(
        goal=_text(fields["goal"]),
        subgoals=tuple(_text(one) for one in cast("list[Any]", subgoals)),
        difficulty=_text(fields["difficulty"]),
        info=cast("dict[str, Any]", info),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is expected where there is {value!r}")
    return value
