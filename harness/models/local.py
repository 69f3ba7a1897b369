"""What models share whose weights a method changes: loaded into this process, anew for each run."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from harness.models.base import NO_HOST, Host, Model, ModelIdentity


class LocalModel(Model):
    """Its identity is known before any weights are loaded."""

    chosen: Any
    """Its engine arguments, of its `Options`."""

    def engine_options(self) -> Mapping[str, str]:
        """The arguments that differ from their defaults."""
        return {name: str(value) for name, value in sorted(self.chosen.differing().items())}

    async def start(self, host: Host = NO_HOST) -> ModelIdentity:
        """Find out what the model is; weights are loaded later."""
        del host
        return await asyncio.to_thread(self.identify)

    @abstractmethod
    def identify(self) -> ModelIdentity:
        """Id, revision and engine."""


def device_of(asked: str) -> str:
    """The device that an engine argument means."""
    import torch

    if asked != "auto":
        return asked
    return "cuda" if torch.cuda.is_available() else "cpu"
