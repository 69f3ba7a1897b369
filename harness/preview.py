"""The exact prompts of the first item, for each method, without asking any model.

A method's hooks run as in a real run until the first request, which is caught. Later requests
depend on answers and cannot be shown.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from harness.errors import HarnessError
from harness.executors import run_title
from harness.models.chat import (
    ChatModel,
    ChatRequest,
    ChatResponse,
    Message,
    ModelIdentity,
    ModelRequest,
    Sampling,
)
from harness.models.client import Gate, StreamClient
from harness.models.search import NoRanker, SimilaritySearch
from harness.plan import Plan, PlannedRun
from harness.protocols.stream.method import MemoryContext, Play, call_hook
from harness.protocols.stream.types import Observation, Query
from harness.registry import About


@dataclass(frozen=True)
class Preview:
    """The first request of a method."""

    run: str
    sample_id: str
    messages: tuple[Message, ...]
    max_tokens: int


class _CaughtError(HarnessError):
    """Carries the request out of the method."""

    def __init__(self, request: ChatRequest) -> None:
        super().__init__("caught")
        self.request = request


class _Catcher(ChatModel):
    about: ClassVar[About] = About("Catches the first request.", "harness.preview")

    def __init__(self, request: ModelRequest) -> None:
        del request

    async def start(self) -> ModelIdentity:
        return ModelIdentity("none", "", "none", "")

    async def chat(self, request: ChatRequest) -> ChatResponse:
        raise _CaughtError(request)


async def previews(plan: Plan) -> list[Preview]:
    """Catch the first request of every runnable run."""
    return [await _preview(run) for run in plan.runnable]


async def _preview(run: PlannedRun) -> Preview:
    stream_id, items = run.streams[0]
    seed_text = run.spec.seed_text(stream_id)
    sampling = Sampling.model_validate(run.spec.sampling)
    client = StreamClient(
        Gate(_Catcher(ModelRequest("none")), 1), sampling, seed_text, lambda _record: None
    )
    client.begin(items[0].sample_id, ())
    context = MemoryContext(
        settings=run.task.options,
        ask=client,
        similarity=SimilaritySearch(NoRanker()),
        seed_text=seed_text,
        demonstrations=lambda count: run.task.demonstrations(count, run.spec.data_seed),
    )
    left, right = run.method.parts
    memory, agent = right.type(right.options, context), left.type(left.options)
    episode = run.task.episode(items[0])

    async def step(action: str) -> Observation:
        return await asyncio.to_thread(episode.step, action)

    try:
        first = await asyncio.to_thread(episode.reset)
        query = Query(items[0].sample_id, 0, episode.brief.goal)
        found = await call_hook(memory.search, query)
        shown = await call_hook(memory.synthesize, query, found)
        play = Play(episode.brief, first, step)
        await call_hook(agent.act, play, shown, client, memory)
    except _CaughtError as caught:
        request = caught.request
        return Preview(run_title(run), items[0].sample_id, request.messages, request.max_tokens)
    finally:
        episode.close()
    return Preview(run_title(run), items[0].sample_id, (), 0)
