"""Subset `babyai`: AgentBoard's 112 missions, played in text.

Chevalier-Boisvert et al. 2019 (arXiv 1810.08272) on minigrid 2.3.0, worded and scored as
AgentBoard does (Ma et al. 2024, arXiv 2401.13178). With AgentBoard's labels in the local mirror,
progress counts its subgoals and success is its rule; without them success is the environment's
own: another version of the task. Native order is AgentBoard's, level by level; the streams are
equal consecutive parts of it (``streams=1`` is the paper's single stream).
"""

from __future__ import annotations

from collections.abc import Sequence
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
from harness_tasks.evo_memory.babyai.environment import BabyAIText
from harness_tasks.evo_memory.babyai.expert import demonstration
from harness_tasks.evo_memory.babyai.levels import LEVELS, SEEDS, Mission, missions
from harness_tasks.evo_memory.babyai.progress import Label, load_labels
from harness_tasks.evo_memory.subset import EvoMemoryOptions, Subset, in_streams
from harness_tasks.evo_memory.workers import in_worker

LABELS = MirrorFile(
    "agentboard/babyai/test.jsonl",
    "AgentBoard's labels: its progress and success rule instead of the environment's own success",
)

INSTRUCTIONS = """You move through a grid world of rooms and doors to fulfil a mission.
You see what is in front of you. Distances are counted in steps.
Actions, with the names and numbers that you see or are offered:
- turn left
- turn right
- move forward
- go to <object> <number>, for example: go to red ball 1
- pickup <object> <number>
- drop
- go through <colour> open door <number>
- toggle and go through <colour> closed door <number> (a locked door needs the key of its colour)
- toggle (opens or closes the door right in front of you)
- check available actions"""

_DEMONSTRATION_SEEDS = range(10_000, 10_050)


class BabyAI(Subset):
    """Missions in streams."""

    options_used: ClassVar[frozenset[str]] = frozenset({"streams", "max_steps"})
    max_tokens: ClassVar[int] = 64
    needs: ClassVar[tuple[Need, ...]] = (Need("minigrid", "environments"),)
    mirror_files: ClassVar[tuple[MirrorFile, ...]] = (LABELS,)
    default_streams: ClassVar[int] = 7

    def __init__(self, options: EvoMemoryOptions) -> None:
        super().__init__(options)
        self._path = LABELS.find()
        self._labels: list[Label] | None = load_labels(self._path) if self._path else None
        if self._labels is not None and len(self._labels) != len(missions()):
            raise MissingData(
                f"{self._path} has {len(self._labels)} labels, not {len(missions())}; take "
                "AgentBoard's whole file, or unset HARNESS_DATA."
            )

    @property
    def version(self) -> str:
        """Whose rule decides success."""
        rule = "agentboard-labels" if self._labels else "environment-success"
        return f"babyai-1+minigrid-2.3.0+{rule}"

    def items(self, data_seed: int) -> Sequence[Item]:
        """The 112 missions; they are fixed, whatever the data seed."""
        del data_seed
        every = missions()
        count = len(every)
        wanted = self.options.streams or self.default_streams
        streams = in_streams(count, wanted, f"babyai has {count} missions")
        return [self._item(mission, streams[mission.index]) for mission in every]

    def episode(self, item: Item) -> Episode:
        """Open a mission."""
        index = int(item.sample_id.rpartition("/")[2])
        label = self._labels[index] if self._labels else None
        return in_worker(BabyAIEpisode, missions()[index], label, self.options.max_steps)

    def demonstrations(self, count: int, data_seed: int) -> Sequence[Experience]:
        """Missions of other seeds, solved by a small scripted player; levels in turn."""
        found = list[Experience]()
        first = data_seed * len(_DEMONSTRATION_SEEDS)
        for seed in _DEMONSTRATION_SEEDS:
            for level in LEVELS:
                if len(found) >= count:
                    return found
                mission = Mission(-1, level, seed + first)
                played = demonstration(mission)
                if played:
                    found.append(_experience(mission, played, len(found)))
        return found

    def data_sources(self) -> Sequence[DataSource]:
        """The generator and, where present, the labels."""
        sources = [DataSource("minigrid", "2.3.0", content_hash(*LEVELS, *SEEDS))]
        if self._path:
            sources.append(DataSource("agentboard/babyai", "local mirror", file_hash(self._path)))
        return sources

    def _item(self, mission: Mission, stream: str) -> Item:
        label = self._labels[mission.index] if self._labels else None
        difficulty = {"easy": 0.0, "hard": 1.0}.get(label.difficulty) if label else None
        return Item(
            sample_id=f"babyai/{mission.index:03d}",
            stream_id=stream,
            content_hash=content_hash(mission.level, mission.seed, label.subgoals if label else ""),
            group=mission.level.removeprefix("BabyAI-").removesuffix("-v0"),
            difficulty=difficulty,
        )


class BabyAIEpisode(Episode):
    """One mission."""

    def __init__(self, mission: Mission, label: Label | None, max_steps: int) -> None:
        self._world = BabyAIText(mission, label, max_steps)
        self._labelled = label is not None
        self._max_steps = max_steps

    @property
    def brief(self) -> Brief:
        """The mission and the rules of the world."""
        return Brief(
            goal=self._world.goal,
            instructions=INSTRUCTIONS,
            answer_format="one action",
            single_turn=False,
            max_turns=self._max_steps,
            hints="To see what you can do now, use: check available actions.",
            goal_label="Mission",
            action_label="Action",
        )

    def reset(self) -> Observation:
        """Start the mission over."""
        return Observation(self._world.reset())

    def step(self, action: str) -> Observation:
        """Take an action."""
        step = self._world.step(action)
        return Observation(step.text, step.done, step.valid)

    def score(self) -> Score:
        """Success; with labels also the share of subgoals."""
        success = self._world.success
        progress = {"progress": self._world.progress} if self._labelled else {}
        return Score(float(success), success, progress, gold="the mission fulfilled")


def _experience(mission: Mission, played: list[tuple[str, str]], step: int) -> Experience:
    world = BabyAIText(mission)
    before = [world.reset(), *(seen for _, seen in played)]
    return Experience(
        sample_id=f"demo-{step}",
        step=step,
        goal=world.goal,
        turns=tuple(Turn(seen, done) for seen, (done, _) in zip(before, played, strict=False)),
        feedback=Feedback(correct=True),
        goal_label="Mission",
        action_label="Action",
        single_turn=False,
    )
