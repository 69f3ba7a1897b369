"""One parquet file of a results folder, written in pieces, there as a whole or not at all."""

from __future__ import annotations

import os
import sys
import threading
import uuid
from functools import cache
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any, Self

from harness.results.rows import whole_text
from harness.results.schema import tables

_ROWS_AT_ONCE = 500


class TableWriter:
    """One parquet file, written in pieces under another name and renamed when it is whole."""

    def __init__(self, path: Path, table: str) -> None:
        self._path = path
        self._schema = getattr(tables(), table)
        self._waiting: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        import pyarrow.parquet as pq

        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._scratch = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex}")
        self._file = pq.ParquetWriter(self._scratch, self._schema, compression="zstd")
        return self

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Take rows."""
        self._waiting += rows
        if len(self._waiting) >= _ROWS_AT_ONCE:
            self._flush()

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        try:
            if kind is None and self._waiting:
                self._flush()
            self._file.close()
            if kind is None:
                os.replace(self._scratch, self._path)
        finally:
            self._scratch.unlink(missing_ok=True)

    def _flush(self) -> None:
        import pyarrow as pa

        try:
            table = pa.Table.from_pylist(self._waiting, self._schema)
        except UnicodeEncodeError:
            # Half a surrogate pair, which no file can hold, from a model or a data set.
            table = pa.Table.from_pylist([whole_text(row) for row in self._waiting], self._schema)
        self._file.write_table(table)
        self._waiting = []


@cache
def settle_arrow() -> None:
    """Let pyarrow build arrays without importing pandas, which costs 40 MB and a quarter second.

    It looks for pandas once, at its first array, to recognise data frames; there are none here.
    Whoever converts to pandas later makes it look again.
    """
    import pyarrow as pa

    if "pandas" in sys.modules:
        return
    absent = _NoPandas()
    sys.meta_path.insert(0, absent)
    try:
        pa.array([""])
    finally:
        sys.meta_path.remove(absent)


class _NoPandas(MetaPathFinder):
    """Hides pandas from the thread that made this."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Find nothing, and refuse to let others find pandas."""
        del path, target
        if fullname == "pandas" and threading.get_ident() == self._thread:
            raise ModuleNotFoundError("pandas is not wanted here", name=fullname)
