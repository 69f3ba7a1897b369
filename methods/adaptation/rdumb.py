"""`rdumb`: `eta`, and back to the source model every 1000 batches.

Press et al., "RDumb: A simple approach that questions our progress in continual test-time
adaptation", arXiv 2306.05401. Reference code: oripress/CCC, models/rdumb.py. Defaults: reset every
1000 batches of 64; E0 = ln(1000) / 2 - 1, that is 0.35524 ln C for 1000 classes, where EATA's paper
has 0.4; d = 0.05.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from harness.options import Options
from harness.protocols.adapt import State
from harness.registry import About
from harness_methods.adaptation.eta import ETA, ETAOptions

if TYPE_CHECKING:
    import torch


class RDumbOptions(ETAOptions):
    """Options of `rdumb`."""

    margin: float = Field(default=0.5 - 1 / log(1000), gt=0)
    """E0 / ln C: entropies below are kept, for C classes."""
    every: int = Field(default=1000, ge=1)
    """Batches between resets."""


class RDumb(ETA):
    """Forget everything now and then."""

    about: ClassVar[About] = About(
        "ETA with a full reset every 1000 batches.", "RDumb, arXiv 2306.05401"
    )
    Options: ClassVar[type[Options]] = RDumbOptions
    options: RDumbOptions

    def prepare(self) -> None:
        """Begin to count anew."""
        super().prepare()
        self._batches = 0

    def step(self, images: torch.Tensor) -> torch.Tensor:
        """ETA's step, after a reset if it is time."""
        if self._batches == self.options.every:
            self.reset()
            self.count("resets")
        self._batches += 1
        return super().step(images)

    def memory(self) -> State:
        """ETA's, and the number of batches since the last reset."""
        return {**super().memory(), "batches": self._batches}

    def recall(self, memory: State) -> None:
        """Take it back."""
        super().recall(memory)
        batches: Any = memory["batches"]
        self._batches = int(batches)
