"""The exact prompts of the first item, for each method, without asking any model.

A method's hooks run as in a real run until the first request, which is caught. Later requests
depend on answers and cannot be shown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.errors import HarnessError, UsageError
from harness.hooks import call_hook
from harness.models.base import NO_HOST, Host, ModelIdentity, ModelRequest
from harness.models.chat import ChatModel, ChatRequest, ChatResponse, Message, Sampling
from harness.models.client import Gate, StreamClient
from harness.models.search import NoRanker, SimilaritySearch
from harness.outcomes import run_title
from harness.plan import Plan, PlannedRun, StreamRun
from harness.protocols.solve.method import Candidate, Desk, Query
from harness.protocols.stream.method import MemoryContext, Play
from harness.protocols.stream.types import Query as MemoryQuery
from harness.protocols.stream.world import World
from harness.registry import About
from harness.solving.plan import SolveRun


@dataclass(frozen=True)
class Preview:
    """The first request of a method."""

    run: str
    sample_id: str
    messages: tuple[Message, ...]
    max_tokens: int
    problem: str = ""
    """Why there is no request."""


class _CaughtError(HarnessError):
    """Carries the request out of the method."""

    def __init__(self, request: ChatRequest) -> None:
        super().__init__("caught")
        self.request = request


class _Catcher(ChatModel):
    about: ClassVar[About] = About("Catches the first request.", "harness.preview")

    def __init__(self, request: ModelRequest) -> None:
        del request

    async def start(self, host: Host = NO_HOST) -> ModelIdentity:
        del host
        return ModelIdentity("none", "", "none", "")

    async def chat(self, request: ChatRequest) -> ChatResponse:
        raise _CaughtError(request)


async def previews(plan: Plan) -> list[Preview]:
    """Catch the first request of every runnable run."""
    found = list[Preview]()
    for run in plan.runnable:
        if isinstance(run, StreamRun):
            sample_id, asking = run.streams[0].items[0].sample_id, _play(run)
        elif isinstance(run, SolveRun):
            sample_id, asking = run.asked[0].sample_id, _solve(run)
        else:
            raise UsageError(
                f"--preview shows prompts, and task '{run.spec.task}' has none; leave it out."
            )
        found.append(await _preview(run, sample_id, asking))
    return found


async def _preview(run: PlannedRun, sample_id: str, asking: Awaitable[None]) -> Preview:
    title = run_title(run)
    try:
        await asking
    except _CaughtError as caught:
        return Preview(title, sample_id, caught.request.messages, caught.request.max_tokens)
    except Exception as error:  # noqa: BLE001 - whatever a method raises is what is to be told
        reason = f"{type(error).__name__}: {error}"
        return Preview(title, sample_id, (), 0, f"raised before it asked: {reason}")
    return Preview(title, sample_id, (), 0, "asks the model nothing")


def _client(run: PlannedRun, stream_id: str, sample_id: str) -> StreamClient:
    """A client whose first request is caught."""
    gate = Gate(_Catcher(ModelRequest("none")), 1)
    sampling = Sampling.model_validate(run.spec.sampling)
    client = StreamClient(gate, sampling, run.spec.seed_text(stream_id), lambda _record: None)
    client.begin(sample_id, ())
    return client


async def _solve(run: SolveRun) -> None:
    if not run.asks_model:
        return
    solver, voting = run.method.construct()
    asked = run.asked[0]
    client = _client(run, asked.sample_id, asked.sample_id)

    async def ask(query: Query, desk: Desk) -> Sequence[Candidate]:
        return await call_hook(solver.solve, query, desk)

    desk = Desk(run.seed_text(asked), client)
    await voting.solve(ask, asked.query(run.task.options.attempts), desk)


async def _play(run: StreamRun) -> None:
    stream_id, items = run.streams[0].id, run.streams[0].items
    seed_text = run.spec.seed_text(stream_id)
    client = _client(run, stream_id, items[0].sample_id)
    context = MemoryContext(
        settings=run.task.options,
        ask=client,
        similarity=SimilaritySearch(NoRanker()),
        seed_text=seed_text,
        demonstrations=lambda count: run.task.demonstrations(count, run.spec.data_seed),
    )
    world = World(run.task, items[0])
    try:
        left, right = run.method.parts
        memory, agent = right.type(right.options, context), left.type(left.options)
        brief, first = await world.start()
        query = MemoryQuery(items[0].sample_id, 0, brief.goal)
        found = await call_hook(memory.search, query)
        shown = await call_hook(memory.synthesize, query, found)
        await call_hook(agent.act, Play(brief, first, world.step), shown, client, memory)
    finally:
        world.close()
