"""Options of TRM, and the presets that fill in what is not given."""

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
    PUBLISHED = "published"


@dataclass(frozen=True)
class Settings(SequenceSettings):
    """Everything that decides a fit beside data and seed; see `TRMFit` for what each means."""

    layers: int
    h_cycles: int
    l_cycles: int
    halt_max_steps: int
    exploration: float

    @property
    def usual_steps(self) -> int:
        """As many supervision steps as in training."""
        return self.halt_max_steps


PUBLISHED = Settings(
    hidden=512,
    layers=2,
    heads=8,
    inner=1536,
    puzzle_positions=16,
    puzzle_width=512,
    h_cycles=3,
    l_cycles=4,
    halt_max_steps=16,
    exploration=0.1,
    loss=Loss.STABLEMAX,
    optimiser=Optimiser.ADAM_ATAN2,
    lr=1e-4,
    weight_decay=0.1,
    beta1=0.9,
    beta2=0.95,
    puzzle_lr=1e-2,
    puzzle_weight_decay=0.1,
    warmup=2000,
    ema=0.999,
    batch_size=768,
    updates=520_000,
    variants=1001,
    translation=Translation.RANDOM,
    precision=Precision.BFLOAT16,
)
"""The commands for ARC of the reference code: 7 M weights. Its yaml and the paper have 6 L cycles,
these commands 4; 100 000 passes over 960 puzzles are 520 000 updates; 1000 augmentations come
beside the puzzle itself."""

_SMALL = replace(
    PUBLISHED,
    hidden=128,
    heads=4,
    inner=384,
    puzzle_positions=4,
    puzzle_width=256,
    h_cycles=2,
    halt_max_steps=8,
    lr=5e-4,
    warmup=500,
    batch_size=128,
    updates=20_000,
    variants=65,
    precision=Precision.FLOAT32,
)
_MINIATURE = replace(
    _SMALL,
    hidden=64,
    inner=128,
    puzzle_positions=2,
    puzzle_width=128,
    l_cycles=3,
    halt_max_steps=3,
    lr=1e-3,
    puzzle_lr=3e-2,
    warmup=20,
    ema=0.995,
    batch_size=64,
    updates=3200,
    variants=16,
)
PRESETS = {
    Config.MINIATURE: _MINIATURE,
    Config.SMALL: _SMALL,
    Config.PUBLISHED: PUBLISHED,
}


class TRMFit(SequenceFit):
    """Options of `trm` that decide the fit; none: as the preset has it."""

    config: Config = Config.MINIATURE
    """miniature: minutes on one core, for grids up to 5 x 5 or so; small: in between; published:
    the paper's 7 M weights, days on four H100."""
    layers: int | None = Field(default=None, ge=1)
    """Blocks of the network (2)."""
    h_cycles: int | None = Field(default=None, ge=1)
    """T: times that the answer z_H is renewed in a step; only the last has a gradient (3)."""
    l_cycles: int | None = Field(default=None, ge=1)
    """n: times that the latent z_L is renewed before each (4; in the paper 6)."""
    halt_max_steps: int | None = Field(default=None, ge=1)
    """N_sup: most supervision steps of an example (16)."""
    exploration: float | None = Field(default=None, ge=0, le=1)
    """Probability that an example may not halt before a random step (0.1)."""

    def settings(self) -> Settings:
        """The preset with what was given in its place.

        Raises:
            UsageError: they do not go together.
        """
        return filled(self, PRESETS[self.config])


class TRMOptions(TRMFit, SequenceOptions):
    """Options of `trm`."""
