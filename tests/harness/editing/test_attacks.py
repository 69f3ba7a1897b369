"""Attacks on an edited model."""

from __future__ import annotations

import pytest
import torch

from harness.editing.attacks import attacked, beyond_relearned, quantise, relearned
from harness.models.base import ModelRequest
from harness.models.causal import Corpus, HubCausalLM
from harness.models.in_process import InProcessLM
from harness.protocols.edit import EditData, Example
from harness.protocols.edit.gradient import GradientOptions
from harness.protocols.edit.task import Attack, Probe, ProbeResult
from harness.protocols.edit.training import with_adapters

EXAMPLES = tuple(Example(str(n), "", f"who is {n}?", f"{n} is she") for n in range(12))
DATA = EditData(EXAMPLES[:10], EXAMPLES[10:])


@pytest.fixture
def model(folder_model):
    request = ModelRequest("hf", str(folder_model))
    return HubCausalLM(request).base(Corpus((), ()), 0)


def test_quantise_rounds_each_row_to_nearest():
    layer = torch.nn.Linear(3, 2, bias=True)
    bias = layer.bias.detach().clone()
    layer.weight.data = torch.tensor([[7.0, -3.4, 0.6], [0.14, 0.051, -0.011]])
    quantise(torch.nn.Sequential(layer), 4)
    # 4 bits: steps of largest / 7, from -7 to 7
    expected = torch.tensor([[7.0, -3.0, 1.0], [0.14, 0.06, -0.02]])
    assert torch.allclose(layer.weight, expected, atol=1e-6)
    assert torch.equal(layer.bias, bias)
    zero = torch.nn.Linear(2, 1)
    zero.weight.data.zero_()
    quantise(zero, 8)
    assert torch.equal(zero.weight, torch.zeros(1, 2))


def test_attacks_leave_the_model_as_it_is(model):
    before = {name: one.clone() for name, one in model.module.state_dict().items()}
    for attack in Attack:
        changed = attacked(model, attack, DATA, 3, 1e-2, 0)
        assert all(torch.equal(before[k], v) for k, v in model.module.state_dict().items())
        state = changed.module.state_dict()
        assert any(not torch.equal(before[name], value) for name, value in state.items())


def test_eight_bits_change_less_than_four(model):
    def moved(attack):
        changed = attacked(model, attack, DATA, 1, 1e-2, 0).module.parameters()
        pairs = zip(changed, model.module.parameters(), strict=True)
        return sum(float((one - other).detach().norm()) for one, other in pairs)

    assert 0 < moved(Attack.QUANTISE_8) < moved(Attack.QUANTISE_4)


def test_relearning_learns_what_it_knows_and_is_repeatable(model):
    def loss(of, examples):
        scores = InProcessLM(of).score([of.codec.encode(one) for one in examples])
        return [one.loss for one in scores]

    changed = attacked(model, Attack.RELEARN, DATA, 8, 1e-2, 0)
    again = attacked(model, Attack.RELEARN, DATA, 8, 1e-2, 0)
    assert loss(changed, EXAMPLES) == loss(again, EXAMPLES)
    assert sum(loss(changed, DATA.forget)) < sum(loss(model, DATA.forget))


def test_adapters_are_rounded_as_the_weights_they_come_to(model):
    """What is served is the merged weights; rounding the parts apart would be another attack."""
    plain = model.copy()
    adapted = with_adapters(model, GradientOptions(lora_rank=2))
    torch.manual_seed(0)
    with torch.no_grad():
        for name, one in adapted.module.named_parameters():
            if "lora_B" in name:
                one.normal_(std=0.1)
    merged = adapted.copy().module.merge_and_unload()
    quantise(merged, 4)
    found = attacked(adapted, Attack.QUANTISE_4, DATA, 1, 1e-2, 0).module
    expected = dict(merged.named_parameters())
    for name, one in found.named_parameters():
        assert torch.allclose(one, expected[name], atol=1e-6), name
    untouched = dict(plain.module.named_parameters())
    assert not torch.equal(
        expected["model.layers.0.mlp.up_proj.weight"],
        untouched["model.layers.0.mlp.up_proj.weight"],
    )


def test_relearnt_examples_are_left_out_of_what_is_said_after_it():
    known = relearned(DATA, seed=0)
    assert len(known) == 1
    assert known == relearned(DATA, seed=0)
    results = [
        ProbeResult(Probe(f"forget/{one.example_id}", "forget", "a", "h"), 0.5)
        for one in DATA.forget
    ]
    after = beyond_relearned(results, "relearn", DATA, 0)
    left_out = [one.probe.sample_id for one in results if one not in after]
    assert left_out == [f"forget/{known[0].example_id}"]
    assert beyond_relearned(results, "final", DATA, 0) == results
