"""What an update of the recurrent network's fit is: new examples, as many iterations as drawn."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from harness_methods.solvers.recurrent.network import Iterations, Network
from harness_methods.solvers.recurrent.options import Settings
from harness_methods.solvers.sequences import training
from harness_methods.solvers.sequences.canvas import Canvas
from harness_methods.solvers.sequences.losses import answer_losses
from harness_methods.solvers.sequences.prediction import numbers

_SPREAD = 0.5
"""Sigma of the log-normal distribution that the mean of the Poisson distribution is drawn from."""


def draw_iterations(mean: int, draw: np.random.Generator) -> int:
    """Iterations of an update: log-normal Poisson, and 1.

    Equations 3 and 4 of the paper: tau ~ N(log(mean) - sigma^2 / 2, sigma), r ~ Poisson(e^tau) + 1,
    so that the mean of r is one more than `mean`.
    """
    tau = draw.normal(math.log(mean) - _SPREAD**2 / 2, _SPREAD)
    return int(draw.poisson(math.exp(tau))) + 1


class Trainer(training.Trainer[Settings, Network]):
    """A fit of the recurrent network under way; it carries nothing between updates."""

    @staticmethod
    def build(settings: Settings, canvas: Canvas, generator: torch.Generator) -> Network:
        """A network with its first weights."""
        return Network(settings, canvas, generator)

    def update(self) -> Tensor:
        """One step of the optimisers; returns the scores, (batch, tokens, vocabulary)."""
        given = self.settings
        draw = np.random.default_rng((self.seed, self.done))
        tokens, labels, rows = self.on_device(self.examples.draw(given.batch_size, draw))
        iterations = Iterations(draw_iterations(given.mean_recurrence, draw), given.backprop_depth)
        puzzles = self.table[rows].requires_grad_()
        with numbers(self.course.device, given.precision):
            scores = self.network(tokens, puzzles, iterations, draw)
        losses, right = answer_losses(scores, labels, given.loss)
        self.learn(losses.mean(), right, rows, puzzles)
        return scores
