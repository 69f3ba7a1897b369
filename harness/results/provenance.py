"""Where a result comes from: code hash, versions, commit, platform.

`code_hash` covers the source of a task's and a method's modules, and of the modules of their own
package that those import, with comments and docstrings removed, plus the versions of the packages
they declare. The engine is not part of it: its version is in the row.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness import __version__
from harness.registry import Need

_RECORDED = ("method-harness", "torch", "transformers", "numpy", "pyarrow", "minigrid")
_RECORDED_TOO = ("reasoning-gym", "aiohttp", "duckdb", "pydantic")


def code_hash(types: Iterable[type[Any]], needs: Iterable[Need]) -> str:
    """Hash the code behind classes."""
    digest = hashlib.sha256()
    seen = dict[str, str]()
    for one in types:
        source = inspect.getsourcefile(one)
        _collect(one.__module__, Path(source) if source else None, seen)
    for name in sorted(seen):
        digest.update(f"{name}\n{seen[name]}\n".encode())
    for package in sorted({need.package for need in needs}):
        digest.update(f"{package}=={package_version(package)}\n".encode())
    return digest.hexdigest()[:24]


def package_version(package: str) -> str:
    """Installed version of a package, empty if there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def versions() -> dict[str, str]:
    """Versions that a run's row records."""
    found = {name: package_version(name) for name in (*_RECORDED, *_RECORDED_TOO)}
    return {"python": platform.python_version(), **{k: v for k, v in found.items() if v}}


def platform_text() -> str:
    """Operating system and processor."""
    return f"{platform.system()} {platform.release()} {platform.machine()}"


@cache
def machine() -> dict[str, Any]:
    """What decides how fast this machine is: times are compared between equal ones only.

    What cannot be found out is left out; nothing is executed to find it.
    """
    found: dict[str, Any] = {"cores": os.cpu_count() or 0}
    if processor := _first_value(Path("/proc/cpuinfo"), "model name"):
        found["processor"] = processor
    if memory := _first_value(Path("/proc/meminfo"), "MemTotal"):
        found["memory_gib"] = round(int(memory.split()[0]) / 2**20)
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    if names := [_first_value(path, "Model") for path in cards]:
        found["gpus"] = names
    return found


def _first_value(path: Path, name: str) -> str:
    """The first value of a file of lines ``name : value``; empty where there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def of_this_process() -> dict[str, Any]:
    """The columns of a run's row that say with what it was made."""
    found, dirty = commit()
    return {
        "versions": json.dumps({"harness": __version__, **versions()}),
        "commit": found,
        "dirty": dirty,
        "platform": f"{platform_text()} {platform.python_implementation()}",
        "argv": json.dumps(sys.argv),
        "machine": json.dumps(machine(), sort_keys=True),
    }


@cache
def commit() -> tuple[str, bool]:
    """Git commit of the harness's own checkout and whether it has changes; empty if installed."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return "", False

    def git(*words: str) -> str:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(folder), *words],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain"))
    except OSError:
        return "", False


def _collect(name: str, source: Path | None, seen: dict[str, str]) -> None:
    """Add a module and what it imports from its own package or folder, imported by now or not."""
    if name in seen:
        return
    try:
        tree = ast.parse(source.read_text(encoding="utf-8") if source else "")
    except (OSError, SyntaxError, UnicodeDecodeError):
        tree = ast.parse("")
    seen[name] = ast.unparse(_without_docstrings(tree))
    package = name.partition(".")[0]
    is_package = source is not None and source.name == "__init__.py"
    for imported in sorted(_imports(tree, name, is_package=is_package)):
        own = imported.partition(".")[0] == package
        beside = source is not None and (source.parent / f"{imported}.py").is_file()
        found = _source_of(imported) if own or beside else None
        if found is not None and source is not None and (own or found.parent == source.parent):
            _collect(imported, found, seen)


def _source_of(name: str) -> Path | None:
    """The file of a module, which need not be imported; None for what is no module."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.has_location else None


def _imports(tree: ast.Module, name: str, *, is_package: bool) -> set[str]:
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = node.level - 1 if is_package else node.level
                parent = name.rsplit(".", up)[0] if up else name
                base = f"{parent}.{base}".rstrip(".")
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found - {name}


def _without_docstrings(tree: ast.Module) -> ast.Module:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree
