"""Reads published parquet files whose names and contents are not to be trusted.

Files may be truncated, foreign, of another schema version, or lie on a path whose parts look like
columns; what is wrong with one is said in words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.results.schema import SCHEMA_VERSION, tables

FILES = (
    "(select * from known union all by name select * from "
    "read_parquet($paths, union_by_name=true, filename=true, hive_partitioning=false))"
)
"""The rows of files as a duckdb relation, with their `filename`.

`known` is an empty table, which has the columns that files of an earlier version lack; without
`hive_partitioning=false` a folder called ``score=9`` would be a column.
"""

MANY_FILES = 8
"""From so many on, files of the runs table are read in one query."""


def state_of(path: Path) -> tuple[int, int]:
    """Time and size of a file; zeros where it is gone again."""
    try:
        state = path.stat()
    except OSError:
        return 0, 0
    return state.st_mtime_ns, state.st_size


_REQUIRED = ("work_key", "task", "method", "status", "n_planned", "n_done")

_JSON_COLUMNS = (
    *("task_options", "method_parts", "sampling", "data", "versions", "argv"),
    *("engine_settings", "engine_options", "protocol_settings"),
)


def _is_json(text: str | None) -> bool:
    """Whether a column can be read; one that is not there can."""
    try:
        json.loads(text or "{}")
    except (ValueError, RecursionError):
        return False
    return True


def flaw_of(row: Mapping[str, Any]) -> str:
    """Why a row of the runs table cannot be used, as a clause; empty if it can."""
    if (row["schema_version"] or 0) > SCHEMA_VERSION:
        version = f"{row['schema_version']}; this harness reads {SCHEMA_VERSION}"
        return f"written by a newer harness (schema {version}); upgrade"
    absent = [name for name in _REQUIRED if row[name] is None]
    if absent:
        return f"its column {absent[0]} is empty"
    broken = [name for name in _JSON_COLUMNS if not _is_json(row[name])]
    return f"its column {broken[0]} is no JSON" if broken else ""


def damage(paths: Sequence[str], error: Exception) -> str:
    """Which of some files cannot be read, and why."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in paths:
        try:
            pq.ParquetFile(path).read()
        except (OSError, pa.ArrowException) as cause:
            return f"{path} is damaged ({str(cause).splitlines()[0]}); restore it, or run again."
    return f"{', '.join(paths)}: {str(error).splitlines()[0]}"


def run_rows_of(paths: Sequence[Path]) -> dict[Path, list[dict[str, Any]]]:
    """The rows of many files of the runs table in one query; none where one file is damaged.

    One by one, a file takes four milliseconds.
    """
    import duckdb

    columns = ", ".join(f'"{name}"' for name in tables().runs.names)
    query = f"select filename, {columns} from {FILES}"  # noqa: S608
    try:
        with duckdb.connect() as connection:
            connection.register("known", tables().runs.empty_table())
            found = connection.sql(query, params={"paths": [str(path) for path in paths]})
            table = found.to_arrow_table()
    except duckdb.Error:
        return {}
    rows = dict[Path, list[dict[str, Any]]]()
    for row in table.to_pylist():
        rows.setdefault(Path(row.pop("filename")), []).append(row)
    return rows
