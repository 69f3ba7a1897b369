"""Folders that the harness writes to: whether it could, and how much room there is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from harness.data import cache_dir
from harness.doctor.finding import Asked, Finding, State

_ROOM_BYTES = 10**9
"""Below it, the embedded models and a larger run may not fit."""


def cache(asked: Asked) -> Iterator[Finding]:
    """The cache of fetched models."""
    del asked
    yield _writable("cache", cache_dir(), "set HARNESS_CACHE to a folder with room")


def results(asked: Asked) -> Iterator[Finding]:
    """The results folder."""
    folder = asked.results.expanduser().absolute()
    yield _writable("results", folder, "choose another folder with --results")


def _writable(name: str, folder: Path, mend: str) -> Finding:
    """Look without writing: the folder, or the nearest one above it, must let us in."""
    nearest = next(one for one in (folder, *folder.parents) if one.exists())
    if not nearest.is_dir():
        return Finding("folders", name, State.BROKEN, f"{nearest} is no folder", mend)
    if not os.access(nearest, os.W_OK | os.X_OK):
        return Finding("folders", name, State.BROKEN, f"{nearest} cannot be written to", mend)
    room = shutil.disk_usage(nearest).free
    said = f"{folder}, {room / 1e9:.1f} GB free"
    if nearest != folder:
        said += ", made at first use"
    if room < _ROOM_BYTES:
        return Finding("folders", name, State.NOTE, said, mend)
    return Finding("folders", name, State.OK, said)
