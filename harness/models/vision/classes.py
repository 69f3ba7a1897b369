"""The 1000 classes of ImageNet (ILSVRC 2012): WordNet ids in the order of every model's scores."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

_ID = 9
"""Characters of a WordNet id."""
_FIRST, _LAST = "tench", "toilet tissue"
"""Names of the first class and of the last."""
_PLACEHOLDER = re.compile(r"LABEL_(\d+)")


@cache
def imagenet() -> dict[str, str]:
    """Name of each class by its WordNet id, in order."""
    text = files("harness.models.vision").joinpath("imagenet_classes.txt").read_text("utf-8")
    return {line[:_ID]: line[_ID + 1 :] for line in text.splitlines()}


def class_ids(labels: Sequence[str]) -> tuple[str, ...]:
    """Ids of a model's classes, by which labelled images are matched.

    WordNet ids where the labels are those of ImageNet in its order, however they are written; the
    numbers of placeholders such as LABEL_3; else the labels.
    """
    known = tuple(imagenet())
    if len(labels) == len(known):
        for first, last in ((_FIRST, _LAST), (known[0], known[-1])):
            if labels[0].lower().startswith(first) and labels[-1].lower().startswith(last):
                return known
    numbers = [_PLACEHOLDER.fullmatch(one) for one in labels]
    return tuple(
        one if number is None else number[1] for one, number in zip(labels, numbers, strict=True)
    )
