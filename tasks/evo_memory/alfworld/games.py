"""The game files of ALFWorld's unseen validation split, and how one is opened.

Shridhar et al. 2021, arXiv 2010.03768. The files come from the package's own downloader,
``alfworld-download``, which puts them into the folder that ``ALFWORLD_DATA`` names.
"""

from __future__ import annotations

import importlib
import json
import os
import warnings
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from harness.errors import MissingData, MissingExtra
from harness_tasks.evo_memory.alfworld.environment import AlfWorldGame

COUNT = 134
_MEND = (
    "install it with: pip install 'method-harness[alfworld]', fetch the games with: "
    "alfworld-download, and name their folder in ALFWORLD_DATA."
)


def game_files() -> list[Path]:
    """The 134 games, sorted by path as AgentBoard sorts them.

    Raises:
        MissingData: the games, or some of them, are not there.
    """
    folder = Path(os.environ.get("ALFWORLD_DATA") or "~/.cache/alfworld").expanduser()
    split = folder / "json_2.1.1" / "valid_unseen"
    if not split.is_dir():
        raise MissingData(f"subset 'alfworld' finds no games in {split}; {_MEND}")
    found = [path for path in split.glob("*/*/game.tw-pddl") if _is_played(path)]
    if len(found) != COUNT:
        raise MissingData(f"{split} has {len(found)} solvable games, not {COUNT}; {_MEND}")
    return sorted(found, key=str)


def game_name(path: Path) -> str:
    """The name that AgentBoard's labels have for a game: its two folders."""
    return "/".join(path.parts[-3:-1])


def versions() -> str:
    """Versions of the packages, on which wording and actions depend."""
    return "+".join(f"{name}-{_version(name)}" for name in ("alfworld", "textworld"))


def _version(name: str) -> str:
    try:
        return installed(name)
    except PackageNotFoundError:
        return "missing"


def open_game(path: Path) -> AlfWorldGame:
    """Load a game.

    Raises:
        MissingExtra: alfworld is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            textworld: Any = importlib.import_module("textworld")
            module: Any = importlib.import_module("alfworld.agents.environment.alfred_tw_env")
    except ImportError as error:
        raise MissingExtra("the alfworld subset", "alfworld", "alfworld") from error
    wrappers = [module.AlfredDemangler(shuffle=False), module.AlfredInfos]
    asked = textworld.EnvInfos(won=True, admissible_commands=True)
    opened: Any = textworld.start(str(path), asked, wrappers=wrappers)
    return opened


def _is_played(path: Path) -> bool:
    """Whether ALFWorld plays a game: no movable or sliced objects, and known to be solvable."""
    if "movable" in str(path.parent) or "Sliced" in str(path.parent):
        return False
    if not (path.parent / "traj_data.json").is_file():
        return False
    try:
        return bool(json.loads(path.read_text(encoding="utf-8")).get("solvable"))
    except (OSError, ValueError) as error:
        raise MissingData(f"cannot read the game {path}: {error}; fetch it again.") from error
