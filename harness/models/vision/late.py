"""The last stage of a network, which SAR leaves alone.

SAR's code (mr-eggplant/SAR) names ``layer4`` of ResNet and ``blocks.9`` to ``blocks.11`` with the
last ``norm`` of ViT-B. Both are the last quarter of the network's stages or blocks and whatever
comes after, and so it is read here for any network: ``stages.3`` of ConvNeXt and Swin, the last six
of 24 blocks.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from harness.models.vision.linear import is_in

if TYPE_CHECKING:
    import torch

_NUMBERED = re.compile(r"(.*?)(\d+)")
_SHARE = 4
"""The last stage is one in so many."""


def last_stage(module: torch.nn.Module) -> tuple[str, ...]:
    """Names of the layers of the last stage and of those after it, in the order of the network.

    Stages are numbered siblings, and of several such rows the one that holds the most layers is
    taken. A network without any has its last child with weights but one, the head, as last stage.
    """
    stages = _stages(module)
    if not stages:
        children = [name for name, one in module.named_children() if _layers(one)]
        return tuple(children[-2:]) if len(children) > 2 else ()
    first = stages[len(stages) - -(-len(stages) // _SHARE)]
    names = [name for name, _ in module.named_modules()]
    late = list[str]()
    for name in names[names.index(first) :]:
        if not is_in(name, late):
            late.append(name)
    return tuple(late)


def _stages(module: torch.nn.Module) -> list[str]:
    """Names of the stages in order; empty if nothing is numbered."""
    rows = defaultdict[str, dict[str, int]](dict)
    for name, one in module.named_modules():
        found = _NUMBERED.fullmatch(name)
        if found and (layers := _layers(one)):
            rows[found[1]][name] = layers
    several = [row for row in rows.values() if len(row) > 1]
    return list(max(several, key=lambda row: sum(row.values()), default={}))


def _layers(module: torch.nn.Module) -> int:
    """Layers with weights of their own."""
    return sum(bool(list(one.parameters(recurse=False))) for one in module.modules())
