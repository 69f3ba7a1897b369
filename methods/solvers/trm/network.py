"""The recursive network: two states, one stack of blocks, an answer and a halting score.

Section 4 of the paper. With x the embedded question, y = z_H the answer and z = z_L the latent, a
supervision step is T times: n times z <- net(z + y + x), then y <- net(y + z). Only the last of the
T has a gradient.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from harness_methods.solvers.layers import PostNormBlock, Rotary, draw_truncated, linear
from harness_methods.solvers.sequences.network import Guess, SequenceNetwork

if TYPE_CHECKING:
    from harness_methods.solvers.sequences.canvas import Canvas
    from harness_methods.solvers.trm.options import Settings

_UNSURE = -5.0
"""First bias of the halting score: nothing is right yet."""


class Carry(NamedTuple):
    """States that go from one supervision step to the next, (batch, positions, hidden)."""

    answer: Tensor
    latent: Tensor

    def renewed(self, where: Tensor, fresh: Carry) -> Carry:
        """Fresh ones for some examples of the batch, (batch,) of truth values."""
        chosen = where[:, None, None]
        return Carry(
            torch.where(chosen, fresh.answer, self.answer),
            torch.where(chosen, fresh.latent, self.latent),
        )


class Outcome(NamedTuple):
    """What a supervision step makes."""

    carry: Carry
    """Without gradient."""
    scores: Tensor
    """Of tokens, (batch, tokens, vocabulary)."""
    halt: Tensor
    """Logit of being right everywhere, (batch,)."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a network."""

    tokens: int
    vocabulary: int
    hidden: int
    layers: int
    heads: int
    inner: int
    puzzle_positions: int
    h_cycles: int
    l_cycles: int

    @classmethod
    def of(cls, settings: Settings, canvas: Canvas) -> Shape:
        """Of settings, on a canvas."""
        return cls(
            canvas.tokens,
            canvas.vocabulary,
            settings.hidden,
            settings.layers,
            settings.heads,
            settings.inner,
            settings.puzzle_positions,
            settings.h_cycles,
            settings.l_cycles,
        )

    @property
    def positions(self) -> int:
        """Length of the states."""
        return self.puzzle_positions + self.tokens


class Stack(nn.Module):
    """The one network that renews both states."""

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__()
        self.rotary = Rotary(shape.positions, shape.heads, shape.hidden // shape.heads)
        self.blocks = nn.ModuleList(
            PostNormBlock(shape.hidden, shape.heads, shape.inner, generator)
            for _ in range(shape.layers)
        )

    def forward(self, states: Tensor, injected: Tensor) -> Tensor:
        """The next states."""
        states = states + injected
        for block in self.blocks:
            states = block(states, self.rotary)
        return states


class Network(SequenceNetwork):
    """TRM without its puzzle embeddings, which are given with each call.

    Args:
        shape: sizes.
        generator: draws the first weights.
    """

    first_answer: Tensor
    first_latent: Tensor

    def __init__(self, shape: Shape, generator: torch.Generator) -> None:
        super().__init__(shape.vocabulary, shape.hidden, shape.puzzle_positions, generator)
        self.shape = shape
        self.stack = Stack(shape, generator)
        self.head = linear(shape.hidden, shape.vocabulary, generator)
        self.halt = nn.Linear(shape.hidden, 1)
        nn.init.zeros_(self.halt.weight)
        nn.init.constant_(self.halt.bias, _UNSURE)
        for name in ("first_answer", "first_latent"):
            first = draw_truncated(torch.empty(shape.hidden), 1.0, generator)
            self.register_buffer(name, first)

    def begin(self, batch: int) -> Carry:
        """The states before the first step."""
        size = (batch, self.shape.positions, self.shape.hidden)
        return Carry(self.first_answer.expand(size), self.first_latent.expand(size))

    @property
    def repeated(self) -> nn.Module:
        """The stack."""
        return self.stack

    def unroll(
        self, tokens: Tensor, puzzles: Tensor, steps: Collection[int], draw: np.random.Generator
    ) -> Iterator[Guess]:
        """Predict after each of some supervision steps; nobody halts before the last."""
        del draw
        carry = self.begin(len(tokens))
        for step in range(1, max(steps) + 1):
            carry, scores, halt = self(carry, tokens, puzzles)
            if step in steps:
                yield Guess(scores.argmax(-1), halt.sigmoid())

    def forward(self, carry: Carry, tokens: Tensor, puzzles: Tensor) -> Outcome:
        """One supervision step."""
        question = self.embed(tokens, puzzles)
        answer, latent = carry
        with torch.no_grad():
            for _ in range(self.shape.h_cycles - 1):
                answer, latent = self._cycle(answer, latent, question)
        answer, latent = self._cycle(answer, latent, question)
        scores = self.head(answer[:, self.shape.puzzle_positions :])
        halt = self.halt(answer[:, 0])[:, 0]
        return Outcome(Carry(answer.detach(), latent.detach()), scores.float(), halt.float())

    def _cycle(self, answer: Tensor, latent: Tensor, question: Tensor) -> tuple[Tensor, Tensor]:
        injected = answer + question
        for _ in range(self.shape.l_cycles):
            latent = self.stack(latent, injected)
        return self.stack(answer, latent), latent
