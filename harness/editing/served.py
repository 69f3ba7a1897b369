"""An edited model evaluated by vLLM: its weights saved, served, and asked for what a server gives.

Greedy texts come from completions; log-probabilities of given tokens from ``prompt_logprobs`` of a
request that writes one token. Prompts are sent as token ids, so that both backends see the same.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import EndpointError, UsageError
from harness.models.base import Host, ModelRequest
from harness.models.vllm import VLLM
from harness.protocols.edit.causal import CausalLM, Codec, Encoded
from harness.protocols.edit.language_model import Demand, LanguageModel, TokenScores, cut

_AT_ONCE = 64
"""Requests under way."""

_ENGINE = (("dtype", "float32"), ("enforce_eager", "true"), ("enable_prefix_caching", "false"))
"""As exact as the other backend; a prefix that is cached has no log-probabilities."""

Found = TypeVar("Found")


class ServedLM(LanguageModel):
    """A vLLM server behind the evaluation interface; called from another thread than its loop.

    Args:
        codec: of the edited model.
        server: the started server.
        loop: the event loop that it lives in.
    """

    serves = frozenset({Demand.TEXT, Demand.LOGPROBS})

    def __init__(self, codec: Codec, server: VLLM, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(codec)
        self._server = server
        self._loop = loop

    def score(
        self, sequences: Sequence[Encoded], *, distributions: bool = False
    ) -> Iterator[TokenScores]:
        """Log-probabilities of labels out of the server's ``prompt_logprobs``."""
        if distributions:
            raise EndpointError("a server gives no whole distributions; evaluate in process")
        bodies = [
            {"prompt": list(one.ids), "max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
            for one in sequences
        ]
        answers = self._wait(self._all(bodies))
        for one, answer in zip(sequences, answers, strict=True):
            yield _scores(one, answer["prompt_logprobs"])

    def generate(
        self, prompts: Sequence[Sequence[int]], max_new_tokens: int, stops: Sequence[str] = ()
    ) -> Iterator[str]:
        """Greedy completions."""
        bodies = [
            {"prompt": list(one), "max_tokens": max_new_tokens, "temperature": 0.0}
            for one in prompts
        ]
        for answer in self._wait(self._all(bodies)):
            yield cut(str(answer["text"]), stops)

    async def _all(self, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(body: dict[str, Any]) -> dict[str, Any]:
            async with places:
                return await self._server.post("/completions", body, _first_choice)

        return list(await asyncio.gather(*(one(body) for body in bodies)))

    def _wait(self, work: Coroutine[Any, Any, Found]) -> Found:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


@contextmanager
def served_by_vllm(
    model: CausalLM, *, host: Host, loop: asyncio.AbstractEventLoop
) -> Generator[LanguageModel]:
    """Save a model, serve it, and end the server afterwards; called outside of the loop.

    Raises:
        UsageError: it cannot be saved as weights, or the server does not start.
    """
    if not model.savable:
        raise UsageError(
            "what this method returns are no weights of one model, which vLLM could serve; leave "
            "--eval-backend out."
        )
    folder = Path(tempfile.mkdtemp(prefix="harness-edited-"))
    try:
        model.save(folder)
        server = VLLM(ModelRequest("vllm", str(folder), args=_ENGINE))
        try:
            asyncio.run_coroutine_threadsafe(server.start(host), loop).result()
            yield ServedLM(model.codec, server, loop)
        finally:
            asyncio.run_coroutine_threadsafe(server.close(), loop).result()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _first_choice(answer: Any) -> dict[str, Any]:
    return dict(answer["choices"][0])


def _scores(sequence: Encoded, listed: Sequence[Any]) -> TokenScores:
    """The labels' entries: each position maps the token's id to its log-probability and rank."""
    import numpy as np

    first = sequence.n_prompt
    entries = [
        listed[place][str(token)] for place, token in enumerate(sequence.ids[first:], start=first)
    ]
    return TokenScores(
        np.array([one["logprob"] for one in entries], dtype=np.float64),
        np.array([one["rank"] == 1 for one in entries], dtype=np.bool_),
    )
