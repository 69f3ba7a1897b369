"""`source`: the source model as it is, the baseline of every comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.protocols.adapt import TestTimeMethod, finite
from harness.registry import About

if TYPE_CHECKING:
    import torch


class Source(TestTimeMethod):
    """Predict without adapting."""

    about: ClassVar[About] = About("The source model, unchanged.", "")

    def step(self, images: torch.Tensor) -> torch.Tensor:
        """Predict a batch."""
        return finite(self.predict(images))
