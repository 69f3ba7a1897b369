"""How sure a prediction is: the geometric mean of its tokens' probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

from harness_methods.solvers.sequences.canvas import FIRST, Canvas
from harness_methods.solvers.sequences.losses import log_weights
from harness_methods.solvers.sequences.options import Loss


def confidence(scores: Tensor, chosen: Tensor, canvas: Canvas, loss: Loss) -> Tensor:
    """Exponential of the mean log-probability of a grid's cells and edge, (batch,).

    What stands beyond the edge is never trained and does not count.

    Args:
        scores: (batch, tokens, vocabulary).
        chosen: tokens with the highest scores, (batch, tokens).
        canvas: of the tokens.
        loss: how scores become probabilities.
    """
    logs = log_weights(scores, loss).log_softmax(-1)
    logs = logs.gather(-1, chosen[:, :, None])[:, :, 0]
    counted = answered(chosen, canvas)
    return ((logs * counted).sum(1) / counted.sum(1)).exp()


def answered(tokens: Tensor, canvas: Canvas) -> Tensor:
    """Where the grid that `Canvas.read` finds stands with its edge, (batch, tokens).

    Of what is no grid: the first token.
    """
    sheet = tokens.view(-1, canvas.rows, canvas.columns)
    rows, columns = (
        torch.arange(size, device=tokens.device) for size in (canvas.rows, canvas.columns)
    )
    # How far each row goes without a break, and no further than the rows above it.
    reach = (sheet >= FIRST).long().cumprod(2).sum(2).cummin(1).values
    # Of equal areas the first, as numpy takes it.
    areas = reach * (rows + 1) * (canvas.rows + 1) - rows
    last = areas.argmax(1, keepdim=True)
    width = reach.gather(1, last)[:, :, None]
    height = last[:, :, None] + 1
    down, right = rows[None, :, None], columns[None, None]
    inside = (down < height) & (right <= width) | (down == height) & (right < width)
    return inside.flatten(1)
