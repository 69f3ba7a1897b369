"""Subset `scienceworld`: school experiments in a text world.

Wang et al. 2022 (arXiv 2203.07540) on scienceworld 1.2.3. With AgentBoard's labels (Ma et al. 2024,
arXiv 2401.13178) in the local mirror the items are its 90 variations, scored by its subgoals;
without them three test variations of each experiment, scored by the game itself: another version
of the task. The streams are equal consecutive parts of the native order (``streams=1`` is the
paper's single stream).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from harness.data import DataSource, MirrorFile, content_hash, file_hash
from harness.errors import MissingData
from harness.protocols.stream import (
    Brief,
    Episode,
    Experience,
    Feedback,
    Item,
    Observation,
    Score,
    Turn,
)
from harness.registry import Need
from harness_tasks.evo_memory.agentboard import Label, load_labels
from harness_tasks.evo_memory.scienceworld.environment import ScienceWorldText
from harness_tasks.evo_memory.scienceworld.simulator import Game, require_java
from harness_tasks.evo_memory.scienceworld.variations import SHORT, SPLITS
from harness_tasks.evo_memory.subset import EvoMemoryOptions, Subset, in_streams
from harness_tasks.evo_memory.workers import in_worker

LABELS = MirrorFile(
    "agentboard/scienceworld/test.jsonl",
    "AgentBoard's 90 variations with subgoals, instead of test variations and the game's score",
)

INSTRUCTIONS = """You are in a school building with a workshop, a kitchen, a greenhouse and more, \
and do an experiment in it. Doors and containers are open, electricity needs no wiring.
Actions, with the names of things (OBJ) and rooms (LOC) that you see:
- look around, look at OBJ, look in OBJ, read OBJ
- go to LOC, which must be next to the room where you are
- pick up OBJ, put down OBJ, move OBJ to OBJ
- open OBJ, close OBJ, activate OBJ, deactivate OBJ
- use OBJ, use OBJ on OBJ (a thermometer on a substance, for instance)
- pour OBJ into OBJ, dunk OBJ into OBJ, mix OBJ
- focus on OBJ: choose the thing that the task asks for; a wrong choice may fail the task
- eat OBJ, flush OBJ, wait, wait1
- inventory: what you carry; task: what you are asked to do
- check valid actions: list the forms of actions
Where a name is ambiguous you are given numbers to choose from; answer with a number."""

_COUNT = 90
_PER_TASK = 3
_EXAMPLE_STEPS = 25


@dataclass(frozen=True)
class Variation:
    """One item: an experiment, its variation, and its label where there are labels."""

    task: str
    number: int
    label: Label | None = None


class ScienceWorld(Subset):
    """Experiments in streams."""

    options_used: ClassVar[frozenset[str]] = frozenset({"streams", "max_steps"})
    max_tokens: ClassVar[int] = 64
    needs: ClassVar[tuple[Need, ...]] = (Need("scienceworld", "environments"),)
    mirror_files: ClassVar[tuple[MirrorFile, ...]] = (LABELS,)

    def __init__(self, options: EvoMemoryOptions) -> None:
        super().__init__(options)
        self._path = LABELS.find()
        labels = load_labels(self._path, _COUNT) if self._path else None
        self._variations = [_labelled(one) for one in labels] if labels else _own()

    @property
    def version(self) -> str:
        """Whose rule decides success."""
        rule = "agentboard-labels" if self._path else "game-score"
        return f"scienceworld-1+scienceworld-1.2.3+{rule}"

    def items(self, data_seed: int) -> Sequence[Item]:
        """The variations; they are fixed, whatever the data seed."""
        del data_seed
        require_java()
        count = len(self._variations)
        wanted = self.options.streams or (9 if self._path else 6)
        streams = in_streams(count, wanted, f"scienceworld has {count} variations")
        return [self._item(index, streams[index]) for index in range(count)]

    def episode(self, item: Item) -> Episode:
        """Open a variation."""
        index = int(item.sample_id.rpartition("/")[2])
        return in_worker(
            ScienceWorldEpisode, self._variations[index], self.options.max_steps, False
        )

    def demonstrations(self, count: int, data_seed: int) -> Sequence[Experience]:
        """Training variations of short experiments, solved by the game itself; at most 12."""
        return list(islice(self._solved(data_seed), count))

    def data_sources(self) -> Sequence[DataSource]:
        """The game and, where present, the labels."""
        chosen = [(one.task, one.number) for one in self._variations]
        sources = [DataSource("scienceworld", "1.2.3", content_hash(*chosen))]
        if self._path:
            found = file_hash(self._path)
            sources.append(DataSource("agentboard/scienceworld", "local mirror", found))
        return sources

    def _item(self, index: int, stream: str) -> Item:
        one = self._variations[index]
        label = one.label
        told = (label.goal, label.subgoals) if label else ""
        return Item(
            sample_id=f"scienceworld/{index:03d}",
            stream_id=stream,
            content_hash=content_hash(one.task, one.number, told),
            group=one.task,
            difficulty=label.level if label else None,
        )

    def _solved(self, data_seed: int) -> Iterator[Experience]:
        drawn = random.Random(f"scienceworld examples {data_seed}")
        taken = {(one.task, one.number) for one in self._variations}
        tasks = drawn.sample(SHORT, len(SHORT))
        step = 0
        for task in tasks:
            free = [n for n in range(SPLITS[task].train) if (task, n) not in taken]
            played = _example(Variation(task, drawn.choice(free)), step) if free else None
            if played:
                step += 1
                yield played


class ScienceWorldEpisode(Episode):
    """One variation.

    Args:
        variation: which.
        max_steps: actions of the episode.
        gold: whether `score` tells the game's own solution, an action a line.
    """

    def __init__(self, variation: Variation, max_steps: int, gold: bool) -> None:
        self._game = Game(variation.task, variation.number, gold)
        self._world = ScienceWorldText(self._game, variation.label, max_steps)
        self._gold = gold

    @property
    def brief(self) -> Brief:
        """The task and the rules of the world."""
        return Brief(
            goal=self._world.goal,
            instructions=INSTRUCTIONS,
            answer_format="one action",
            single_turn=False,
            max_turns=self._world.max_steps,
            hints="If an action is not understood, use: check valid actions. "
            "To see what you carry, use: inventory.",
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
        """Success, and the share of subgoals or the game's score."""
        success = self._world.success
        gold = "\n".join(self._game.gold_actions()) if self._gold else "the experiment done"
        return Score(float(success), success, {"progress": self._world.progress}, gold)


def _labelled(label: Label) -> Variation:
    task, number = label.info.get("env_name"), label.info.get("var")
    if task not in SPLITS or not isinstance(number, int):
        raise MissingData(f"the label '{label.goal}' names no variation; fetch the file again.")
    return Variation(task, number, label)


def _own() -> list[Variation]:
    return [
        Variation(task, number) for task, one in SPLITS.items() for number in one.tests(_PER_TASK)
    ]


def _example(variation: Variation, step: int) -> Experience | None:
    """Play the game's own solution; None where it is long or does not reach the full score."""
    episode = in_worker(ScienceWorldEpisode, variation, _EXAMPLE_STEPS, True)
    try:
        seen = episode.reset()
        turns = list[Turn]()
        for action in episode.score().gold.splitlines():
            if seen.done:
                break
            turns.append(Turn(seen.text, action))
            seen = episode.step(action)
        if not episode.score().success:
            return None
        goal = episode.brief.goal
    finally:
        episode.close()
    return Experience(
        sample_id=f"demo-{step}",
        step=step,
        goal=goal,
        turns=tuple(turns),
        feedback=Feedback(correct=True),
        goal_label="Task",
        action_label="Action",
        single_turn=False,
    )
