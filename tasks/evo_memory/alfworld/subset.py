"""Subset `alfworld`: the 134 household chores of ALFWorld's unseen validation split.

Shridhar et al. 2021 (arXiv 2010.03768), worded by the installed alfworld package and scored as
AgentBoard does (Ma et al. 2024, arXiv 2401.13178): with its labels in the local mirror progress
counts subgoals, without them it is success: another version of the task. Results depend on the
versions of alfworld and textworld (0.4 renamed ``put A in/on B`` to ``move A to B``), so they are
part of the version too. The streams are equal consecutive parts of the native order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from harness.data import DataSource, MirrorFile, content_hash, file_hash
from harness.errors import MissingData
from harness.protocols.stream import Brief, Episode, Experience, Item, Observation, Score
from harness.registry import Need
from harness_tasks.evo_memory.agentboard import Label, load_labels
from harness_tasks.evo_memory.alfworld.environment import AlfWorldText
from harness_tasks.evo_memory.alfworld.games import (
    COUNT,
    game_files,
    game_name,
    open_game,
    versions,
)
from harness_tasks.evo_memory.subset import EvoMemoryOptions, Subset, in_streams
from harness_tasks.evo_memory.workers import in_worker

LABELS = MirrorFile(
    "agentboard/alfworld/test.jsonl", "AgentBoard's subgoals: progress beside success"
)

INSTRUCTIONS = """You do a household chore in a text world of furniture and objects, each with a \
number.
Actions, with the names and numbers that you see:
- go to <place>
- open <place>, close <place>
- take <object> from <place>
- move <object> to <place> (older versions of the world: put <object> in/on <place>)
- clean <object> with <sinkbasin>, heat <object> with <microwave>, cool <object> with <fridge>
- use <lamp>, examine <object or place>
- look: see the place where you are once more; inventory: what you carry
- check valid actions: list all actions that are possible now
"Nothing happens" means that an action was not possible. You carry one object at a time."""


class AlfWorld(Subset):
    """Chores in streams."""

    options_used: ClassVar[frozenset[str]] = frozenset({"streams", "max_steps"})
    max_tokens: ClassVar[int] = 64
    needs: ClassVar[tuple[Need, ...]] = (Need("alfworld", "alfworld"),)
    mirror_files: ClassVar[tuple[MirrorFile, ...]] = (LABELS,)
    default_streams: ClassVar[int] = 7

    def __init__(self, options: EvoMemoryOptions) -> None:
        super().__init__(options)
        self._path = LABELS.find()

    @property
    def version(self) -> str:
        """Whose progress, and the packages that word the world."""
        rule = "agentboard-labels" if self._path else "success-only"
        return f"alfworld-1+{versions()}+{rule}"

    def items(self, data_seed: int) -> Sequence[Item]:
        """The 134 chores; they are fixed, whatever the data seed."""
        del data_seed
        wanted = self.options.streams or self.default_streams
        streams = in_streams(COUNT, wanted, f"alfworld has {COUNT} games")
        return [self._item(index, streams[index]) for index in range(COUNT)]

    def episode(self, item: Item) -> Episode:
        """Open a chore."""
        index = int(item.sample_id.rpartition("/")[2])
        label = self._labels[index] if self._labels else None
        subgoals = label.subgoals if label else None
        return in_worker(AlfWorldEpisode, self._games[index], subgoals, self.options.max_steps)

    def demonstrations(self, count: int, data_seed: int) -> Sequence[Experience]:
        """None: the games of other splits have no solutions that need no planner."""
        del count, data_seed
        return ()

    def data_sources(self) -> Sequence[DataSource]:
        """The games and, where present, the labels."""
        found = content_hash(*map(game_name, self._games), *self._hashes)
        sources = [DataSource("alfworld/valid_unseen", "json_2.1.1", found)]
        if self._path:
            read = file_hash(self._path)
            sources.append(DataSource("agentboard/alfworld", "local mirror", read))
        return sources

    @cached_property
    def _games(self) -> list[Path]:
        return game_files()

    @cached_property
    def _labels(self) -> list[Label] | None:
        return self._read_labels(self._path) if self._path else None

    @cached_property
    def _hashes(self) -> list[str]:
        return [file_hash(path) for path in self._games]

    def _read_labels(self, path: Path) -> list[Label]:
        by_name = {one.info.get("description"): one for one in load_labels(path, COUNT)}
        names = [game_name(game) for game in self._games]
        missing = [name for name in names if name not in by_name]
        if missing:
            raise MissingData(f"{path} has no label for {missing[0]}; fetch the file again.")
        return [by_name[name] for name in names]

    def _item(self, index: int, stream: str) -> Item:
        label = self._labels[index] if self._labels else None
        name = game_name(self._games[index])
        told = (label.goal, label.subgoals) if label else ""
        return Item(
            sample_id=f"alfworld/{index:03d}",
            stream_id=stream,
            content_hash=content_hash(name, self._hashes[index], told),
            group=name.partition("-")[0],
            difficulty=label.level if label else None,
        )


class AlfWorldEpisode(Episode):
    """One chore.

    Args:
        path: the game file.
        subgoals: patterns of the label; None without one.
        max_steps: actions of the episode.
    """

    def __init__(self, path: Path, subgoals: Sequence[str] | None, max_steps: int) -> None:
        self._world = AlfWorldText(open_game(path), subgoals, max_steps)

    @property
    def brief(self) -> Brief:
        """The chore and the rules of the world."""
        return Brief(
            goal=self._world.goal,
            instructions=INSTRUCTIONS,
            answer_format="one action",
            single_turn=False,
            max_turns=self._world.max_steps,
            hints="If nothing happens, use: check valid actions. To see what you carry, use: "
            "inventory.",
            goal_label="Task",
            action_label="Action",
        )

    def reset(self) -> Observation:
        """Start over."""
        return Observation(self._world.reset())

    def step(self, action: str) -> Observation:
        """Take an action."""
        step = self._world.step(action)
        return Observation(step.text, step.done, step.valid)

    def score(self) -> Score:
        """Success, and progress."""
        success = self._world.success
        metrics = {"progress": self._world.progress}
        return Score(float(success), success, metrics, gold="the chore done")

    def close(self) -> None:
        """Let go of the game."""
        self._world.close()
