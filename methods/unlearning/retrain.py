"""`retrain`: a model that never saw the forget set; what unlearning is measured against.

The harness hands it in as the model, as it hands in the sets; nothing is trained here.
"""

from __future__ import annotations

from typing import ClassVar

from harness.options import Options
from harness.registry import About
from harness_methods.unlearning.identity import Identity


class RetrainOptions(Options):
    """Options of `retrain`."""

    model: str = ""
    """The retrained model, such as hf:ORG/NAME; empty: the one that goes with the target model."""


class Retrain(Identity):
    """The retrained model, unchanged."""

    about: ClassVar[About] = About(
        "The reference: a model that never saw the forget set.", "exact unlearning"
    )
    Options: ClassVar[type[Options]] = RetrainOptions
    loads_retrained: ClassVar[bool] = True
