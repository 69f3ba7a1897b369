"""The last stage of networks that are built in different ways."""

from __future__ import annotations

from torch import nn

from harness.models.vision.late import last_stage


def block(width=4):
    return nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))


class Built(nn.Module):
    def __init__(self, **children) -> None:
        super().__init__()
        for name, one in children.items():
            self.add_module(name, one)


def blocks(number):
    return nn.ModuleList(block() for _ in range(number))


def test_the_last_quarter_of_the_blocks_and_what_comes_after_is_late():
    made = Built(stem=block(), blocks=blocks(12), norm=nn.LayerNorm(4), head=nn.Linear(4, 2))
    assert last_stage(made) == ("blocks.9", "blocks.10", "blocks.11", "norm", "head")
    made = Built(blocks=blocks(24), norm=nn.LayerNorm(4))
    assert last_stage(made) == (*(f"blocks.{one}" for one in range(18, 24)), "norm")
    assert last_stage(Built(blocks=blocks(7)))[0] == "blocks.5"


def test_stages_may_be_numbered_by_their_names():
    stages = {f"layer{one}": nn.Sequential(block(), block()) for one in range(1, 5)}
    made = Built(conv1=block(), **stages, pool=nn.Identity(), fc=nn.Linear(4, 2))
    assert last_stage(made) == ("layer4", "pool", "fc")


def test_the_row_with_the_most_layers_is_that_of_stages():
    """Neither the blocks in a stage, however many, nor the layers of a block are stages."""
    stages = nn.ModuleList(nn.Sequential(*(block() for _ in range(n))) for n in (1, 1, 6, 1))
    made = Built(stem=nn.Sequential(block(), block()), stages=stages, norm=nn.LayerNorm(4))
    assert last_stage(made) == ("stages.3", "norm")


def test_without_numbers_the_last_child_before_the_head_is_late():
    made = Built(
        stem=nn.Linear(4, 4), body=nn.LayerNorm(4), last=nn.LayerNorm(4), head=nn.Linear(4, 2)
    )
    assert last_stage(made) == ("last", "head")
    assert last_stage(Built(body=nn.LayerNorm(4), head=nn.Linear(4, 2))) == ()
