"""Deep supervision: the loop of TRM's fit, which can be stopped at any step and go on.

Each update is one supervision step of every example of the batch. An example stays with its states
until it halts, by its own halting score or after the last step, and another one takes its place.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.errors import MethodError
from harness.protocols.solve.method import FitDesk
from harness_methods.solvers.trm.canvas import PAD, Canvas
from harness_methods.solvers.trm.examples import Drawn, Examples
from harness_methods.solvers.trm.losses import step_losses
from harness_methods.solvers.trm.network import Network, Outcome, Shape
from harness_methods.solvers.trm.optimisers import AdamATan2, flatten, sign_step
from harness_methods.solvers.trm.options import Optimiser, Settings
from harness_methods.solvers.trm.prediction import numbers, predict

_SAY_EVERY_S = 1.0
_RECENT = 0.02
"""Share of the newest update in the loss that is told."""


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


class Trainer:
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
        settings: Settings,
        canvas: Canvas,
        rows: int,
        examples: Examples,
        held_out: Drawn | None,
        seed: int,
        course: Course,
    ) -> None:
        self.settings, self.course, self.seed = settings, course, seed
        self._examples, self._held_out = examples, held_out
        shape = Shape.of(settings, canvas)
        self.network, self.average = (
            Network(shape, torch.Generator().manual_seed(seed)).to(course.device) for _ in range(2)
        )
        self._weights, averaged = flatten(self.network), flatten(self.average)
        self.parameters = self._weights.numel()
        self._averaged = averaged.detach()
        self.average.requires_grad_(False).eval()
        if course.compiled:
            self.network.stack.compile()
            self.average.stack.compile()
        self._optimiser = _optimiser(self._weights, settings)
        # Zero, as published: a variant is told from another by what is learned alone.
        self.table = torch.zeros(rows, settings.puzzle_width, device=course.device)
        batch = settings.batch_size
        self._tokens, self._labels = (
            torch.full((batch, canvas.tokens), PAD, dtype=torch.long, device=course.device)
            for _ in range(2)
        )
        self._rows = torch.zeros(batch, dtype=torch.long, device=course.device)
        self._steps = torch.zeros(batch, dtype=torch.long, device=course.device)
        self._halted = torch.ones(batch, dtype=torch.bool, device=course.device)
        self._carry = self.network.begin(batch)
        self.done = 0
        self.loss = torch.zeros((), device=course.device)
        self.exact = torch.zeros((), device=course.device)
        self.best: dict[str, Any] = {}
        self._spent, self._began = 0.0, time.monotonic()

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

    def update(self) -> Outcome:
        """One supervision step of the batch and one step of the optimisers."""
        given = self.settings
        draw = np.random.default_rng((self.seed, self.done))
        self._refill(draw)
        puzzles = self.table[self._rows].requires_grad_()
        with numbers(self.course.device, given.precision):
            found: Outcome = self.network(self._carry, self._tokens, puzzles)
        losses = step_losses(found.scores, found.halt, self._labels, given.loss)
        losses.total.backward()
        self._move(puzzles)
        self._halt(found, draw)
        share = _RECENT if self.done else 1.0
        self.loss.lerp_(losses.total.detach(), share)
        self.exact.lerp_(losses.right.float().mean(), share)
        self.done += 1
        return found

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
        self._carry = self._carry._replace(
            answer=torch.empty_like(self._carry.answer, memory_format=torch.contiguous_format),
            latent=torch.empty_like(self._carry.latent, memory_format=torch.contiguous_format),
        )
        for name, tensor in self._tensors().items():
            tensor.copy_(state["tensors"][name])

    def result(self) -> tuple[dict[str, Tensor], Tensor, int]:
        """The chosen weights, puzzle embeddings, and the update that they are of."""
        if self.best:
            return self.best["weights"], self.best["table"], self.best["step"]
        return dict(self.average.state_dict()), self.table, self.done

    def _tensors(self) -> dict[str, Tensor]:
        return {
            "weights": self._weights.detach(),
            "averaged": self._averaged,
            "table": self.table,
            "tokens": self._tokens,
            "labels": self._labels,
            "rows": self._rows,
            "steps": self._steps,
            "halted": self._halted,
            "answer": self._carry.answer,
            "latent": self._carry.latent,
            "loss": self.loss,
            "exact": self.exact,
        }

    def _refill(self, draw: np.random.Generator) -> None:
        """Put new examples in the place of those that halted."""
        device = self.course.device
        places = self._halted.nonzero()[:, 0]
        drawn = self._examples.draw(len(places), draw)
        self._tokens[places] = torch.from_numpy(drawn.tokens).to(device, torch.long)
        self._labels[places] = torch.from_numpy(drawn.labels).to(device, torch.long)
        self._rows[places] = torch.from_numpy(drawn.rows).to(device)
        self._steps[places] = 0
        self._carry = self._carry.renewed(self._halted, self.network.begin(len(self._rows)))

    def _move(self, puzzles: Tensor) -> None:
        given = self.settings
        share = min(1.0, (self.done + 1) / max(1, given.warmup))
        for group in self._optimiser.param_groups:
            group["lr"] = given.lr * share
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=False)
        if puzzles.grad is not None:
            rate = given.puzzle_lr * share
            sign_step(self.table, self._rows, puzzles.grad, rate, given.puzzle_weight_decay)
        self._averaged.lerp_(self._weights.detach(), 1 - given.ema)

    def _halt(self, found: Outcome, draw: np.random.Generator) -> None:
        """Say who makes room: the last step is made, or the network thinks that it is right.

        Some may not halt before a random step, so that later steps are learned too.
        """
        given, count = self.settings, len(self._rows)
        self._carry = found.carry
        self._steps += 1
        last = self._steps >= given.halt_max_steps
        if given.halt_max_steps == 1:
            self._halted = last
            return
        explores = draw.random(count) < given.exploration
        least = explores * draw.integers(2, given.halt_max_steps + 1, size=count)
        late = self._steps >= torch.from_numpy(least).to(self.course.device)
        self._halted = (last | (found.halt.detach() > 0)) & late

    def _choose(self, held_out: Drawn) -> None:
        """Keep the averaged weights if none before were better on the held-out examples."""
        rows = torch.from_numpy(held_out.rows).to(self.course.device)
        given = self.settings
        steps = predict(
            self.average,
            held_out.tokens,
            self.table[rows],
            given.halt_max_steps,
            given.precision,
            self.course.batch,
        )
        exact, cells = _agreement(steps[-1].tokens, held_out.labels)
        if (exact, cells) >= (self.best.get("exact", -1.0), self.best.get("cells", -1.0)):
            weights = {name: one.clone() for name, one in self.average.state_dict().items()}
            found = {"weights": weights, "table": self.table.clone(), "step": self.done}
            self.best = {**found, "exact": exact, "cells": cells}

    def _told(self) -> str:
        loss = self.loss.item()
        if not np.isfinite(loss):
            raise MethodError(f"the loss is {loss} at step {self.done}: lower lr or puzzle_lr.")
        return (
            f"step {self.done} of {self.settings.updates}, loss {loss:.3f}, "
            f"exact {self.exact.item():.3f}"
        )


def _optimiser(weights: torch.nn.Parameter, given: Settings) -> torch.optim.Optimizer:
    betas = (given.beta1, given.beta2)
    if given.optimiser is Optimiser.ADAM_ATAN2:
        return AdamATan2([weights], given.lr, betas, given.weight_decay)
    return torch.optim.AdamW([weights], given.lr, betas, weight_decay=given.weight_decay)


def _agreement(predicted: NDArray[Any], labels: NDArray[Any]) -> tuple[float, float]:
    """Share of examples right everywhere, and of tokens; padding does not count."""
    counted = labels != PAD
    right = (predicted == labels) & counted
    whole = right.sum(1) == counted.sum(1)
    return float(whole.mean()), float(right.sum() / counted.sum())
