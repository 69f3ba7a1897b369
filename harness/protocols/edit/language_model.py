"""The one interface through which an edited model is evaluated, whatever computes it.

Evaluators declare what they need of it (`Demand`), and a backend serves only those it can: a
server gives texts and log-probabilities of given tokens, the weights in this process all of it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from harness.protocols.edit.causal import Codec, Encoded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Demand(StrEnum):
    """What an evaluator may need."""

    TEXT = "text"
    """Greedy continuations."""
    LOGPROBS = "log-probabilities of given tokens"
    DISTRIBUTIONS = "moments of the whole distribution at each token"
    GRADIENTS = "gradients of the loss"


@dataclass(frozen=True)
class TokenScores:
    """Log-probabilities of given tokens after their context.

    Attributes:
        logprobs: natural logs, (tokens,).
        greedy: whether the token is the most probable one, (tokens,).
        means: expectation of the log-probability under the model, (tokens,); None if not asked.
        variances: its variance, likewise.
    """

    logprobs: NDArray[np.float64]
    greedy: NDArray[np.bool_]
    means: NDArray[np.float64] | None = None
    variances: NDArray[np.float64] | None = None

    @property
    def loss(self) -> float:
        """Mean negative log-likelihood of a token; not a number where there is none."""
        return float(-self.logprobs.mean()) if len(self.logprobs) else math.nan


class LanguageModel(ABC):
    """A model to be evaluated."""

    serves: ClassVar[frozenset[Demand]]
    """What it can give."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec

    @abstractmethod
    def score(
        self, sequences: Sequence[Encoded], *, distributions: bool = False
    ) -> Iterator[TokenScores]:
        """Score the labels of sequences, in the order given.

        Args:
            sequences: context and labels.
            distributions: whether `means` and `variances` are wanted.
        """

    @abstractmethod
    def generate(
        self, prompts: Sequence[Sequence[int]], max_new_tokens: int, stops: Sequence[str] = ()
    ) -> Iterator[str]:
        """Continue prompts greedily until the end of sequence, a stop text or a length.

        Texts come in the order given and end before the first stop text.
        """

    def gradient_norms(self, sequences: Sequence[Encoded]) -> Iterator[float]:
        """Mean over parameter tensors of the length of the loss gradient, for each sequence."""
        raise NotImplementedError


def cut(text: str, stops: Sequence[str]) -> str:
    """The text before the first stop text in it."""
    ends = [text.find(stop) for stop in stops if stop and stop in text]
    return text[: min(ends)] if ends else text
