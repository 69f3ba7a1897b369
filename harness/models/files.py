"""Files that a model needs at first use: where they lie, and how to have them ready before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model as they are now."""

    folder: Path | None
    """Where they are, or will be; None if that is known only once they are fetched."""
    revision: str
    megabytes: int = 0
    """What the first use downloads; 0 if that is not known."""

    @property
    def ready(self) -> bool:
        """Whether the next use downloads and converts nothing."""
        return self.folder is not None and self.folder.is_dir()

    def size(self) -> int:
        """Bytes on disk."""
        if self.folder is None:
            return 0
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


@runtime_checkable
class Preparable(Protocol):
    """A model whose first use fetches or converts files."""

    def files(self) -> ModelFiles:
        """What is there; fetches nothing and imports nothing heavy."""
        ...

    def prepare_files(self) -> ModelFiles:
        """Fetch and convert what is not there yet; blocks.

        Raises:
            UsageError: it cannot be had; says the ways to get it.
        """
        ...
