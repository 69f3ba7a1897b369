"""Where a result comes from: code hash, versions, commit, platform.

`code_hash` covers the source of a task's and a method's modules, and of the modules of their own
package that those import, with comments and docstrings removed, plus the versions of the packages
they declare. The engine is not part of it: its version is in the row.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import platform
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.registry import Need

_RECORDED = ("method-harness", "torch", "transformers", "numpy", "pyarrow", "minigrid")
_RECORDED_TOO = ("reasoning-gym", "aiohttp", "duckdb", "pydantic")


def code_hash(types: Iterable[type[Any]], needs: Iterable[Need]) -> str:
    """Hash the code behind classes."""
    digest = hashlib.sha256()
    seen = dict[str, str]()
    for one in types:
        module = inspect.getmodule(one)
        if module is not None:
            _collect(module, seen)
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


def _collect(module: ModuleType, seen: dict[str, str]) -> None:
    """Add a module and what it imports from its own package."""
    name = module.__name__
    if name in seen:
        return
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        seen[name] = "no source"
        return
    seen[name] = ast.unparse(_without_docstrings(tree))
    package = name.partition(".")[0]
    for imported in _imports(tree, name):
        if imported.partition(".")[0] == package and imported in sys.modules:
            _collect(sys.modules[imported], seen)


def _imports(tree: ast.Module, name: str) -> set[str]:
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = name.rsplit(".", node.level)[0]
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
