"""What surgeries remember from step to step: recent gradients, and averages of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.protocols.edit.method import State
from harness.protocols.edit.surgery import Moment
from harness_methods.unlearning.geometry import like

if TYPE_CHECKING:
    from harness.protocols.edit.surgery import Vector


class Recent:
    """The last few vectors, oldest first.

    Args:
        size: how many are kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self.vectors: list[Vector] = []

    def add(self, vector: Vector) -> None:
        """Take in the newest, drop the oldest."""
        kept = [like(one, vector) for one in self.vectors]
        self.vectors = [*kept, vector][-self._size :] if self._size else []

    def state(self) -> State:
        """The vectors, to be saved."""
        return {"recent": self.vectors}

    def load(self, state: State) -> None:
        """Take up saved vectors."""
        self.vectors = [list(one) for one in state["recent"]]


class RetainPart:
    """The share of the retain gradients in the optimiser's step.

    Adam's step is linear in its first moment, given its metric H, and the first moment is the sum
    of an average of forget gradients and one of retain gradients. The latter is kept here. What
    else is in the step, weight decay included, is its forget part.
    """

    def __init__(self) -> None:
        self._average: Vector | None = None

    def step(self, moment: Moment, metric: Vector) -> Vector | None:
        """-lr m_r / H, with m_r bias-corrected; None where the method has no retain loss."""
        if moment.retain is None:
            return None
        momentum = moment.optimiser.momentum
        average: list[Any] = [(1 - momentum) * one for one in moment.retain]
        if self._average is not None:
            before = like(self._average, average)
            average = [new + momentum * old for new, old in zip(average, before, strict=True)]
        self._average = average if momentum else None
        factor = -moment.optimiser.lr / (1 - momentum ** (moment.index + 1))
        return [factor * one / scale for one, scale in zip(average, metric, strict=True)]

    def state(self) -> State:
        """The average, to be saved."""
        return {"retain_average": self._average}

    def load(self, state: State) -> None:
        """Take up a saved average."""
        self._average = state["retain_average"]
