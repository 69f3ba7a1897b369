"""A built board as files: parquet, CSV and markdown; and as JSON.

Files are written under a temporary name and renamed, those of a board under one lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import uuid
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.errors import ResultsError
from harness_leaderboards.adapt.export import adapt_table
from harness_leaderboards.adapt.model import AdaptLeaderboard
from harness_leaderboards.built import AnyLeaderboard, Built
from harness_leaderboards.edits.export import edit_table
from harness_leaderboards.edits.model import EditLeaderboard
from harness_leaderboards.model import Gain, Leaderboard, Row, Section
from harness_leaderboards.ranking.export import ranking_csv, ranking_table_of
from harness_leaderboards.render.markdown import markdown
from harness_leaderboards.solve.export import solve_table
from harness_leaderboards.solve.model import SolveLeaderboard


def write(built: Built, folder: Path) -> tuple[Path, ...]:
    """Write the files of a board.

    ``NAME.parquet`` and ``NAME.csv`` hold the ranked tables, ``NAME.md`` all tables, and
    ``NAME.details.parquet`` the details where there are any.

    Raises:
        ResultsError: the folder cannot be written.
    """
    name = file_name(built.ranked.board.name)
    files = {
        f"{name}.parquet": parquet(ranking_table_of(built.ranked)),
        f"{name}.csv": ranking_csv(built.ranked).encode(),
        f"{name}.md": markdown(built).encode(),
    }
    details = folder / f"{name}.details.parquet"
    if built.details is not None:
        files[details.name] = parquet(details_table(built.details))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            for file, content in files.items():
                replace_file(folder / file, content)
            if built.details is None:  # an earlier build's would be of other rows
                details.unlink(missing_ok=True)
    except OSError as error:
        raise ResultsError(
            f"cannot write the leaderboard to '{folder}' ({error.strerror}); choose another "
            "folder with --out."
        ) from error
    return tuple(folder / file for file in files)


def file_name(board: str) -> str:
    """A board's name as the name of a file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", board).lstrip(".") or "board"


def details_table(board: AnyLeaderboard) -> Any:
    """The detailed rows of a board as a `pyarrow.Table`; columns differ between protocols."""
    import pyarrow as pa

    if isinstance(board, AdaptLeaderboard):
        return adapt_table(board)
    if isinstance(board, SolveLeaderboard):
        return solve_table(board)
    if isinstance(board, EditLeaderboard):
        return edit_table(board)
    return pa.Table.from_pylist(rows_of(board), schema())


def as_json(boards: Sequence[Built]) -> str:
    """All boards as one JSON document."""
    return json.dumps([_json(board) for board in boards], indent=2, allow_nan=False)


def _json(built: Built) -> dict[str, Any]:
    ranked = built.ranked
    return {
        "board": ranked.board.model_dump(mode="json", exclude_none=True),
        "tables": [asdict(table) for table in ranked.tables],
        "unfinished": [asdict(one) for one in ranked.unfinished],
        "problems": list(built.problems),
        "details": asdict(built.details) if built.details else None,
        "trends": [asdict(one) for one in built.trends],
    }


def parquet(table: Any) -> bytes:
    """A table as the bytes of a parquet file: equal for equal rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue().to_pybytes()


@contextlib.contextmanager
def _locked(folder: Path) -> Generator[None]:
    """Let one process at a time write a board, so that what is there is of one build."""
    with (folder / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def schema() -> Any:
    """Columns of the parquet file, a `pyarrow.Schema`; only nullable ones are ever added."""
    import pyarrow as pa

    text, count, number = pa.string(), pa.int64(), pa.float64()
    numbers, by_phase = pa.list_(number), pa.map_(text, number)
    return pa.schema(
        [
            *[(name, text) for name in ("board", "task", "metric", "baseline")],
            ("higher_is_better", pa.bool_()),
            *[(name, text) for name in ("task_version", "subset", "task_options", "model")],
            *[(name, text) for name in ("model_id", "model_revision", "embedder", "sampling")],
            *[("order", text), ("data_seed", count), ("content_hash", text)],
            *[("sample_limit", count), ("method", text), ("run_ids", pa.list_(text))],
            ("sample_seeds", pa.list_(count)),
            *[(f"n_{name}", count) for name in ("scored", "planned", "failed", "invalid")],
            *[("clusters", count), ("score", number), ("score_low", number)],
            *[(name, number) for name in ("score_high", "success", "progress", "steps")],
            *[(name, number) for name in ("steps_of_successes", "input_tokens", "output_tokens")],
            *[(name, number) for name in ("seconds", "invalid_outputs", "invalid_actions")],
            *[(f"{name}_by_phase", by_phase) for name in _BY_PHASE],
            *[(f"memory_{name}", number) for name in _MEMORY],
            *[("curve_step", pa.list_(count)), ("curve_streams", pa.list_(count))],
            *[("curve_cumulative", numbers), ("curve_rolling", numbers)],
            *[(f"gain_{name}", _gain_types()[name]) for name in Gain.__dataclass_fields__],
            ("no_gain", text),
        ]
    )


_BY_PHASE = ("input_tokens", "output_tokens", "seconds")
_MEMORY = (
    *("entries", "chars", "retrieved", "similarity", "pruned", "added", "changed", "removed"),
    *("calls", "unreadable"),
)


def rows_of(board: Leaderboard) -> list[dict[str, Any]]:
    """One row per method and section, with the columns of `schema`."""
    return list(_rows(board))


def _rows(board: Leaderboard) -> Iterator[dict[str, Any]]:
    what = board.board
    for section in board.sections:
        for row in section.rows:
            yield {
                "board": what.name,
                "task": what.task,
                "metric": what.metric,
                "baseline": what.baseline,
                "higher_is_better": what.higher_is_better,
                **_method(section, row),
            }


def _method(section: Section, row: Row) -> dict[str, Any]:
    own = asdict(row)
    same = {name: own[name] for name in _SAME}
    usage = {name: own["usage"][name] for name in (*_BY_PHASE, *_RATES)}
    phases = {
        f"{name}_by_phase": [(one.phase, getattr(one, name)) for one in row.usage.phases]
        for name in _BY_PHASE
    }
    gain = own["gain"] or {}
    return {
        **asdict(section.setting),
        **same,
        "score": row.score.mean if row.score else None,
        "score_low": row.score.low if row.score else None,
        "score_high": row.score.high if row.score else None,
        **usage,
        **phases,
        **{f"memory_{name}": own["memory"][name] for name in _MEMORY},
        "curve_step": [point.step for point in row.curve],
        "curve_streams": [point.streams for point in row.curve],
        "curve_cumulative": [point.cumulative for point in row.curve],
        "curve_rolling": [point.rolling for point in row.curve],
        **{f"gain_{name}": gain.get(name) for name in Gain.__dataclass_fields__},
    }


_SAME = (
    *("method", "run_ids", "sample_seeds", "n_scored", "n_planned", "n_failed", "n_invalid"),
    *("clusters", "success", "progress", "steps", "steps_of_successes", "no_gain"),
)
_RATES = ("invalid_outputs", "invalid_actions")


def _gain_types() -> dict[str, Any]:
    import pyarrow as pa

    types = {"int": pa.int64(), "float": pa.float64(), "float | None": pa.float64()}
    return {
        name: types.get(str(field.type), pa.string())
        for name, field in Gain.__dataclass_fields__.items()
    }


def replace_file(path: Path, content: bytes) -> None:
    """Write a file under another name and rename it: it is there as a whole or as it was."""
    scratch = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        scratch.write_bytes(content)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
