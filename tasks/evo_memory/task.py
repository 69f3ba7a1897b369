"""The task `evo-memory`: a choice of subsets under one protocol.

Wei et al. 2025, "Evo-Memory: Benchmarking LLM Agent Test-time Learning with Self-Evolving
Memory", arXiv 2511.20857. No official code or prompts are published; where the paper is silent
the choice is an option and its default is named in the documentation.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, ClassVar, cast

from harness.data import DataSource, MirrorFile
from harness.errors import UnknownName, UsageError
from harness.protocols.stream import (
    Episode,
    Experience,
    Item,
    MetricInfo,
    StreamSettings,
    StreamTask,
)
from harness.registry import About, Need
from harness_tasks.evo_memory.subset import EvoMemoryOptions, Subset

SUBSETS = {
    "reasoning": "harness_tasks.evo_memory.reasoning:Reasoning",
    "gsm8k": "harness_tasks.evo_memory.questions.gsm8k:GSM8K",
    "mmlu-pro-economics": "harness_tasks.evo_memory.questions.mmlu_pro:MMLUPro",
    "mmlu-pro-engineering": "harness_tasks.evo_memory.questions.mmlu_pro:MMLUProEngineering",
    "mmlu-pro-philosophy": "harness_tasks.evo_memory.questions.mmlu_pro:MMLUProPhilosophy",
    "gpqa-diamond": "harness_tasks.evo_memory.questions.gpqa:GPQADiamond",
    "aime-24": "harness_tasks.evo_memory.questions.aime:AIME24",
    "aime-25": "harness_tasks.evo_memory.questions.aime:AIME25",
    "toolbench": "harness_tasks.evo_memory.questions.toolbench:ToolBench",
    "babyai": "harness_tasks.evo_memory.babyai.subset:BabyAI",
    "scienceworld": "harness_tasks.evo_memory.scienceworld.subset:ScienceWorld",
    "pddl": "harness_tasks.evo_memory.pddl.subset:Pddl",
    "alfworld": "harness_tasks.evo_memory.alfworld.subset:AlfWorld",
    "textworld": "harness_tasks.evo_memory.textworld.subset:TextWorld",
}
_SUBSET_OPTIONS = frozenset(EvoMemoryOptions.model_fields) - set(StreamSettings.model_fields)


class EvoMemory(StreamTask):
    """Streams of questions or missions, one subset a run."""

    about: ClassVar[About] = About(
        "How an agent's memory evolves over a stream of tasks.",
        "Wei et al. 2025, arXiv 2511.20857",
        licence="code Apache-2.0; minigrid, reasoning-gym, scienceworld and unified-planning "
        "Apache-2.0; textworld and alfworld MIT; AgentBoard's labels, "
        "loaded from a local mirror where present, GPL-2.0",
    )
    Options: ClassVar[type[StreamSettings]] = EvoMemoryOptions
    options: EvoMemoryOptions
    metrics: ClassVar[tuple[MetricInfo, ...]] = (
        MetricInfo("success", "share of items solved; the primary metric"),
        MetricInfo("progress", "share of subgoals, conditions or points reached (worlds)"),
        MetricInfo("steps", "turns taken", higher_is_better=False),
        MetricInfo("invalid_actions", "actions the world refused, unreadable answers", False),
        MetricInfo("invalid_outputs", "outputs that missed the asked format", False),
        MetricInfo("verifier", "raw value of the question's verifier (reasoning)"),
    )
    default_methods: ClassVar[tuple[str, ...]] = ("baseline", "exprecent", "exprag", "remem")
    subsets: ClassVar[tuple[str, ...]] = tuple(SUBSETS)

    def __init__(self, options: StreamSettings) -> None:
        super().__init__(options)
        self._subset = subset_type(self.options.subset)(self.options)
        for name in _SUBSET_OPTIONS - {"subset"} - self._subset.options_used:
            if getattr(self.options, name) != EvoMemoryOptions.model_fields[name].default:
                raise UsageError(
                    f"option {name} does not apply to subset '{self.options.subset}'; leave it out."
                )

    @property
    def version(self) -> str:
        """Version of the subset's rules."""
        return self._subset.version

    @property
    def subset(self) -> str:
        """The chosen subset."""
        return self.options.subset

    @property
    def confidential(self) -> bool:
        """Whether no text of an item may stay in published results."""
        return self._subset.confidential

    def items(self, data_seed: int) -> Sequence[Item]:
        """All items of the subset, those of a stream together."""
        return self._subset.items(data_seed)

    def episode(self, item: Item) -> Episode:
        """Open an item."""
        return self._subset.episode(item)

    def demonstrations(self, count: int, data_seed: int) -> Sequence[Experience]:
        """Solved examples that are disjoint from all items."""
        return self._subset.demonstrations(count, data_seed)

    def sampling_defaults(self) -> dict[str, float | int]:
        """The subset's longest answer."""
        return {"max_tokens": self._subset.max_tokens}

    def code(self) -> Sequence[type[Any]]:
        """This task and the chosen subset, which is loaded by name."""
        return (type(self), type(self._subset))

    def data_sources(self) -> Sequence[DataSource]:
        """Where the items come from."""
        return self._subset.data_sources()

    @classmethod
    def needs(cls, options: StreamSettings) -> tuple[Need, ...]:
        """Packages of the chosen subset."""
        return subset_type(cast("EvoMemoryOptions", options).subset).needs

    @classmethod
    def mirror_files(cls, options: StreamSettings) -> tuple[MirrorFile, ...]:
        """What the chosen subset reads from the local mirror."""
        return subset_type(cast("EvoMemoryOptions", options).subset).mirror_files


def subset_type(name: str) -> type[Subset]:
    """Find a subset by name.

    Raises:
        UnknownName: with the nearest names.
    """
    if name not in SUBSETS:
        raise UnknownName("subset of evo-memory", name, SUBSETS)
    module, _, class_name = SUBSETS[name].partition(":")
    return getattr(importlib.import_module(module), class_name)
