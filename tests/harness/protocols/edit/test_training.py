"""What a model draws by itself, dropout and adapters, is decided by the seed and the step."""

from __future__ import annotations

import io

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from harness.conformance.edits import Characters, toy_data, toy_model
from harness.protocols.edit import Budget, CausalLM, Codec, EditData, Example, Step
from harness_methods.unlearning.graddiff import GradDiff

BUDGET = Budget(4, 3, (2, 4), 0, 1e-2)


def examples(kind):
    return tuple(
        Example(f"{kind}{n}", kind, f"who is {kind}{n}", f"{kind}{n * 7}") for n in range(6)
    )


DATA = EditData(examples("f"), examples("r"))


class Progress:
    def __init__(self, saved=None):
        self.saved, self.states, self.told = saved, {}, []

    def resume(self):
        return self.saved

    def step(self, step, report):
        pass

    def checkpoint(self, step, model, state):
        file = io.BytesIO()
        torch.save(state(), file)
        self.states[step] = file.getvalue()
        self.told.append(step)


def toy():
    torch.manual_seed(11)
    config = LlamaConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        vocab_size=48,
        attention_dropout=0.3,
    )
    return CausalLM(LlamaForCausalLM(config).eval(), Codec(Characters(), 64))


def edited(saved=None, drawn=0, budget=BUDGET, **options):
    model = toy()
    torch.rand(drawn)  # whatever was drawn before
    progress = Progress(saved)
    found = GradDiff(GradDiff.Options(**options)).edit(model, DATA, budget, progress)
    return {n: p.detach().clone() for n, p in found.module.named_parameters()}, progress


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("options", [{}, {"lora_rank": 2, "lr": 0.1}])
def test_edits_are_repeatable_and_resumable_with_dropout_and_adapters(options):
    whole, progress = edited(**options)
    assert same(whole, edited(drawn=7, **options)[0])
    saved = torch.load(io.BytesIO(progress.states[2]), weights_only=True)
    again, resumed = edited(saved, drawn=3, **options)
    assert same(whole, again)
    assert progress.told == [2, 4]
    assert resumed.told == [2, 4]  # the one that it goes on from too, which may be cut short
    other = edited(budget=Budget(4, 3, (2, 4), 1, 1e-2), **options)[0]
    assert not same(whole, other)


def test_adapters_are_merged_without_touching_what_they_adapt():
    from harness.protocols.edit.gradient import GradientOptions
    from harness.protocols.edit.training import with_adapters

    plain = toy()
    assert plain.merged() is plain
    adapted = with_adapters(plain.copy(), GradientOptions(lora_rank=2))
    names = [name for name, _ in adapted.merged().module.named_parameters()]
    assert names == [name for name, _ in plain.module.named_parameters()]


def test_logits_are_those_of_the_batch_that_is_asked_for():
    """Batches that a method makes and drops must not be taken for one another."""
    model = toy_model()
    data = toy_data()
    forget, retain = model.batch(data.forget), model.batch(data.retain)
    step = Step(0, 1, 1.0, model, None, forget, retain)
    for one in data.retain:
        batch = model.batch([one])
        direct = model.module(input_ids=batch.ids, attention_mask=batch.mask).logits
        assert torch.equal(step.logits(batch), direct)
        del batch
