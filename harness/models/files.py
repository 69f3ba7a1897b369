"""Files that a model needs at first use: where they lie, and how to have them ready before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

_HASHED_EVERY = 2**22
_HASHED_BYTES = 2**16


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


def folder_hash(folder: Path) -> str:
    """Hash of every file's name, size, and 64 KiB of each 4 MiB; weights can be terabytes."""
    digest = hashlib.sha256()
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder)}\0{size}\0".encode())
        with path.open("rb") as file:
            for start in range(0, size, _HASHED_EVERY):
                file.seek(start)
                digest.update(file.read(_HASHED_BYTES))
    return f"folder-{digest.hexdigest()[:16]}"
