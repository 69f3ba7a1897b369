"""Options of the depth-recurrent transformer, and the presets that fill in what is not given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from pydantic import Field

from harness_methods.solvers.sequences.options import (
    Loss,
    Optimiser,
    Precision,
    SequenceFit,
    SequenceOptions,
    SequenceSettings,
    Translation,
    filled,
)


class Config(StrEnum):
    """A preset."""

    MINIATURE = "miniature"
    SMALL = "small"


@dataclass(frozen=True)
class Settings(SequenceSettings):
    """Everything that decides a fit beside data and seed; see `RecurrentFit`."""

    prelude: int
    core: int
    coda: int
    mean_recurrence: int
    backprop_depth: int

    @property
    def usual_steps(self) -> int:
        """As many iterations as the training's mean."""
        return self.mean_recurrence


_MINIATURE = Settings(
    hidden=64,
    heads=4,
    inner=128,
    prelude=1,
    core=1,
    coda=1,
    mean_recurrence=8,
    backprop_depth=4,
    puzzle_positions=2,
    puzzle_width=128,
    loss=Loss.SOFTMAX,
    optimiser=Optimiser.ADAM_ATAN2,
    lr=1e-3,
    weight_decay=0.1,
    beta1=0.9,
    beta2=0.95,
    puzzle_lr=3e-2,
    puzzle_weight_decay=0.1,
    warmup=20,
    ema=0.995,
    batch_size=64,
    updates=3200,
    variants=16,
    translation=Translation.RANDOM,
    precision=Precision.FLOAT32,
)
"""Widths, optimisers and examples are those of TRM's miniature."""
_SMALL = replace(
    _MINIATURE,
    hidden=128,
    inner=384,
    core=2,
    mean_recurrence=16,
    backprop_depth=8,
    puzzle_positions=4,
    puzzle_width=256,
    lr=5e-4,
    puzzle_lr=1e-2,
    warmup=500,
    ema=0.999,
    batch_size=128,
    updates=20_000,
    variants=65,
)
PRESETS = {Config.MINIATURE: _MINIATURE, Config.SMALL: _SMALL}


class RecurrentFit(SequenceFit):
    """Options of `recurrent` that decide the fit; none: as the preset has it."""

    config: Config = Config.MINIATURE
    """miniature: minutes on one core; small: hours. (The paper's network is a language model.)"""
    prelude: int | None = Field(default=None, ge=0)
    """l_P: blocks that embed the input, once (in the paper 2)."""
    core: int | None = Field(default=None, ge=1)
    """l_R: blocks that are iterated (4)."""
    coda: int | None = Field(default=None, ge=0)
    """l_C: blocks that read the state out (2)."""
    mean_recurrence: int | None = Field(default=None, ge=1)
    """r: iterations of an update are 1 and a Poisson number of this mean (32)."""
    backprop_depth: int | None = Field(default=None, ge=1)
    """k: last iterations that the gradient flows through (8)."""

    def settings(self) -> Settings:
        """The preset with what was given in its place.

        Raises:
            UsageError: they do not go together.
        """
        return filled(self, PRESETS[self.config])


class RecurrentOptions(RecurrentFit, SequenceOptions):
    """Options of `recurrent`."""
