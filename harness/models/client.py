"""The one client that methods ask: it meters, journals and replays.

Every answered call is appended to the run's journal before the method sees it. When an unfinished
item is played again after a kill, the same requests get the same answers from the journal, so
nothing is bought twice and an episode continues where it was.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from harness.errors import (
    CeilingReached,
    EndpointError,
    HarnessError,
    InfrastructureError,
    MethodError,
)
from harness.models.base import Ability
from harness.models.cache import ResponseCache
from harness.models.ceilings import Ceilings, Price
from harness.models.chat import (
    ChatModel,
    ChatRequest,
    ChatResponse,
    Form,
    Message,
    Phase,
    Sampling,
    Schema,
    TokenLogprob,
    Tool,
    ToolChoice,
)

Result = TypeVar("Result")

_ANSWERING = (Phase.ACT, Phase.THINK)
"""Phases whose outputs no method can make longer than the run allows."""


@dataclass(frozen=True)
class CallRecord:
    """One call as metered: for the trace, the row's tokens and the split by phase."""

    phase: Phase
    request: ChatRequest
    response: ChatResponse

    def as_json(self) -> dict[str, Any]:
        """The call as the trace table keeps it."""
        request, response = self.request, self.response
        plain: dict[str, Any] = {
            "phase": self.phase.value,
            "messages": [one.as_json() for one in request.messages],
            "output": response.text,
            "input_tokens": response.input_tokens,
            "output_tokens": response.output_tokens,
            "latency_s": response.latency_s,
            "finish_reason": response.finish_reason,
        }
        if request.prompt is not None:
            plain["prompt"] = request.prompt
        recorded = response.as_json()
        for name in ("reasoning", "tool_calls", "logprobs", "truncated", "cached"):
            if name in recorded:
                plain[name] = recorded[name]
        return plain


@dataclass(frozen=True)
class Loglikelihood:
    """How likely a model finds a text after another.

    Attributes:
        logprob: sum of the natural-log probabilities of its tokens.
        tokens: how many there are.
        greedy: whether each of them is the likeliest, as far as the engine tells.
    """

    logprob: float
    tokens: int
    greedy: bool


class Gate:
    """A started model with its limits, shared by all runs that name it.

    Args:
        model: it answers.
        max_in_flight: most requests under way.
        ceilings: what may be spent; shared by all models of a sweep.
        price: of this model, for the ceiling on cost.
        cache: known answers, which cost nothing and need no place.
    """

    def __init__(
        self,
        model: ChatModel,
        max_in_flight: int,
        *,
        ceilings: Ceilings | None = None,
        price: Price | None = None,
        cache: ResponseCache | None = None,
    ) -> None:
        self.price = price
        self._model = model
        self._free = asyncio.Semaphore(max_in_flight)
        self._ceilings = ceilings or Ceilings()
        self._cache = cache

    @property
    def abilities(self) -> frozenset[Ability]:
        """What the model can do beyond answering."""
        return type(self._model).abilities

    async def chat(self, request: ChatRequest) -> ChatResponse:
        """Answer a request when there is room.

        Raises:
            MethodError: it asks for what the model cannot do.
            CeilingReached: no more may be spent.
            InfrastructureError: whatever the model raised that was nobody's fault here.
        """
        lacking = request.abilities() - type(self._model).abilities
        if lacking:
            raise MethodError(
                f"the method asked for {min(lacking)}, which {type(self._model).__name__} cannot "
                f"give; a class attribute 'abilities' that names it says so in the plan"
            )
        if self._cache is None or not request.repeatable:
            return await self._compute(request)
        return await self._cache.answer(request, self._compute)

    async def _compute(self, request: ChatRequest) -> ChatResponse:
        async with self._free:
            self._ceilings.check()
            try:
                response = await self._model.chat(request)
            except HarnessError:
                raise
            except Exception as error:
                raise EndpointError(f"the model raised {type(error).__name__}: {error}") from error
        self._ceilings.spend(response.input_tokens, response.output_tokens, self.price)
        return response


