"""A second set of weights for one network: the teacher of a student, or the source."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.protocols.adapt import Classifier

if TYPE_CHECKING:
    import torch


@contextmanager
def using(model: Classifier, weights: Mapping[str, torch.Tensor]) -> Generator[None]:
    """Let a model have other weights and buffers for a while.

    The weights change in place, so no gradient may be pending across the borders.
    """
    own = model.copy()
    model.restore(weights)
    try:
        yield
    finally:
        model.restore(own)


def follow(
    teacher: dict[str, torch.Tensor], module: torch.nn.Module, momentum: float
) -> dict[str, torch.Tensor]:
    """The teacher's weights moved towards a module's; buffers stay the teacher's.

    Args:
        teacher: weights and buffers.
        module: the student.
        momentum: share of the teacher.
    """
    moved = dict(teacher)
    for name, one in module.named_parameters(remove_duplicate=False):
        moved[name] = momentum * teacher[name] + (1 - momentum) * one.detach()
    return moved
