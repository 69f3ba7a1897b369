"""`tiny-tofu`: known by its shape, made of the corpus, repeatable."""

from __future__ import annotations

import pytest
import torch

from harness.errors import UsageError
from harness.models.base import ModelRequest
from harness.models.causal import Corpus
from harness.protocols.edit import Example
from harness_tasks.unlearning.tiny import TinyTofu

CORPUS = Corpus(
    tuple(Example(str(n), "", f"what is it {n}?", f"it is {n} thing") for n in range(9)), ()
)


def tiny(**args):
    shape = {"layers": "1", "hidden": "32", "vocabulary": "300", **args}
    return TinyTofu(ModelRequest("tiny-tofu", args=tuple(shape.items())))


def test_its_shape_and_training_are_its_revision():
    revisions = [
        tiny(**args).identify().revision
        for args in ({}, {}, {"layers": "2"}, {"epochs": "3"}, {"lr": "1e-3"})
    ]
    assert revisions[0] == revisions[1]
    assert len(set(revisions)) == 4


def test_untrained_weights_depend_on_the_seed_alone():
    one, again, other = (tiny().base(CORPUS, seed).module for seed in (0, 0, 1))
    torch.rand(3)
    pairs = [zip(one.parameters(), two.parameters(), strict=True) for two in (again, other)]
    assert all(torch.equal(a, b) for a, b in pairs[0])
    assert not all(torch.equal(a, b) for a, b in pairs[1])


def test_tokenizer_is_lossless_and_ends():
    codec = tiny().base(CORPUS, 0).codec
    found = codec.encode(CORPUS.full[3])
    assert codec.decode(found.context) == "Question: what is it 3?\nAnswer:"
    assert codec.decode(found.continuation) == " it is 3 thing"
    assert found.continuation[-1] == codec.eos
    assert codec.decode(codec.plain("Ünïcode, too: 漢字")) == "Ünïcode, too: 漢字"


def test_it_has_the_shape_that_was_asked_for():
    module = tiny(layers="2", hidden="64").base(CORPUS, 0).module
    assert len(module.model.layers) == 2
    assert module.config.hidden_size == 64
    assert module.config.num_attention_heads == 2
    assert sum(one.numel() for one in module.parameters()) < 200_000


@pytest.mark.parametrize(
    ("args", "reason"),
    [({"layers": "0"}, "layers"), ({"width": "3"}, "width"), ({"vocabulary": "10"}, "vocabulary")],
)
def test_bad_shapes_are_refused(args, reason):
    with pytest.raises(UsageError, match=reason):
        tiny(**args)


@pytest.mark.parametrize("hidden", ["9", "33", "100"])
def test_widths_that_heads_cannot_share_are_refused(hidden):
    """Rather than fail in the middle of a run."""
    with pytest.raises(UsageError, match="hidden"):
        tiny(hidden=hidden)


def test_it_takes_no_name():
    with pytest.raises(UsageError, match="takes no name"):
        TinyTofu(ModelRequest("tiny-tofu", "org/name"))
