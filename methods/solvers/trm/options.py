"""Options of TRM, and the presets that fill in what is not given."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import StrEnum

from pydantic import Field

from harness.errors import UsageError
from harness.options import Options


class Config(StrEnum):
    """A preset."""

    MINIATURE = "miniature"
    SMALL = "small"
    PUBLISHED = "published"


class Loss(StrEnum):
    """How scores become probabilities."""

    STABLEMAX = "stablemax"
    SOFTMAX = "softmax"


class Optimiser(StrEnum):
    """What moves the network's weights."""

    ADAM_ATAN2 = "adam-atan2"
    ADAMW = "adamw"


class Precision(StrEnum):
    """Numbers of the matrix products."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class Translation(StrEnum):
    """Where grids stand in training."""

    RANDOM = "random"
    NONE = "none"


class Identity(StrEnum):
    """Which puzzle embedding a prediction gets."""

    OWN = "own"
    BLANK = "blank"
    RANDOM = "random"


class Device(StrEnum):
    """Where tensors are."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Compilation(StrEnum):
    """Whether torch.compile is used; it needs a C++ compiler."""

    OFF = "off"
    ON = "on"


@dataclass(frozen=True)
class Settings:
    """Everything that decides a fit beside data and seed; see `TRMFit` for what each means."""

    hidden: int
    layers: int
    heads: int
    inner: int
    puzzle_positions: int
    puzzle_width: int
    h_cycles: int
    l_cycles: int
    halt_max_steps: int
    exploration: float
    loss: Loss
    optimiser: Optimiser
    lr: float
    weight_decay: float
    beta1: float
    beta2: float
    puzzle_lr: float
    puzzle_weight_decay: float
    warmup: int
    ema: float
    batch_size: int
    updates: int
    variants: int
    translation: Translation
    precision: Precision


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


class TRMFit(Options):
    """Options of `trm` that decide the fit; none: as the preset has it."""

    config: Config = Config.MINIATURE
    """miniature: minutes on one core, for grids up to 5 x 5 or so; small: in between; published:
    the paper's 7 M weights, days on four H100."""
    hidden: int | None = Field(default=None, ge=2)
    """Width D of the states (published: 512)."""
    layers: int | None = Field(default=None, ge=1)
    """Blocks of the network (2)."""
    heads: int | None = Field(default=None, ge=1)
    """Attention heads (8)."""
    inner: int | None = Field(default=None, ge=1)
    """Inner units of SwiGLU (1536)."""
    puzzle_positions: int | None = Field(default=None, ge=1)
    """Positions that the puzzle embedding takes before the canvas (16)."""
    puzzle_width: int | None = Field(default=None, ge=1)
    """Numbers of a puzzle embedding, filled up with zeros to its positions (512)."""
    h_cycles: int | None = Field(default=None, ge=1)
    """T: times that the answer z_H is renewed in a step; only the last has a gradient (3)."""
    l_cycles: int | None = Field(default=None, ge=1)
    """n: times that the latent z_L is renewed before each (4; in the paper 6)."""
    halt_max_steps: int | None = Field(default=None, ge=1)
    """N_sup: most supervision steps of an example (16)."""
    exploration: float | None = Field(default=None, ge=0, le=1)
    """Probability that an example may not halt before a random step (0.1)."""
    loss: Loss | None = None
    """stablemax, as published, or softmax: what the cross entropy is of."""
    optimiser: Optimiser | None = None
    """adam-atan2, as published, or adamw."""
    lr: float | None = Field(default=None, gt=0)
    """Learning rate of the network (1e-4)."""
    weight_decay: float | None = Field(default=None, ge=0)
    """Its decoupled weight decay (0.1)."""
    beta1: float | None = Field(default=None, ge=0, lt=1)
    """Decay of its first moment (0.9)."""
    beta2: float | None = Field(default=None, ge=0, lt=1)
    """Decay of its second moment (0.95)."""
    puzzle_lr: float | None = Field(default=None, gt=0)
    """Learning rate of the puzzle embeddings, by the sign of the gradient (1e-2)."""
    puzzle_weight_decay: float | None = Field(default=None, ge=0)
    """Their decoupled weight decay (0.1)."""
    warmup: int | None = Field(default=None, ge=0)
    """Updates in which both learning rates rise (2000)."""
    ema: float | None = Field(default=None, ge=0, lt=1)
    """Decay of the average of the network's weights that is used in the end (0.999)."""
    batch_size: int | None = Field(default=None, ge=1)
    """Examples of an update (768)."""
    updates: int | None = Field(default=None, ge=1)
    """Optimiser steps, one for each supervision step (520 000)."""
    variants: int | None = Field(default=None, ge=1)
    """Most variants of a puzzle, itself included, each with its own embedding (1001)."""
    translation: Translation | None = None
    """random: in training grids stand anywhere on the canvas; none: at its corner."""
    precision: Precision | None = None
    """float32, or bfloat16 for matrix products."""
    validation: float = Field(default=0.2, ge=0, lt=1)
    """Share of the labelled puzzles whose test pairs are not trained on and choose the weights."""
    checks: int = Field(default=20, ge=1)
    """Times that the weights are scored on them."""

    def settings(self) -> Settings:
        """The preset with what was given in its place.

        Raises:
            UsageError: they do not go together.
        """
        names = [one.name for one in fields(Settings)]
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        found = replace(PRESETS[self.config], **given)
        if found.hidden % (2 * found.heads):
            raise UsageError(
                f"hidden={found.hidden} has to be a multiple of twice heads={found.heads}."
            )
        if found.puzzle_width > found.puzzle_positions * found.hidden:
            raise UsageError(
                f"puzzle_width={found.puzzle_width} does not fit into {found.puzzle_positions} "
                f"positions of {found.hidden}; raise puzzle_positions."
            )
        return found


class TRMOptions(TRMFit):
    """Options of `trm`."""

    votes: int | None = Field(default=None, ge=1)
    """Most variants that vote on an output; none: all that were fitted; 1: the puzzle as it is."""
    identity: Identity = Identity.OWN
    """own; blank: no puzzle embedding; random: another puzzle's. Ablations."""
    steps: int | None = Field(default=None, ge=1)
    """Recursion steps of a prediction; none: as many as in training."""
    predict_batch: int = Field(default=256, ge=1)
    """Variants predicted at once."""
    save_every: int = Field(default=200, ge=1)
    """Updates between two saved states of a fit."""
    device: Device = Device.AUTO
    """auto: a GPU where there is one."""
    compilation: Compilation = Compilation.OFF
    """on: torch.compile, which needs a C++ compiler and half a minute at first."""
