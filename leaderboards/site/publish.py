"""Puts a folder in the place of another, whole or not at all.

A site is built beside its place and then swapped with the one that is there. One process at a time
builds; a build that was killed leaves the old site, and its remains go with the next build.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Generator
from pathlib import Path

from harness.errors import ResultsError, UsageError

MARK = ".harness-site"
"""A file in every site that lists its files; a folder with other files is never replaced."""
_AT_FDCWD = -100
_EXCHANGE = 2


@contextlib.contextmanager
def replacing(folder: Path) -> Generator[Path]:
    """Hand out an empty folder that takes the place of `folder` if nothing is raised.

    Raises:
        UsageError: the folder holds something that is no site.
        ResultsError: it cannot be written.
    """
    target = folder.expanduser().resolve()  # a link stays; what it points at is replaced
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target):
            _tidy(target)
            _refuse_others(target)
            scratch = target.with_name(f".{target.name}.building-{secrets.token_hex(6)}")
            scratch.mkdir()
            try:
                yield scratch
                (scratch / MARK).write_text("\n".join(sorted(_files(scratch))) + "\n")
                _swap(scratch, target)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise ResultsError(
            f"cannot write the site to '{folder}' ({error.strerror or error}); choose another "
            "folder."
        ) from error


@contextlib.contextmanager
def _locked(target: Path) -> Generator[None]:
    with target.with_name(f".{target.name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _tidy(target: Path) -> None:
    """Drop what killed builds left; put a site back that one had just moved away."""
    aside = _aside(target)
    ours = (aside / MARK).is_file()
    if ours and not target.exists():
        aside.rename(target)
    for left in target.parent.glob(f".{_glob(target.name)}.building-*"):
        shutil.rmtree(left, ignore_errors=True)
    if ours:
        shutil.rmtree(aside, ignore_errors=True)


def _refuse_others(target: Path) -> None:
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise UsageError(f"'{target}' is no folder; name an empty or a new one.")
    mark = target / MARK
    known = set(mark.read_text(encoding="utf-8").splitlines()) if mark.is_file() else set[str]()
    others = sorted(_files(target) - known - {MARK})
    if others:
        raise UsageError(
            f"'{target}' holds what is not of a site ({others[0]}), and a site is replaced as a "
            "whole; name an empty or a new folder, and copy the site from there."
        )


def _files(folder: Path) -> set[str]:
    """Whatever is no folder, by its path in the folder."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


def _swap(scratch: Path, target: Path) -> None:
    """Exchange the two; where the system cannot in one step, with two renames."""
    if not target.exists():
        scratch.rename(target)
        return
    if _exchange(scratch, target):
        return
    aside = _aside(target)
    target.rename(aside)
    scratch.rename(target)
    shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Linux exchanges two names at once; False where that is not to be had."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if not rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE):
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number))


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")


def _glob(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
