"""Data sets: where they come from, their local mirror and cache, and their content hash."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import MissingData


@dataclass(frozen=True)
class DataSource:
    """One source of a task's data as the run's row records it."""

    id: str
    revision: str
    content_hash: str


@dataclass(frozen=True)
class MirrorFile:
    """A file of the local mirror that a task reads, as the task declares it."""

    path: str
    """Inside the folder that ``HARNESS_DATA`` names, such as ``agentboard/babyai/test.jsonl``."""
    purpose: str
    """What it changes, in a few words."""
    required: bool = False
    """Whether the task cannot run without it."""

    def find(self) -> Path | None:
        """The file, or None where there is no mirror or the mirror lacks it.

        Raises:
            MissingData: ``HARNESS_DATA`` names no folder.
        """
        folder = mirror()
        path = folder / self.path if folder else None
        return path if path and path.is_file() else None


def mirror() -> Path | None:
    """The local mirror that ``HARNESS_DATA`` names, or None where the variable is not set.

    Raises:
        MissingData: the variable names no folder.
    """
    named = os.environ.get("HARNESS_DATA")
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise MissingData(
            f"HARNESS_DATA names '{named}', which is no folder; point it at a mirror or unset it."
        )
    return folder


def cache_dir() -> Path:
    """The folder for downloaded and converted files: ``HARNESS_CACHE``, else the user's cache."""
    named = os.environ.get("HARNESS_CACHE")
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "method-harness"


def content_hash(*parts: Any) -> str:
    """Short hash of texts (or values that print stably), for items and small data sets."""
    digest = hashlib.sha256()
    for part in parts:
        text = str(part).encode(errors="surrogatepass")
        digest.update(len(text).to_bytes(8, "big"))
        digest.update(text)
    return digest.hexdigest()[:16]


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
