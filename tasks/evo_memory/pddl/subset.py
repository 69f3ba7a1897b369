"""Subset `pddl`: AgentBoard's 60 planning problems, played in text.

Gripper 20, blockworld 10, barman 20 and tyreworld 10, in this order, worded and scored as
AgentBoard does (Ma et al. 2024, arXiv 2401.13178); its labels and planning files are read from the
local mirror. The streams are equal consecutive parts (``streams=1`` is the paper's single stream).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import ClassVar

from harness.data import DataSource, MirrorFile, content_hash
from harness.errors import MissingData
from harness.protocols.stream import Brief, Episode, Experience, Item, Observation, Score
from harness.registry import Need
from harness_tasks.evo_memory.agentboard import Label, find_required, load_labels
from harness_tasks.evo_memory.pddl.briefs import HINTS, INSTRUCTIONS
from harness_tasks.evo_memory.pddl.environment import PddlText
from harness_tasks.evo_memory.pddl.examples import solved_examples
from harness_tasks.evo_memory.pddl.reading import read_problem
from harness_tasks.evo_memory.pddl.wording import literal_text
from harness_tasks.evo_memory.subset import Subset, in_streams
from harness_tasks.evo_memory.workers import in_worker

DOMAINS = {"gripper": 20, "blockworld": 10, "barman": 20, "tyreworld": 10}
"""Domains in AgentBoard's order, with how many problems each has."""

LABELS = MirrorFile(
    "agentboard/pddl/test.jsonl", "AgentBoard's goals and difficulties", required=True
)
FILES = {
    name: MirrorFile(
        f"agentboard/pddl/{name}.pddl",
        f"AgentBoard's domain file; its {count} problem files stand in the folder {name} beside it",
        required=True,
    )
    for name, count in DOMAINS.items()
}


class Pddl(Subset):
    """Planning problems in streams."""

    options_used: ClassVar[frozenset[str]] = frozenset({"streams", "max_steps"})
    max_tokens: ClassVar[int] = 96
    needs: ClassVar[tuple[Need, ...]] = (Need("unified_planning", "environments"),)
    mirror_files: ClassVar[tuple[MirrorFile, ...]] = (LABELS, *FILES.values())
    default_streams: ClassVar[int] = 6

    @property
    def version(self) -> str:
        """The rules and the reader."""
        return "pddl-1+unified-planning-1.3.0+agentboard-labels"

    def items(self, data_seed: int) -> Sequence[Item]:
        """The 60 problems; they are fixed, whatever the data seed."""
        del data_seed
        count = len(self._files.problems)
        wanted = self.options.streams or self.default_streams
        streams = in_streams(count, wanted, f"pddl has {count} problems")
        return [self._item(index, streams[index]) for index in range(count)]

    def episode(self, item: Item) -> Episode:
        """Open a problem."""
        index = int(item.sample_id.rpartition("/")[2])
        name, problem = self._files.problems[index]
        domain, label = self._files.domains[name], self._files.labels[index]
        return in_worker(PddlEpisode, name, domain, problem, label, self.options.max_steps)

    def demonstrations(self, count: int, data_seed: int) -> Sequence[Experience]:
        """Smaller problems of our own, solved by search."""
        return list(islice(solved_examples(self._files.domains, data_seed), count))

    def data_sources(self) -> Sequence[DataSource]:
        """The labels and the planning files."""
        texts = [*self._files.domains.values(), *(text for _, text in self._files.problems)]
        labels = [(one.goal, one.subgoals, one.difficulty) for one in self._files.labels]
        found = content_hash(*labels, *texts)
        return [DataSource("agentboard/pddl", "local mirror", found)]

    @cached_property
    def _files(self) -> Files:
        return read_files(self.mirror_files)

    def _item(self, index: int, stream: str) -> Item:
        label, (name, problem) = self._files.labels[index], self._files.problems[index]
        return Item(
            sample_id=f"pddl/{index:03d}",
            stream_id=stream,
            content_hash=content_hash(
                label.goal, label.subgoals, self._files.domains[name], problem
            ),
            group=name,
            difficulty=label.level,
        )


@dataclass(frozen=True)
class Files:
    """What the mirror holds."""

    labels: Sequence[Label]
    domains: Mapping[str, str]
    """Name -> text of the domain file."""
    problems: Sequence[tuple[str, str]]
    """Name of the domain and text of the problem file, in AgentBoard's order."""


def read_files(mirrored: Sequence[MirrorFile]) -> Files:
    """Read the labels, the domain files and the problem files.

    Raises:
        MissingData: something is not there, or is not AgentBoard's.
    """
    path, *paths = find_required(mirrored, "pddl")
    labels = load_labels(path, sum(DOMAINS.values()))
    problems = [
        (name, text)
        for (name, count), domain in zip(DOMAINS.items(), paths, strict=True)
        for text in _problems(domain.with_suffix(""), count)
    ]
    if [one.info.get("subtask") for one in labels] != [name for name, _ in problems]:
        raise MissingData(f"{path} is not in AgentBoard's order of domains; fetch it again.")
    texts = [domain.read_text(encoding="utf-8") for domain in paths]
    return Files(labels, dict(zip(DOMAINS, texts, strict=True)), problems)


class PddlEpisode(Episode):
    """One problem.

    Args:
        name: of the domain.
        domain: text of the domain file.
        problem: text of the problem file.
        label: AgentBoard's label of this problem.
        max_steps: actions of the episode.

    Raises:
        MissingData: the label belongs to another problem.
    """

    def __init__(self, name: str, domain: str, problem: str, label: Label, max_steps: int) -> None:
        self._name = name
        self._label = label
        self._world = PddlText(name, read_problem(domain, problem), max_steps)
        conditions = sorted(_spaced(literal_text(one)) for one in self._world.problem.goal)
        if conditions != sorted(_spaced(one) for one in label.subgoals):
            raise MissingData(
                f"the label '{label.goal}' is not for a problem of {name} whose conditions are "
                f"{conditions}; take the label file in its original order."
            )

    @property
    def brief(self) -> Brief:
        """The goal and the rules of the domain."""
        return Brief(
            goal=_spaced(self._label.goal),
            instructions=INSTRUCTIONS[self._name],
            answer_format="one action",
            single_turn=False,
            max_turns=self._world.max_steps,
            hints=HINTS,
            goal_label="Goal",
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
        """Success, and the largest share of conditions that held."""
        success = self._world.success
        metrics = {"progress": self._world.progress}
        return Score(float(success), success, metrics, gold="all conditions satisfied")


def _problems(folder: Path, count: int) -> list[str]:
    """Texts of a domain's problem files, by file name as AgentBoard sorts them."""
    files = sorted(folder.glob("*.pddl"), key=str)
    if len(files) != count:
        raise MissingData(
            f"{folder} has {len(files)} problem files, not {count}; put AgentBoard's whole folder "
            "into the mirror that HARNESS_DATA names."
        )
    return [file.read_text(encoding="utf-8") for file in files]


def _spaced(text: str) -> str:
    return " ".join(text.split())
