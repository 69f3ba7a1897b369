"""What an unlearning method is: a `ModelEditor` that turns a model into one that has forgotten."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from harness.errors import MethodError
from harness.models.base import Ability
from harness.options import NoOptions, Options
from harness.protocols.edit.causal import CausalLM
from harness.protocols.edit.data import EditData
from harness.registry import About, Need

if TYPE_CHECKING:
    from harness.protocols.edit.surgery import GradientSurgery

State = Mapping[str, Any]
"""What `torch.save` can write."""


class Diverged(MethodError):
    """A loss or a weight is no finite number any more; the message says at which step."""


@dataclass(frozen=True)
class Budget:
    """How long an edit may last, and when it is looked at."""

    steps: int
    """Optimiser steps."""
    batch_size: int
    """Examples of a minibatch, of the forget set and of the retain set each."""
    checkpoints: tuple[int, ...]
    """Steps after which the model is evaluated, rising; the last is `steps`."""
    seed: int
    """Decides minibatches and whatever else a method draws."""
    lr: float
    """Learning rate that the model recommends; an editor's own option wins."""


class EditProgress(Protocol):
    """What a running edit tells the harness."""

    def resume(self) -> State | None:
        """What the last checkpoint of this edit saved; None at the beginning.

        Tell of that checkpoint once more: its evaluation may have been cut short.
        """
        ...

    def step(self, step: int, report: Mapping[str, float]) -> None:
        """A step was made (from 1); the report holds losses, norms and the like.

        Raises:
            CancelledError: the user wants to stop; let it pass.
        """
        ...

    def checkpoint(self, step: int, model: CausalLM, state: Callable[[], State]) -> None:
        """Save the state and evaluate the model; call it for every step in `Budget.checkpoints`."""
        ...


class ModelEditor(ABC):
    """A method of unlearning. Registered as ``edit.editor.NAME``."""

    about: ClassVar[About]
    Options: ClassVar[type[Options]] = NoOptions
    needs: ClassVar[tuple[Need, ...]] = ()
    abilities: ClassVar[frozenset[Ability]] = frozenset()
    takes_surgery: ClassVar[bool] = False
    """Whether a gradient surgery composes with it: ``npo+gu``."""
    surgery: GradientSurgery | None = None
    """The surgery that completes it; None for the plain step."""
    trajectory: ClassVar[bool] = False
    """Whether it calls `EditProgress.checkpoint` along the way, and not only at the end."""
    combines: ClassVar[bool] = False
    """Whether it returns a combination of models, so that no weights can be saved."""
    uses_refusals: ClassVar[bool] = False
    """Whether it needs answers that decline."""
    loads_retrained: ClassVar[bool] = False
    """Whether it is the reference: a model that never saw the forget set, which the harness hands
    in as `EditData` hands in the sets."""

    def __init__(self, options: Options) -> None:
        self.options = options

    @abstractmethod
    def edit(
        self, model: CausalLM, data: EditData, budget: Budget, progress: EditProgress
    ) -> CausalLM:
        """Edit a model.

        Args:
            model: the target model; may be changed in place.
            data: forget, retain and calibration sets.
            budget: steps, minibatch size, checkpoints, seed.
            progress: has to be told of every step and every checkpoint.

        Returns:
            The edited model, which is the one that the last checkpoint was told of.

        Raises:
            Diverged: a loss or a weight is not finite.
        """
