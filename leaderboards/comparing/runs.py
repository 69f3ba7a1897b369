"""What a comparison takes as its two sides: a results folder, named runs, or a saved board.

Only complete, published runs count; others are told with their status. Rows come in as they were
published; texts of them are foreign and are cleaned where they are shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import ResultsError, UsageError
from harness.results.schema import RunStatus
from harness.results.store import ResultsStore, RunSummary

_SMALL = ("subset",)
"""Task options that are a factor of their own."""
_BROKEN = "that cannot be read"


@dataclass(frozen=True, eq=False)
class Run:
    """A complete run of one side; `row` is its published row with None for what is missing."""

    store: ResultsStore
    row: Mapping[str, Any]

    def text(self, name: str) -> str:
        """A column of texts; empty where it has none."""
        value = self.row.get(name)
        return value if isinstance(value, str) else ""

    def fields(self, name: str) -> dict[str, Any]:
        """A column of JSON; empty where it has none, its text where that is no JSON object."""
        return _fields(self.row.get(name))

    def whole(self, name: str) -> int | None:
        """A column of whole numbers."""
        value = self.row.get(name)
        return None if value is None else int(value)

    @property
    def run_id(self) -> str:
        """Its id."""
        return self.text("run_id")

    @property
    def trained(self) -> bool:
        """Whether its seed is that of a training, which varies everything random."""
        return self.row.get("train_seed") is not None

    @property
    def seed(self) -> int:
        """The seed that the user gave."""
        return (self.whole("train_seed") if self.trained else self.whole("sample_seed")) or 0

    @property
    def options(self) -> str:
        """Options of the task but the subset."""
        found = self.fields("task_options")
        return json.dumps({k: v for k, v in found.items() if k not in _SMALL}, sort_keys=True)


@dataclass(frozen=True)
class Side:
    """The baseline or the candidate.

    Attributes:
        name: what the user typed.
        runs: its complete runs, oldest first.
        unfinished: its other runs.
        problems: files that could not be read.
    """

    name: str
    runs: tuple[Run, ...]
    unfinished: tuple[RunSummary, ...]
    problems: tuple[str, ...]


def read_side(name: str, results: Path) -> Side:
    """Find what a user means by a side.

    Args:
        name: a results folder, run ids separated by commas, or the file of a saved board.
        results: folder in which run ids are looked up.

    Raises:
        UsageError: it is none of these, or it has no run.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "runs").is_dir():
            raise UsageError(
                f"'{name}' is no results folder: it has no folder runs; name the folder that "
                "--results of harness run wrote to."
            )
        return _side(name, ResultsStore(path), None)
    if path.suffix == ".parquet":
        return _of_board(name, path, results)
    return _named(name, ResultsStore(results))


def _named(name: str, store: ResultsStore) -> Side:
    wanted = [word.strip() for word in name.split(",") if word.strip()]
    if not wanted:
        raise UsageError("a side is a results folder, run ids, or a saved board, not nothing.")
    if not (store.root / "runs").is_dir():
        raise UsageError(
            f"there is no folder '{wanted[0]}', and no results folder {store.root} to look runs up "
            "in; name a results folder, or run ids with --results."
        )
    return _side(name, store, [store.find(word).run_id for word in wanted])


def _of_board(name: str, path: Path, results: Path) -> Side:
    """The runs that a saved board was made of, in the first folder that has all of them."""
    wanted = _board_runs(path)
    folders = [ResultsStore(results), ResultsStore(path.resolve().parent.parent)]
    for store in folders:
        known = {one.run_id for one in store.runs()} if store.root.is_dir() else set[str]()
        if wanted <= known:
            return _side(name, store, sorted(wanted))
    raise UsageError(
        f"the runs of the board {path} are neither in {folders[0].root} nor in {folders[1].root}; "
        "name the results folder that it was made of with --results."
    )


def _board_runs(path: Path) -> set[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["run_ids"])
    except (OSError, pa.ArrowException, KeyError) as error:
        raise UsageError(
            f"cannot read the board {path} ({str(error).splitlines()[0]}); name a file that "
            "harness leaderboard wrote."
        ) from error
    lists: list[list[str] | None] = table["run_ids"].to_pylist()
    found = {one for many in lists for one in many or () if isinstance(one, str)}
    if not found:
        raise UsageError(f"the board {path} names no runs; make it again with harness leaderboard.")
    return found


def _side(name: str, store: ResultsStore, wanted: Sequence[str] | None) -> Side:
    summaries = [one for one in store.runs() if wanted is None or one.run_id in wanted]
    complete = {one.run_id for one in summaries if one.status is RunStatus.COMPLETE}
    rows = store.run_rows(sorted(complete)).to_dict("records")
    runs = [Run(store, {str(k): _known(v) for k, v in row.items()}) for row in rows]
    unfinished = tuple(one for one in summaries if one.run_id not in complete)
    if not runs:
        raise ResultsError(_nothing(name, unfinished, store))
    return Side(
        name,
        tuple(sorted(runs, key=lambda run: run.run_id)),
        unfinished,
        tuple(store.problems),
    )


def _nothing(name: str, unfinished: Iterable[RunSummary], store: ResultsStore) -> str:
    some = ", ".join(f"{one.run_id} is {one.status}" for one in list(unfinished)[:3])
    if some:
        return f"no run of '{name}' is complete ({some}); let it finish with the same command."
    why = f" ({store.problems[0]})" if store.problems else ""
    return f"there is no run in '{name}'{why}; name the folder that harness run wrote to."


def _known(value: Any) -> Any:
    """A value of a data frame; pandas has NaN and NaT for what is missing."""
    return None if isinstance(value, float | int) and value != value else value


def _fields(value: Any) -> dict[str, Any]:
    try:
        found = json.loads(value) if isinstance(value, str) and value else {}
    except (ValueError, RecursionError):
        found = None
    # Unreadable settings are no settings of their own: they differ from every readable ones.
    return {str(k): v for k, v in found.items()} if isinstance(found, dict) else {_BROKEN: value}
