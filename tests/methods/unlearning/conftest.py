"""A tiny Llama with a character tokenizer, an edit request, and a progress that records."""

from __future__ import annotations

import io

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from harness.protocols.edit import Budget, CausalLM, Codec, EditData, Example


class Characters:
    """A tokenizer whose tokens are characters."""

    chat_template = None
    eos_token_id = 0
    pad_token_id = 0
    bos_token_id = None

    def __len__(self):
        return 48

    def decode(self, ids, skip_special_tokens=True):
        return "".join(chr(61 + one) for one in ids)

    def __call__(self, text, add_special_tokens=True):
        return {"input_ids": [3 + ord(one) % 40 for one in text]}


class Progress:
    """Records steps and checkpoints; can go on from a saved state."""

    def __init__(self, saved=None):
        self.saved = saved
        self.reports = []
        self.checkpoints = []
        self.states = {}

    def resume(self):
        return self.saved

    def step(self, step, report):
        self.reports.append((step, dict(report)))

    def checkpoint(self, step, model, state):
        file = io.BytesIO()
        torch.save(state(), file)
        self.states[step] = file.getvalue()
        self.checkpoints.append((step, weights(model)))

    def killed_after(self, step):
        """The progress of a new process."""
        return Progress(torch.load(io.BytesIO(self.states[step]), weights_only=False))


class Lab:
    """What every test of an editor needs."""

    Progress = Progress

    def __init__(self):
        def examples(kind, count):
            return tuple(
                Example(
                    f"{kind}/{n}", f"{kind}{n // 3}", f"who is {kind} {n}", f"{n * 7 % 10}{kind}"
                )
                for n in range(count)
            )

        self.data = EditData(
            examples("f", 6), examples("r", 9), examples("c", 9), refusals=("no idea", "I pass")
        )

    def model(self, dtype=torch.float32, layers=2):
        torch.manual_seed(0)
        config = LlamaConfig(
            hidden_size=16,
            num_hidden_layers=layers,
            num_attention_heads=2,
            intermediate_size=32,
            vocab_size=48,
        )
        module = LlamaForCausalLM(config).to(dtype)
        return CausalLM(module.eval(), Codec(Characters(), 64))

    def budget(self, steps=4, seed=0, checkpoints=None):
        return Budget(steps, 3, checkpoints or tuple(range(1, steps + 1)), seed, 1e-2)

    def edit(self, editor, surgery=None, progress=None, budget=None, model=None):
        """Edit a fresh model; returns it and what was recorded."""
        progress = progress or Progress()
        editor.surgery = surgery
        edited = editor.edit(model or self.model(), self.data, budget or self.budget(), progress)
        return edited, progress


def weights(model):
    return {name: one.detach().clone() for name, one in model.module.named_parameters()}


@pytest.fixture
def lab():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for one another cost more than a tiny model
    yield Lab()
    torch.set_num_threads(threads)


@pytest.fixture(name="weights")
def weights_of():
    return weights


@pytest.fixture
def same():
    """Whether two models are equal bit for bit."""

    def compare(one, other):
        left, right = weights(one), weights(other)
        return left.keys() == right.keys() and all(
            torch.equal(left[name], right[name]) for name in left
        )

    return compare
