"""The 1000 classes of ImageNet (ILSVRC 2012): WordNet ids in the order of every model's scores."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

_ID = 9
"""Characters of a WordNet id."""


@cache
def imagenet() -> dict[str, str]:
    """Name of each class by its WordNet id, in order."""
    text = files("harness.models.vision").joinpath("imagenet_classes.txt").read_text("utf-8")
    return {line[:_ID]: line[_ID + 1 :] for line in text.splitlines()}
