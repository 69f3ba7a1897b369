"""``file:PATH#CLASS``: a class of a Python file, used where a registered name could stand."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from harness.errors import UsageError

PREFIX = "file:"


def load(name: str, what: str) -> tuple[Any, str, Path]:
    """Load what ``file:PATH#CLASS`` names.

    Args:
        name: the whole text.
        what: word for messages, such as ``method``.

    Returns:
        The object (None where the file has none of that name), its name and its file.

    Raises:
        UsageError: there is no such file, or it cannot be loaded.
    """
    path_text, hash_sign, class_name = name.removeprefix(PREFIX).rpartition("#")
    if not hash_sign or not class_name:
        raise UsageError(f"{what} '{name}' names no class; write file:PATH#CLASS.")
    path = Path(path_text).expanduser()
    if not path.is_file():
        raise UsageError(f"{what} '{name}': there is no file {path}.")
    module_name = f"harness_file_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{what} '{name}': {path} is no Python file; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[module_name]
        raise UsageError(
            f"{what} '{name}': {path} cannot be loaded ({type(error).__name__}: {error})."
        ) from error
    return getattr(module, class_name, None), class_name, path
