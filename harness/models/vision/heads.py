"""The linear head of a network that a library made, and the features that go into it.

Libraries name heads differently and pool in front of them differently; what is common is that the
network's scores are the output of one linear layer. So the head is found by running the network
once and seeing whose output the scores are, and features are the input of that layer in a run of
the network's own code. The price is that the head is computed once more than needed, which is
little beside the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import UsageError

if TYPE_CHECKING:
    import torch


class HeadInput:
    """Gives what goes into a layer when the network runs.

    Args:
        module: the network.
        head: the layer, which a run reaches once.
    """

    def __init__(self, module: torch.nn.Module, head: torch.nn.Module) -> None:
        self._module, self._head = module, head

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Features, (batch, dimensions), of normalised images."""
        seen = list[Any]()
        # For this run only: a network with a hook of ours in it would be another one to copy.
        handle = self._head.register_forward_pre_hook(lambda _head, given: seen.append(given[0]))
        try:
            self._module(images)
        finally:
            handle.remove()
        return seen[-1]


def linear_head(module: torch.nn.Module, size: int, what: str) -> torch.nn.Linear:
    """The linear layer whose output a network's scores are.

    Args:
        module: the network, which takes images and gives scores, or an object that has `logits`.
        size: side of the images that it takes.
        what: the model as the user named it.

    Raises:
        UsageError: the network does not take such images, or its scores come from elsewhere.
    """
    import torch

    outputs = list[tuple[Any, Any]]()
    handles = [
        one.register_forward_hook(lambda layer, _given, found: outputs.append((layer, found)))
        for one in module.modules()
        if isinstance(one, torch.nn.Linear)
    ]
    try:
        with torch.no_grad():
            found: Any = module(probe(module, size))
    except (RuntimeError, ValueError, TypeError) as error:
        raise UsageError(
            f"{what} does not take images of {size} x {size} pixels ({_first_line(error)}); take a "
            "model whose image size agrees with its configuration."
        ) from error
    finally:
        for one in handles:
            one.remove()
    scores = getattr(found, "logits", found)
    for layer, output in reversed(outputs):
        if output.dim() == 2 and torch.equal(output, scores):
            return layer
    raise UsageError(
        f"{what} has no linear head that gives its scores, and methods need one; take a classifier "
        "that ends in a linear layer."
    )


def probe(module: torch.nn.Module, size: int) -> torch.Tensor:
    """An image to run a network with, (1, 3, size, size), normalised to no one's taste."""
    import torch

    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, size, size, generator=generator)
    return image.to(next(module.parameters()).device)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
