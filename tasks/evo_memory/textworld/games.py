"""Which games are generated, and the cache of compiled games.

Côté et al. 2018, "TextWorld: A Learning Environment for Text-based Games", arXiv 1806.11532. The
families are the package's own challenges: fetch a treasure from a house, find a coin in a maze,
cook a meal by a recipe, each at three levels. A game is its family, level and seed; compiling one
takes seconds, so it is kept in ``harness.data.cache_dir()``.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import tempfile
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data import cache_dir
from harness.errors import MissingExtra, TaskError

VERSION = "1.7.0"

_COOKING = {"recipe": 1, "take": 1, "go": 1, "open": False, "cook": False, "cut": False}
FAMILIES: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "treasure_hunter": ({"level": 3}, {"level": 13}, {"level": 22}),
    "coin_collector": ({"level": 4}, {"level": 105}, {"level": 108}),
    "cooking": (
        _COOKING,
        {**_COOKING, "open": True, "cook": True},
        {**_COOKING, "recipe": 2, "take": 2, "open": True, "cook": True, "cut": True},
    ),
}
"""Family -> settings of its challenge, from the easiest level to the hardest."""


@dataclass(frozen=True)
class GameSpec:
    """What a game is generated from."""

    family: str
    level: int
    """Position in the family's settings, from 0."""
    seed: int

    @classmethod
    def draw(cls, position: int, *drawn_from: object) -> GameSpec:
        """The game at a position: families in turn, levels rising and then from the start again.

        Args:
            position: in the stream, from 0.
            drawn_from: what the seed is drawn from, such as a data seed and a stream.
        """
        families = list(FAMILIES)
        family = families[position % len(families)]
        level = position // len(families) % len(FAMILIES[family])
        key = " ".join(str(one) for one in (*drawn_from, position)).encode()
        seed = int.from_bytes(hashlib.sha256(key).digest()[:4], "big") >> 1
        return cls(family, level, seed)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the challenge."""
        return FAMILIES[self.family][self.level]

    @property
    def name(self) -> str:
        """A name that changes with everything that decides the game."""
        told = json.dumps([self.family, dict(self.settings), self.seed, VERSION], sort_keys=True)
        return f"{self.family}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def compiled(spec: GameSpec) -> Path:
    """The file of a game, generated if the cache lacks it; its description stands beside it.

    Raises:
        MissingExtra: textworld is not installed.
        TaskError: the game cannot be generated here.
    """
    folder = cache_dir() / "textworld"
    path = folder / f"{spec.name}.z8"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as draft, _at_home(draft):
        made = _generate(spec, Path(draft) / path.name)
        # The game last: where it is, its description is too, whoever else generates it meanwhile.
        os.replace(made.with_suffix(".json"), path.with_suffix(".json"))
        os.replace(made, path)
    return path


def walkthrough(path: Path) -> list[str]:
    """Actions that win a game."""
    description = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return [str(one) for one in description["metadata"]["walkthrough"]]


def _generate(spec: GameSpec, path: Path) -> Path:
    textworld = load_textworld()
    options = textworld.GameOptions()
    options.seeds = spec.seed
    options.path = str(path)
    options.grammar.only_last_action = True  # tell the aim, not the way
    settings = dict(spec.settings)
    if spec.family == "cooking":
        settings |= {"drop": False, "recipe_seed": spec.seed, "split": "train"}
    try:
        with quietly():
            make = textworld.challenges.CHALLENGES[f"tw-{spec.family}"][1]
            return Path(textworld.generator.compile_game(make(settings, options), options))
    except Exception as error:
        raise TaskError(f"TextWorld cannot generate the game {spec}: {error}") from error


@contextmanager
def _at_home(folder: str) -> Generator[None]:
    """Let the compiler, which keeps files of its own in the home folder, keep them here."""
    before = os.environ.get("HOME")
    os.environ["HOME"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["HOME"]
        else:
            os.environ["HOME"] = before


@contextmanager
def quietly() -> Generator[None]:
    """Keep in what textworld warns of: its dependencies' age, and games that are its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def load_textworld() -> Any:
    """Import textworld.

    Raises:
        MissingExtra: textworld is not installed.
    """
    try:
        with quietly():
            importlib.import_module("textworld.challenges")
            importlib.import_module("textworld.generator")
            return importlib.import_module("textworld")
    except ImportError as error:
        raise MissingExtra("the textworld subset", "textworld", "textworld") from error
