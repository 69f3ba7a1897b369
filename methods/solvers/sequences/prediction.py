"""Predictions of a fitted network after some recursion steps, without gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness_methods.solvers.sequences.network import SequenceNetwork
from harness_methods.solvers.sequences.options import Device, Precision


class Step(NamedTuple):
    """What a recursion step predicts."""

    tokens: NDArray[np.int64]
    """(examples, tokens)."""
    confidence: NDArray[np.float32]
    """Probability in [0, 1] that counts in voting, (examples,)."""


def place_of(device: Device) -> torch.device:
    """Where tensors are."""
    if device is Device.AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device.value)


def numbers(device: torch.device, precision: Precision) -> torch.autocast:
    """Within it, matrix products have a precision."""
    wanted = precision is Precision.BFLOAT16
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


def predict(
    network: SequenceNetwork,
    tokens: NDArray[np.uint8],
    puzzles: Tensor,
    steps: Sequence[int],
    draw: np.random.Generator,
    precision: Precision,
    batch: int,
) -> list[Step]:
    """Predict all examples after each of some recursion steps.

    Args:
        network: in evaluation mode.
        tokens: inputs, (examples, tokens).
        puzzles: their embeddings, (examples, puzzle width), on the network's device.
        steps: rising, from 1 on.
        draw: whatever the network's first states take by chance.
        precision: of matrix products.
        batch: most examples at once.
    """
    parts = list[list[Step]]()
    with numbers(puzzles.device, precision), torch.inference_mode():
        for start in range(0, len(tokens), batch):
            part = slice(start, start + batch)
            shown = torch.from_numpy(tokens[part]).to(puzzles.device, torch.long)
            guesses = network.unroll(shown, puzzles[part], steps, draw)
            parts.append([Step(*(each.cpu().numpy() for each in one)) for one in guesses])
    return [
        Step(
            np.concatenate([one.tokens for one in same]),
            np.concatenate([one.confidence for one in same]),
        )
        for same in zip(*parts, strict=True)
    ]