class StreamClient:
    """The metered model of one stream; `begin` is called before each of its items."""

    def __init__(
        self,
        gate: Gate,
        sampling: Sampling,
        seed_text: str,
        journal: Callable[[Mapping[str, Any]], object],
        stream: str = "",
    ) -> None:
        self._gate = gate
        self._sampling = sampling
        self._seed_text = seed_text
        self._journal = journal
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self.begin("", ())

    def begin(self, item: str, answered: Iterable[Mapping[str, Any]], begun: int = 0) -> None:
        """Start an item, with the calls of it that the journal holds, behind `begun` calls."""
        self._item = item
        self._asked = Counter[str]()
        self._begun = begun
        """Number of the next call; given when it is asked, so that calls at once differ."""
        self._answered: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for call in answered:
            self._answered[call["key"]].append(call)
        self.calls: list[CallRecord] = []
        self.failure: InfrastructureError | CeilingReached | None = None
        """Set when a call failed, so that a method that swallows exceptions hides nothing."""

    @property
    def abilities(self) -> frozenset[Ability]:
        """What the model can do beyond answering."""
        return self._gate.abilities

    @property
    def begun(self) -> int:
        """Calls that the item has made."""
        return self._begun

    async def __call__(
        self,
        messages: Sequence[Message],
        *,
        phase: Phase = Phase.ACT,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        form: Form | None = None,
    ) -> str:
        """Ask the model and return its text."""
        response = await self.reply(
            messages, phase=phase, max_tokens=max_tokens, stop=stop, form=form
        )
        return response.text

    async def reply(
        self,
        messages: Sequence[Message],
        *,
        phase: Phase = Phase.ACT,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        form: Form | None = None,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = ToolChoice.AUTO,
        logprobs: int | None = None,
    ) -> ChatResponse:
        """Ask the model and return all that it answers."""
        if not messages or not all(isinstance(one, Message) for one in messages):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise MethodError("the method asked the model with something that is no message list")
        return await self._ask(
            phase,
            messages=tuple(messages),
            max_tokens=self._limit(max_tokens, phase),
            stop=tuple(stop),
            form=form,
            tools=tuple(tools),
            tool_choice=tool_choice,
            logprobs=logprobs,
        )

    async def complete(
        self,
        prompt: str,
        *,
        phase: Phase = Phase.ACT,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        form: Form | None = None,
        logprobs: int | None = None,
    ) -> ChatResponse:
        """Let the model continue a text as it is, without a chat template."""
        return await self._ask(
            phase,
            messages=(),
            prompt=prompt,
            max_tokens=self._limit(max_tokens, phase),
            stop=tuple(stop),
            form=form,
            logprobs=logprobs,
        )

    async def loglikelihood(
        self, context: str, continuation: str, *, phase: Phase = Phase.ACT
    ) -> Loglikelihood:
        """Score a continuation: the tokens that end after the context's last character.

        Raises:
            MethodError: one of the texts is empty; nothing precedes the first token of a prompt.
        """
        if not context or not continuation:
            raise MethodError("loglikelihood needs a context and a continuation")
        response = await self._ask(
            phase,
            messages=(),
            prompt=context + continuation,
            max_tokens=1,
            logprobs=1,
            score_prompt=True,
        )
        # One token was written after the prompt, since servers do not agree on zero.
        scored = response.logprobs[:-1]
        if "".join(one.token for one in scored) != context + continuation:
            # Tokens that do not spell the text, such as one that marks its beginning, cannot be
            # found by its length, so those of the context are counted.
            head = await self._ask(phase, messages=(), prompt=context, max_tokens=1)
            return _loglikelihood(scored[head.input_tokens :])
        return _loglikelihood(_after(scored, len(context)))

    def blocking(self, messages: Sequence[Message], *, phase: Phase = Phase.ACT) -> str:
        """Ask from synchronous code, which runs in a thread of the stream."""
        return self.wait(self(messages, phase=phase))

    def wait(self, asking: Coroutine[Any, Any, Result]) -> Result:
        """Wait for any of the above from synchronous code: ``ask.wait(ask.reply(...))``."""
        return asyncio.run_coroutine_threadsafe(asking, self._loop).result()

    async def _ask(self, phase: Phase, **asked: Any) -> ChatResponse:
        _check(asked)
        request = self._request(asked)
        self._begun += 1
        key = request.key()
        turn = self._asked[key]
        self._asked[key] += 1
        recorded = self._answered.get(key, [])
        if turn < len(recorded):
            response = ChatResponse.read(recorded[turn]["response"])
        else:
            response = await self._buy(request, key)
        self.calls.append(CallRecord(Phase(phase), request, response))
        return response

    async def _buy(self, request: ChatRequest, key: str) -> ChatResponse:
        try:
            response = await self._gate.chat(request)
            self._journal(
                {"kind": "call", "item": self._item, "key": key, "response": response.as_json()}
            )
        except (InfrastructureError, CeilingReached) as error:
            self.failure = error
            raise
        return response

    def _limit(self, max_tokens: int | None, phase: Phase) -> int:
        """Most new tokens of an answer.

        The run's limit is one of the answers that are scored. What a memory writes for itself
        has the limit that the memory asks for, so that short answers do not cut it.
        """
        most = self._sampling.max_tokens
        if max_tokens is None:
            return most
        if max_tokens < 1:
            raise MethodError(f"the method asked for an answer of {max_tokens} tokens")
        return min(max_tokens, most) if phase in _ANSWERING else max_tokens

    def _request(self, asked: Mapping[str, Any]) -> ChatRequest:
        sampling = self._sampling
        seed = None
        if not sampling.greedy:
            text = f"{self._seed_text}/{self._item}/{self._begun}"
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
        return ChatRequest(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=seed,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            presence_penalty=sampling.presence_penalty,
            frequency_penalty=sampling.frequency_penalty,
            repetition_penalty=sampling.repetition_penalty,
            overflow=sampling.overflow,
            stream=self._stream,
            **asked,
        )


