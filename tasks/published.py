"""Rows of a published data set: from the local mirror, else from the hub.

The hash of its rows is recorded, and compared with the published one where that is known. It is
of the rows' values, not of a file's bytes, so that mirror and hub agree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data import DataSource, mirror
from harness.errors import MissingData, UsageError
from harness.quiet import quiet

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Published:
    """A data set of the hub and its place in a mirror.

    Attributes:
        repository: on the hub.
        folder: in a mirror.
        fields: columns that are hashed, in order; absent ones count as null.
        known: hash of each configuration as published, by name; empty where none is known.
    """

    repository: str
    folder: str
    fields: tuple[str, ...]
    known: Mapping[str, str]
    revision: str = "main"

    def path(self, name: str) -> Path | None:
        """The file of a configuration in the mirror, if there is one."""
        folder = mirror()
        if folder is None:
            return None
        for suffix in (".json", ".jsonl"):
            path = folder / self.folder / f"{name}{suffix}"
            if path.is_file():
                return path
        return None

    def rows(
        self,
        name: str,
        required: Sequence[str],
        split: str = "train",
        configuration: str | None = None,
    ) -> tuple[Row, ...]:
        """All rows of a configuration.

        Args:
            name: of the mirror's file, and of the configuration.
            required: columns that every row must have.
            split: on the hub.
            configuration: on the hub, where it has another name than the mirror's file.

        Raises:
            MissingData: it is neither in the mirror nor to be had from the hub.
            UsageError: it is there, but damaged, empty or without a required column.
        """
        path = self.path(name)
        if path is None:
            found = self._from_hub(name, split, configuration or name)
        else:
            found = read_rows(path)
        where = f"{self.repository} ({name})" if path is None else str(path)
        if not found:
            raise UsageError(f"{where} is empty; restore it from {self.repository}.")
        for number, row in enumerate(found, 1):
            missing = [column for column in required if row.get(column) in (None, "", [])]
            if missing:
                raise UsageError(
                    f"{where} has no '{missing[0]}' in row {number}; its columns must be "
                    f"{', '.join(required)}."
                )
        return tuple(found)

    def source(self, name: str, rows: Sequence[Row]) -> DataSource:
        """What a run's row records of a configuration."""
        found = self.row_hash(rows)
        known = self.known.get(name)
        revision = self.revision if known is None else "published"
        if known is not None and found != known:
            revision = "changed: not the published rows"
        return DataSource(f"{self.repository}/{name}", revision, found)

    def row_hash(self, rows: Sequence[Row]) -> str:
        """Hash of rows by value."""
        digest = hashlib.sha256()
        for row in rows:
            values = [row.get(name) for name in self.fields]
            digest.update(json.dumps(values, ensure_ascii=False).encode(errors="surrogatepass"))
            digest.update(b"\n")
        return digest.hexdigest()[:16]

    def _from_hub(self, name: str, split: str, configuration: str) -> list[Row]:
        import datasets

        try:
            with quiet():
                loaded: Any = datasets.load_dataset(
                    self.repository, configuration, split=split, revision=self.revision
                )
        except Exception as error:
            raise MissingData(
                f"the data set {self.repository} ({name}) is not at hand "
                f"({type(error).__name__}); put {self.folder}/{name}.json into a mirror and name "
                "its folder with HARNESS_DATA, or run where the hub can be reached."
            ) from error
        return [dict(row) for row in loaded]


def read_rows(path: Path) -> list[Row]:
    """Rows of a file: one JSON object a line, or one list.

    Raises:
        UsageError: it is neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if text.lstrip().startswith("["):
            loaded: list[Any] = json.loads(text)
        else:
            loaded = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read ({error}); restore it.") from error
    if not all(isinstance(row, dict) for row in loaded):
        raise UsageError(f"{path} must hold one JSON object a line; restore it.")
    return loaded
