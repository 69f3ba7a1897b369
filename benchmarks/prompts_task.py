"""The prompts as a stream task: questions of one turn, in streams of equal length; and an agent.

harness run --task file:benchmarks/prompts_task.py#Prompts -T file=prompts.jsonl -T streams=20
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from harness.data import DataSource, content_hash, file_hash
from harness.models.chat import Message
from harness.protocols.stream import (
    Agent,
    AgentReport,
    Ask,
    Brief,
    Context,
    Episode,
    Item,
    Memory,
    MetricInfo,
    Observation,
    Play,
    Score,
    StreamSettings,
    StreamTask,
)
from harness.registry import About


class PromptsOptions(StreamSettings):
    """Options of the task."""

    file: str
    """Lines of JSON with id, question and answer."""
    streams: int = Field(default=20, ge=1)
    """Streams that the lines are divided into, in order."""


class Question(Episode):
    """Asked once; right if the output holds the answer."""

    blocking: ClassVar[bool] = False

    def __init__(self, question: str, answer: str) -> None:
        self._question, self._gold, self._output = question, answer, ""

    @property
    def brief(self) -> Brief:
        return Brief(
            goal=self._question,
            instructions="Answer the question.",
            answer_format="a number",
            single_turn=True,
            max_turns=1,
        )

    def reset(self) -> Observation:
        self._output = ""
        return Observation("")

    def step(self, action: str) -> Observation:
        self._output = action
        return Observation("", done=True)

    def score(self) -> Score:
        right = self._gold in self._output
        return Score(float(right), right, gold=self._gold)


class Prompts(StreamTask):
    """Questions of a file."""

    about: ClassVar[About] = About("Questions of a file.", "made for the benchmarks")
    Options: ClassVar[type[StreamSettings]] = PromptsOptions
    metrics: ClassVar[tuple[MetricInfo, ...]] = (MetricInfo("success", "share answered rightly"),)
    version: ClassVar[str] = "1"
    subset: ClassVar[str] = "all"
    options: PromptsOptions

    @cached_property
    def _rows(self) -> dict[str, tuple[str, str]]:
        with Path(self.options.file).open(encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        return {row["id"]: (row["question"], row["answer"]) for row in rows}

    def items(self, data_seed: int) -> Sequence[Item]:
        del data_seed
        size = -(-len(self._rows) // self.options.streams)
        return [
            Item(name, f"stream-{position // size:04d}", content_hash(*row))
            for position, (name, row) in enumerate(self._rows.items())
        ]

    def episode(self, item: Item) -> Episode:
        return Question(*self._rows[item.sample_id])

    def sampling_defaults(self) -> dict[str, float | int]:
        return {"max_tokens": 16}

    def data_sources(self) -> Sequence[DataSource]:
        path = Path(self.options.file)
        return (DataSource(path.name, "1", file_hash(path)),)


class Plain(Agent):
    """Sends the question alone, as one user message; for comparison with load generators."""

    about: ClassVar[About] = About("The question and nothing else.", "made for the benchmarks")

    async def act(self, play: Play, context: Context, ask: Ask, memory: Memory) -> AgentReport:
        del context, memory
        await play.act(await ask([Message("user", play.brief.goal)]))
        return AgentReport()
