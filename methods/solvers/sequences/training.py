"""The loop of a fit, which can be stopped at any update and go on.

What an update learns is a subclass's: it draws its own random numbers from seed and update alone,
and names the tensors that it carries from one update to the next.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.errors import MethodError
from harness.protocols.solve.method import FitDesk
from harness_methods.solvers.sequences.canvas import PAD, Canvas
from harness_methods.solvers.sequences.examples import Drawn, Examples
from harness_methods.solvers.sequences.network import SequenceNetwork
from harness_methods.solvers.sequences.optimisers import flatten, optimiser_for, sign_step
from harness_methods.solvers.sequences.options import AnySettings
from harness_methods.solvers.sequences.prediction import predict

_SAY_EVERY_S = 1.0
_RECENT = 0.02
"""Share of the newest update in the loss that is told."""

AnyNetwork = TypeVar("AnyNetwork", bound=SequenceNetwork)


@dataclass(frozen=True)
class Course:
    """How a fit proceeds, apart from what it learns.

    Attributes:
        device: where.
        check_every: updates between two scores on the held-out examples.
        save_every: updates between two saved states.
        compiled: whether torch.compile is used.
        batch: held-out examples predicted at once.
    """

    device: torch.device
    check_every: int
    save_every: int
    compiled: bool = False
    batch: int = 256


class Trainer(ABC, Generic[AnySettings, AnyNetwork]):
    """A fit under way.

    Args:
        settings: of it.
        canvas: of the examples.
        rows: of the table of puzzle embeddings.
        examples: to learn from.
        held_out: examples that choose the weights; None: the last ones are taken.
        seed: of the first weights and all draws.
        course: how it proceeds.
    """

    def __init__(
        self,
        settings: AnySettings,
        canvas: Canvas,
        rows: int,
        examples: Examples,
        held_out: Drawn | None,
        seed: int,
        course: Course,
    ) -> None:
        self.settings, self.course, self.seed = settings, course, seed
        self.examples, self._held_out = examples, held_out
        self.network, self.average = (
            self.build(settings, canvas, torch.Generator().manual_seed(seed)).to(course.device)
            for _ in range(2)
        )
        self._weights, averaged = flatten(self.network), flatten(self.average)
        self.parameters = self._weights.numel()
        self._averaged = averaged.detach()
        self.average.requires_grad_(False).eval()
        if course.compiled:
            self.network.repeated.compile()
            self.average.repeated.compile()
        self._optimiser = optimiser_for(self._weights, settings)
        # Zero, as published for TRM: a variant is told from another by what is learned alone.
        self.table = torch.zeros(rows, settings.puzzle_width, device=course.device)
        self.done = 0
        self.loss = torch.zeros((), device=course.device)
        self.exact = torch.zeros((), device=course.device)
        self.best: dict[str, Any] = {}
        self._spent, self._began = 0.0, time.monotonic()

    @staticmethod
    @abstractmethod
    def build(settings: Any, canvas: Canvas, generator: torch.Generator) -> AnyNetwork:
        """A network with its first weights."""

    @abstractmethod
    def update(self) -> Any:
        """Compute a loss, call `learn` with it, and make ready for the next update."""

    def carried(self) -> dict[str, Tensor]:
        """Tensors that the next update needs, beside weights and optimiser; filled in place."""
        return {}

    @property
    def seconds(self) -> float:
        """Spent on the fit, by all processes that worked on it."""
        return self._spent + time.monotonic() - self._began

    def run(self, desk: FitDesk) -> None:
        """Make all updates that are left.

        Raises:
            MethodError: the loss is no finite number.
            CancelledError: the work is to end.
        """
        said = 0.0
        while self.done < self.settings.updates:
            desk.check()
            self.update()
            last = self.done == self.settings.updates
            if last or time.monotonic() - said > _SAY_EVERY_S:
                said = time.monotonic()
                desk.say(self._told())
            if self._held_out and (last or self.done % self.course.check_every == 0):
                self._choose(self._held_out)
            if not last and self.done % self.course.save_every == 0:
                desk.save(self.state())

    def learn(self, loss: Tensor, right: Tensor, rows: Tensor, puzzles: Tensor) -> None:
        """One step of the optimisers.

        Args:
            loss: of the batch.
            right: whether each example was, (batch,).
            rows: of the table, (batch,).
            puzzles: what the table has there, with their gradient, (batch, puzzle width).
        """
        given = self.settings
        loss.backward()
        share = min(1.0, (self.done + 1) / max(1, given.warmup))
        for group in self._optimiser.param_groups:
            group["lr"] = given.lr * share
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=False)
        if puzzles.grad is not None:
            rate = given.puzzle_lr * share
            sign_step(self.table, rows, puzzles.grad, rate, given.puzzle_weight_decay)
        self._averaged.lerp_(self._weights.detach(), 1 - given.ema)
        recent = _RECENT if self.done else 1.0
        self.loss.lerp_(loss.detach(), recent)
        self.exact.lerp_(right.float().mean(), recent)
        self.done += 1

    def state(self) -> dict[str, Any]:
        """Everything that a fit needs to go on."""
        return {
            "done": self.done,
            "seconds": self.seconds,
            "optimiser": self._optimiser.state_dict(),
            "best": self.best,
            "tensors": self._tensors(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        self.done, self._spent = state["done"], state["seconds"]
        self._began = time.monotonic()
        self._optimiser.load_state_dict(state["optimiser"])
        self.best = dict(state["best"])
        for name, tensor in self._tensors().items():
            tensor.copy_(state["tensors"][name])

    def result(self) -> tuple[dict[str, Tensor], Tensor, int]:
        """The chosen weights, puzzle embeddings, and the update that they are of."""
        if self.best:
            return self.best["weights"], self.best["table"], self.best["step"]
        return dict(self.average.state_dict()), self.table, self.done

    def on_device(self, drawn: Drawn) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens, labels and rows of examples as tensors."""
        device = self.course.device
        return (
            torch.from_numpy(drawn.tokens).to(device, torch.long),
            torch.from_numpy(drawn.labels).to(device, torch.long),
            torch.from_numpy(drawn.rows).to(device),
        )

    def _tensors(self) -> dict[str, Tensor]:
        return {
            "weights": self._weights.detach(),
            "averaged": self._averaged,
            "table": self.table,
            "loss": self.loss,
            "exact": self.exact,
            **self.carried(),
        }

    def _choose(self, held_out: Drawn) -> None:
        """Keep the averaged weights if none before were better on the held-out examples."""
        rows = torch.from_numpy(held_out.rows).to(self.course.device)
        given = self.settings
        (found,) = predict(
            self.average,
            held_out.tokens,
            self.table[rows],
            [given.usual_steps],
            np.random.default_rng(self.seed),
            given.precision,
            self.course.batch,
        )
        exact, cells = _agreement(found.tokens, held_out.labels)
        if (exact, cells) >= (self.best.get("exact", -1.0), self.best.get("cells", -1.0)):
            weights = {name: one.clone() for name, one in self.average.state_dict().items()}
            kept = {"weights": weights, "table": self.table.clone(), "step": self.done}
            self.best = {**kept, "exact": exact, "cells": cells}

    def _told(self) -> str:
        loss = self.loss.item()
        if not np.isfinite(loss):
            raise MethodError(f"the loss is {loss} at step {self.done}: lower lr or puzzle_lr.")
        return (
            f"step {self.done} of {self.settings.updates}, loss {loss:.3f}, "
            f"exact {self.exact.item():.3f}"
        )


def _agreement(predicted: NDArray[Any], labels: NDArray[Any]) -> tuple[float, float]:
    """Share of examples right everywhere, and of tokens; padding does not count."""
    counted = labels != PAD
    right = (predicted == labels) & counted
    whole = right.sum(1) == counted.sum(1)
    return float(whole.mean()), float(right.sum() / counted.sum())
