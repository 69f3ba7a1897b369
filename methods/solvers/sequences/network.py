"""What a recursive network over sequences is to those who fit it and ask it.

It embeds tokens and puzzle embeddings, refines a state step by step, and can be read out after any
step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness_methods.solvers.layers import draw_truncated


class Guess(NamedTuple):
    """What a recursion step predicts."""

    tokens: Tensor
    """(batch, tokens)."""
    confidence: Tensor
    """Probability in [0, 1] that counts in voting, (batch,)."""


class SequenceNetwork(nn.Module, ABC):
    """A network without its puzzle embeddings, which are given with each call.

    Args:
        vocabulary: different tokens.
        hidden: width of the states.
        puzzle_positions: positions of the puzzle embedding, before the canvas.
        generator: draws the first weights.
    """

    def __init__(
        self, vocabulary: int, hidden: int, puzzle_positions: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.hidden, self.puzzle_positions = hidden, puzzle_positions
        self.symbols = nn.Embedding(vocabulary, hidden)
        draw_truncated(self.symbols.weight, hidden**-0.5, generator)

    @property
    @abstractmethod
    def repeated(self) -> nn.Module:
        """The part that is applied again and again: what is worth compiling."""

    @abstractmethod
    def unroll(
        self, tokens: Tensor, puzzles: Tensor, steps: Collection[int], draw: np.random.Generator
    ) -> Iterator[Guess]:
        """Predict after each of some steps, in their order.

        Args:
            tokens: inputs, (batch, tokens).
            puzzles: their embeddings, (batch, puzzle width).
            steps: rising, from 1 on.
            draw: whatever the first state takes by chance, example after example.
        """

    def embed(self, tokens: Tensor, puzzles: Tensor) -> Tensor:
        """The question x: puzzle embeddings (batch, puzzle width), then tokens (batch, tokens)."""
        room = self.puzzle_positions * self.hidden - puzzles.shape[1]
        before = functional.pad(puzzles, (0, room)).view(
            len(puzzles), self.puzzle_positions, self.hidden
        )
        return torch.cat((before, self.symbols(tokens)), 1) * self.hidden**0.5
