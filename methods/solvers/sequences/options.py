"""Options that all networks over sequences of tokens have, apart from their shapes.

Where a preset fills in what is not given, numbers in brackets are those of the code published for
TRM, arXiv 2510.04871.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import TypeVar

from pydantic import Field

from harness.errors import UsageError
from harness.options import Options


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
class SequenceSettings(ABC):
    """What decides a fit beside data, seed and the network's shape; see `SequenceFit`."""

    hidden: int
    heads: int
    inner: int
    puzzle_positions: int
    puzzle_width: int
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

    @property
    @abstractmethod
    def usual_steps(self) -> int:
        """Recursion steps of a prediction where none are asked for."""


class SequenceFit(Options):
    """Options that decide a fit; none: as the preset has it."""

    hidden: int | None = Field(default=None, ge=2)
    """Width of the states (512)."""
    heads: int | None = Field(default=None, ge=1)
    """Attention heads (8)."""
    inner: int | None = Field(default=None, ge=1)
    """Inner units of SwiGLU (1536)."""
    puzzle_positions: int | None = Field(default=None, ge=1)
    """Positions that the puzzle embedding takes before the canvas (16)."""
    puzzle_width: int | None = Field(default=None, ge=1)
    """Numbers of a puzzle embedding, filled up with zeros to its positions (512)."""
    loss: Loss | None = None
    """stablemax, as published for TRM, or softmax: what the cross entropy is of."""
    optimiser: Optimiser | None = None
    """adam-atan2, as published for TRM, or adamw."""
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
    """Optimiser steps (520 000)."""
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

    @abstractmethod
    def settings(self) -> SequenceSettings:
        """The preset with what was given in its place.

        Raises:
            UsageError: they do not go together.
        """


class SequenceOptions(SequenceFit):
    """Options of a fit and of solving."""

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


AnySettings = TypeVar("AnySettings", bound=SequenceSettings)


def filled(options: SequenceFit, preset: AnySettings) -> AnySettings:
    """A preset with the options that were given in its place.

    Raises:
        UsageError: they do not go together.
    """
    names = [one.name for one in fields(preset)]
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    found = replace(preset, **given)
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
