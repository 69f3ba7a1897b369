"""One model behind one or several servers: even load, streams that stay, work that moves on.

A stream keeps to the replica that answered it first, because that one has its prefix in the
cache; what belongs to no stream goes where least is under way. A replica that seems to be gone
rests for a while and its streams move to the others; a request that fails in itself is tried
elsewhere but moves nobody.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from harness.errors import EndpointError, PromptTooLong, UsageError
from harness.models.endpoint import Endpoint, EndpointOptions, Served, TryAgain

_LONGEST_PAUSE_S = 30.0
_FIRST_REST_S, _LONGEST_REST_S = 1.0, 60.0

Answer = TypeVar("Answer")
Recover = Callable[[str], Awaitable[bool]]
"""Called with the URL that was asked when its server seems to be gone.

True if the server was away and is back, so that nothing was the request's fault. Raises
`EndpointError` where it will not come back.
"""


async def _nothing(_url: str) -> bool:
    return False


class _Replica:
    """An endpoint with what is known of its health."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.streams = 0
        self._rests_until = 0.0
        self._rest_s = _FIRST_REST_S

    def rests(self) -> bool:
        return time.monotonic() < self._rests_until

    def answered(self) -> None:
        self._rests_until, self._rest_s = 0.0, _FIRST_REST_S

    def is_gone(self) -> None:
        if not self.rests():
            self._rests_until = time.monotonic() + self._rest_s
            self._rest_s = min(_LONGEST_REST_S, 2 * self._rest_s)


class Replicas:
    """Endpoints that serve the same model.

    Args:
        endpoints: at least one.
        settings: how often a request is tried, and how long is waited in between.
        recover: brings back an endpoint that is gone, where somebody can.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        settings: EndpointOptions,
        recover: Recover = _nothing,
    ) -> None:
        self._replicas = [_Replica(one) for one in endpoints]
        self._homes: dict[str, _Replica] = {}
        self._settings = settings
        self._recover = recover

    @property
    def urls(self) -> list[str]:
        """Addresses of the servers."""
        return [one.endpoint.url for one in self._replicas]

    async def open(self, model: str) -> Served:
        """Connect to all.

        Raises:
            UsageError: one of them cannot be reached, lacks the model, or serves another one.
        """
        try:
            served = [await one.endpoint.open(model) for one in self._replicas]
        except BaseException:
            await self.close()
            raise
        if any(one != served[0] for one in served):
            await self.close()
            raise UsageError(
                f"the servers do not serve the same '{model}': "
                f"{'; '.join(dict.fromkeys(str(one) for one in served))}. Give equal ones."
            )
        return served[0]

    async def post(
        self, path: str, body: Mapping[str, Any], read: Callable[[Any], Answer], stream: str = ""
    ) -> Answer:
        """Post JSON until there is an answer that `read` can read.

        Raises:
            EndpointError: it kept failing, or a server refused it.
            PromptTooLong: a server says that the prompt exceeds its window.
        """
        failures, avoided, refused = 0, set[int](), False
        while True:
            number = self._choose(stream, avoided)
            replica = self._replicas[number]
            url = replica.endpoint.url
            try:
                answer = await replica.endpoint.attempt(path, body, read)
            except TryAgain as failure:
                if failure.gone and await self._recover(url):
                    continue
                failures += 1
                if failures > self._settings.retries:
                    raise EndpointError(
                        f"{url}{path} failed {failures} times: {failure}"
                    ) from failure
                avoided.add(number)
                if len(avoided) == len(self._replicas):
                    avoided.clear()
                if failure.gone:
                    replica.is_gone()
                    if avoided:
                        continue
                await asyncio.sleep(max(failure.pause_s, self._backoff(failures)))
            except PromptTooLong:
                raise
            except EndpointError:
                # One of several may be set up wrongly; it should not swallow the whole run.
                if refused or len(self._replicas) == 1:
                    raise
                refused = True
                avoided.add(number)
            else:
                replica.answered()
                return answer

    async def close(self) -> None:
        """Close all connections."""
        for one in self._replicas:
            await one.endpoint.close()

    def _backoff(self, failures: int) -> float:
        pause = self._settings.backoff_s * 2 ** min(failures - 1, 16)
        return min(_LONGEST_PAUSE_S, pause) * random.uniform(0.75, 1.25)

    def _choose(self, stream: str, avoided: set[int]) -> int:
        """The replica of a stream if it is well, else the one with the least to do."""
        if len(self._replicas) == 1:
            return 0
        home = self._homes.get(stream)
        if home is not None and not home.rests() and self._replicas.index(home) not in avoided:
            return self._replicas.index(home)

        def load(number: int) -> tuple[bool, bool, int, int]:
            one = self._replicas[number]
            return (number in avoided, one.rests(), one.endpoint.in_flight, one.streams)

        number = min(range(len(self._replicas)), key=load)
        if stream and (home is None or home.rests()):
            if home is not None:
                home.streams -= 1
            self._homes[stream] = self._replicas[number]
            self._replicas[number].streams += 1
        return number
