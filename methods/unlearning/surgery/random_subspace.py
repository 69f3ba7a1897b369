"""`random-subspace`: control for `gu`: as many directions, drawn at random.

k Gaussian directions, drawn anew at each step from the seed (on the device of the weights, so that
another kind of device draws others). In a space of millions of dimensions next to nothing lies in
their span: the control shows that a gain is not owed to the machinery.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from harness.protocols.edit.data import generator
from harness.protocols.edit.surgery import Moment
from harness.registry import About
from harness_methods.unlearning.surgery.projection import Projection, ProjectionOptions

if TYPE_CHECKING:
    from harness.protocols.edit.surgery import Vector


class RandomSubspace(Projection):
    """Project the forget gradient on the complement of k random directions."""

    about: ClassVar[About] = About(
        "Control: forget gradient without its part in a random subspace.", "control for gu"
    )
    options: ProjectionOptions

    def directions(self, moment: Moment, *, probe: bool) -> tuple[list[Vector], Vector | None]:
        """Gaussian directions; the probe is this step's retain gradient."""
        found = [_gaussian(moment, number) for number in range(self.options.rank)]
        return found, moment.retain_gradients(1)[0] if probe else None


def _gaussian(moment: Moment, number: int) -> Vector:
    import torch

    seed = generator(f"subspace/{moment.seed}/{moment.index}/{number}").getrandbits(63)
    found, source = list[Any](), None
    for one in moment.forget:
        if source is None or source.device != one.device:
            source = torch.Generator(device=one.device).manual_seed(seed)
        found.append(torch.randn(one.shape, generator=source, device=one.device, dtype=one.dtype))
    return found
