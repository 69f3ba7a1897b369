"""The depth-recurrent network: prelude, a core that is iterated, coda.

Section 3 of the paper. With x the tokens: e = P(x); s_0 is noise; s_i = R(e, s_(i-1)) for i up to
r; the scores are C(s_r). Only the last k of the iterations have a gradient.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_methods.solvers.layers import RMSNorm, Rotary, SandwichBlock, linear
from harness_methods.solvers.recurrent.confidence import confidence
from harness_methods.solvers.sequences.network import Guess, SequenceNetwork

if TYPE_CHECKING:
    from harness_methods.solvers.recurrent.options import Settings
    from harness_methods.solvers.sequences.canvas import Canvas

STATE_DEVIATION = (2 / 5) ** 0.5
"""Sigma of the first state: that of the paper's embeddings."""


@dataclass(frozen=True)
class Iterations:
    """How often the core is applied.

    Attributes:
        all: r, at least 1.
        tracked: k, those at the end that have a gradient.
    """

    all: int
    tracked: int


class Blocks(nn.Module):
    """Blocks, one after another."""

    def __init__(self, count: int, settings: Settings, generator: torch.Generator) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SandwichBlock(settings.hidden, settings.heads, settings.inner, generator)
            for _ in range(count)
        )

    def forward(self, states: Tensor, rotary: Rotary) -> Tensor:
        """The next states."""
        for block in self.blocks:
            states = block(states, rotary)
        return states


class Core(nn.Module):
    """R: the state and the embedded input, joined by an adapter, then blocks."""

    def __init__(self, settings: Settings, generator: torch.Generator) -> None:
        super().__init__()
        self.adapter = linear(2 * settings.hidden, settings.hidden, generator)
        self.blocks = Blocks(settings.core, settings, generator)

    def forward(self, state: Tensor, embedded: Tensor, rotary: Rotary) -> Tensor:
        """The next state."""
        return self.blocks(self.adapter(torch.cat((state, embedded), -1)), rotary)


class Network(SequenceNetwork):
    """The network; embeddings of tokens are its head too.

    Args:
        settings: sizes, and the loss that its scores are made for.
        canvas: of the sequences.
        generator: draws the first weights.
    """

    def __init__(self, settings: Settings, canvas: Canvas, generator: torch.Generator) -> None:
        hidden = settings.hidden
        super().__init__(canvas.vocabulary, hidden, settings.puzzle_positions, generator)
        self.canvas, self.loss = canvas, settings.loss
        self.positions = settings.puzzle_positions + canvas.tokens
        self.rotary = Rotary(self.positions, settings.heads, hidden // settings.heads)
        self.prelude = Blocks(settings.prelude, settings, generator)
        self.core = Core(settings, generator)
        self.coda = Blocks(settings.coda, settings, generator)
        self.norm = RMSNorm(hidden)

    @property
    def repeated(self) -> nn.Module:
        """The core."""
        return self.core

    def begin(self, batch: int, draw: np.random.Generator) -> Tensor:
        """First states, (batch, positions, hidden): noise."""
        # Numbers come one by one, so that it does not matter how examples are cut into batches.
        noise = draw.standard_normal((batch, self.positions, self.hidden), dtype=np.float32)
        return torch.from_numpy(noise).to(self.symbols.weight.device) * STATE_DEVIATION

    def forward(
        self, tokens: Tensor, puzzles: Tensor, iterations: Iterations, draw: np.random.Generator
    ) -> Tensor:
        """Scores after the last iteration, (batch, tokens, vocabulary)."""
        embedded = self.prelude(self.embed(tokens, puzzles), self.rotary)
        state = self.begin(len(tokens), draw)
        with torch.no_grad():
            for _ in range(iterations.all - iterations.tracked):
                state = self.core(state, embedded, self.rotary)
        for _ in range(min(iterations.all, iterations.tracked)):
            state = self.core(state, embedded, self.rotary)
        return self.read(state)

    def unroll(
        self, tokens: Tensor, puzzles: Tensor, steps: Collection[int], draw: np.random.Generator
    ) -> Iterator[Guess]:
        """Read the state out after each of some iterations."""
        embedded = self.prelude(self.embed(tokens, puzzles), self.rotary)
        state = self.begin(len(tokens), draw)
        for step in range(1, max(steps) + 1):
            state = self.core(state, embedded, self.rotary)
            if step in steps:
                scores = self.read(state)
                chosen = scores.argmax(-1)
                yield Guess(chosen, confidence(scores, chosen, self.canvas, self.loss))

    def read(self, state: Tensor) -> Tensor:
        """C: the scores of a state."""
        # One norm after the core and before the head, as in the reference code.
        read = self.norm(self.coda(self.norm(state), self.rotary))
        scores = functional.linear(read[:, self.puzzle_positions :], self.symbols.weight)
        return scores.float()
