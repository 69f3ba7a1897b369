"""Saved states of an unfinished run: the newest under each name, written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import StorageError


class Checkpoints:
    """States under a folder.

    Args:
        folder: ``artifacts/RUN/checkpoints``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, name: str, state: Mapping[str, Any]) -> None:
        """Write a state in place of the one before it.

        Raises:
            StorageError: it cannot be written; the one before it is there.
        """
        import torch

        path = self._path(name)
        fresh = path.with_suffix(".new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            torch.save(dict(state), fresh)
            os.replace(fresh, path)
        except (OSError, RuntimeError) as error:
            fresh.unlink(missing_ok=True)
            raise StorageError(
                f"cannot write the checkpoint {path} ({error}); make room and run the same "
                "command again, it goes on from the one before."
            ) from error

    def load(self, name: str) -> Mapping[str, Any] | None:
        """The newest state of a name; None where there is none.

        Raises:
            StorageError: it is damaged.
        """
        import torch

        path = self._path(name)
        if not path.is_file():
            return None
        # Only tensors and plain values are read: a file cannot run code.
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise StorageError(
                f"the checkpoint {path} is damaged ({type(error).__name__}); remove it and run the "
                "same command again, which begins anew and keeps what was found."
            ) from error

    def remove(self, name: str) -> None:
        """Remove the state of a name, if there is one."""
        self._path(name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.pt"