def _check(asked: Mapping[str, Any]) -> None:
    """Refuse what no engine could answer, before it is called the engine's fault.

    Raises:
        MethodError: says what is wrong.
    """
    form, tools = asked.get("form"), asked.get("tools", ())
    if not isinstance(form, Form | None):
        raise MethodError(f"the form of an answer is a {type(form).__name__}, not {Form}")
    if not all(isinstance(one, Tool) for one in tools):
        raise MethodError("the method offered tools that are no Tool")
    schemas = [one.parameters for one in tools] + (
        [form.schema] if isinstance(form, Schema) else []
    )
    for schema in schemas:
        try:
            json.loads(schema)
        except (ValueError, TypeError) as error:
            raise MethodError(f"a JSON schema is no JSON ({error})") from error
    logprobs = asked.get("logprobs")
    if logprobs is not None and logprobs < 0:
        raise MethodError(f"the method asked for {logprobs} log-probabilities")


def _after(tokens: Sequence[TokenLogprob], begin: int) -> Sequence[TokenLogprob]:
    """The tokens that start or end behind the first `begin` characters.

    A token that is only a part of a character has no text; the last part of it has.
    """
    at = 0
    for number, one in enumerate(tokens):
        if at >= begin or at + len(one.token) > begin:
            return tokens[number:]
        at += len(one.token)
    return ()


def _loglikelihood(tokens: Sequence[TokenLogprob]) -> Loglikelihood:
    """Sum tokens.

    Raises:
        EndpointError: the engine did not score them all.
    """
    scores = [one.logprob for one in tokens if one.logprob is not None]
    if not tokens or len(scores) != len(tokens):
        raise EndpointError("the engine did not score every token of the continuation")
    greedy = all(value <= (one.logprob or 0.0) for one in tokens for _, value in one.top)
    return Loglikelihood(sum(scores), len(scores), greedy)
