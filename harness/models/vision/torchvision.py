"""torchvision where it cannot be imported as it is: timm needs it, and transformers takes it."""

from __future__ import annotations

import importlib.util
from importlib import import_module
from typing import Any

from harness.errors import UsageError

_declared: list[Any] = []
"""Operators that were declared here; they go when this goes."""


def prepare_torchvision() -> None:
    """Make torchvision importable, if it is installed.

    torchvision's wheels on PyPI are built for CUDA; beside a torch for the CPU their operators
    cannot be loaded, and the import breaks because two of them are described that are not there
    ("operator torchvision::nms does not exist"). They are for detection, no classifier calls them,
    so it is enough to declare them. Where torchvision can be imported, nothing is done.

    Raises:
        UsageError: it cannot be imported all the same.
    """
    import torch

    if importlib.util.find_spec("torchvision") is None:
        return
    try:
        import_module("torchvision")
    except RuntimeError as error:
        if _declared or "torchvision::" not in str(error) or torch.version.cuda is not None:
            raise UsageError(
                f"torchvision cannot be imported ({error}); install the build that belongs to your "
                "torch (pytorch.org/get-started), or uninstall it."
            ) from error
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
        prepare_torchvision()
