"""Predictions of a fitted network: every recursion step of a batch, without gradient."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness_methods.solvers.trm.network import Network
from harness_methods.solvers.trm.options import Device, Precision


class Step(NamedTuple):
    """What a recursion step predicts."""

    tokens: NDArray[np.int64]
    """(examples, tokens)."""
    confidence: NDArray[np.float32]
    """Probability of being right everywhere, (examples,)."""


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
    network: Network,
    tokens: NDArray[np.uint8],
    puzzles: Tensor,
    steps: int,
    precision: Precision,
    batch: int,
) -> list[Step]:
    """Predict all examples at each of so many steps; nobody halts before the last.

    Args:
        network: in evaluation mode.
        tokens: inputs, (examples, tokens).
        puzzles: their embeddings, (examples, puzzle width), on the network's device.
        steps: how many.
        precision: of matrix products.
        batch: most examples at once.
    """
    parts = list[list[Step]]()
    with numbers(puzzles.device, precision), torch.inference_mode():
        for start in range(0, len(tokens), batch):
            part = slice(start, start + batch)
            parts.append(list(_steps(network, tokens[part], puzzles[part], steps)))
    return [
        Step(
            np.concatenate([one.tokens for one in same]),
            np.concatenate([one.confidence for one in same]),
        )
        for same in zip(*parts, strict=True)
    ]


def _steps(
    network: Network, tokens: NDArray[np.uint8], puzzles: Tensor, steps: int
) -> Iterator[Step]:
    shown = torch.from_numpy(tokens).to(puzzles.device, torch.long)
    carry = network.begin(len(tokens))
    for _ in range(steps):
        found = network(carry, shown, puzzles)
        carry = found.carry
        yield Step(found.scores.argmax(-1).cpu().numpy(), found.halt.sigmoid().cpu().numpy())
