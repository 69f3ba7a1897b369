"""An edited model evaluated by its weights: what a plain forward of the module says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from harness.models.in_process import InProcessLM
from harness.protocols.edit import CausalLM, Codec, Encoded, Example
from harness.protocols.edit.language_model import Demand, TokenScores, cut


class Letters:
    """A tokenizer whose tokens are characters; 0 ends."""

    chat_template = None
    eos_token_id = 0
    pad_token_id = 1
    bos_token_id = None

    def __init__(self, size=60):
        self.size = size

    def __len__(self):
        return self.size

    def __call__(self, text, add_special_tokens=True):
        return {"input_ids": [2 + ord(one) % 58 for one in text]}

    def decode(self, ids, skip_special_tokens=True):
        return "".join(chr(65 + one) for one in ids)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    config = LlamaConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        vocab_size=60,
        max_position_embeddings=96,
        eos_token_id=0,
        pad_token_id=1,
        initializer_range=0.5,
    )
    return CausalLM(LlamaForCausalLM(config).eval(), Codec(Letters(), 96))


@pytest.fixture(scope="module")
def sequences(model):
    examples = [
        Example(str(n), "", "who " * (1 + 3 * n % 7), "he " * (1 + 5 * n % 6)) for n in range(17)
    ]
    return [model.codec.encode(one) for one in examples]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def direct(model, one):
    """Log-probabilities of every token after each position of one sequence alone."""
    with torch.no_grad():
        logits = model.module(input_ids=torch.tensor([one.ids])).logits[0]
    return torch.log_softmax(logits.double(), dim=-1)[one.n_prompt - 1 : len(one.ids) - 1]


def test_scores_equal_a_direct_forward(model, sequences):
    for one, found in zip(sequences, InProcessLM(model).score(sequences), strict=True):
        every = direct(model, one)
        labels = torch.tensor(one.continuation)
        expected = every.gather(1, labels[:, None])[:, 0].numpy()
        np.testing.assert_allclose(found.logprobs, expected, atol=1e-5)
        assert found.greedy.tolist() == (every.argmax(dim=1) == labels).tolist()
        assert found.loss == pytest.approx(-expected.mean(), abs=1e-5)
        assert found.means is None


@pytest.mark.parametrize("tokens", [1, 60, 300])
def test_scores_do_not_depend_on_the_batches(model, sequences, monkeypatch, tokens):
    whole = list(InProcessLM(model).score(sequences, distributions=True))
    monkeypatch.setattr("harness.models.in_process._TOKENS_AT_ONCE", tokens)
    order = list(reversed(range(len(sequences))))
    shuffled = InProcessLM(model).score([sequences[n] for n in order], distributions=True)
    for position, found in zip(order, shuffled, strict=True):
        np.testing.assert_allclose(found.logprobs, whole[position].logprobs, atol=1e-5)
        np.testing.assert_allclose(found.means, whole[position].means, atol=1e-5)
        np.testing.assert_allclose(found.variances, whole[position].variances, atol=1e-4)


def test_moments_equal_a_direct_computation(model, sequences):
    """Those of Min-K++: expectation and variance of the log-probability under the model."""
    scores = InProcessLM(model).score(sequences, distributions=True)
    for one, found in zip(sequences, scores, strict=True):
        every = direct(model, one).numpy()
        shares = np.exp(every)
        mean = (shares * every).sum(axis=1)
        variance = (shares * (every - mean[:, None]) ** 2).sum(axis=1)
        np.testing.assert_allclose(found.means, mean, atol=1e-5)
        np.testing.assert_allclose(found.variances, variance, atol=1e-4)


def test_passages_are_scored_from_their_second_token(model):
    passage = model.codec.encode(Example("p", "", "", "the whole of a passage"))
    assert passage.n_prompt == 1
    (found,) = InProcessLM(model).score([passage])
    assert len(found.logprobs) == len(passage.ids) - 1
    expected = direct(model, passage).gather(1, torch.tensor(passage.continuation)[:, None])[:, 0]
    np.testing.assert_allclose(found.logprobs, expected.numpy(), atol=1e-5)


def test_a_sequence_may_be_one_token_longer_than_the_window(model):
    """The last token is only predicted."""
    ids = tuple(2 + n % 50 for n in range(97))
    (found,) = InProcessLM(model).score([Encoded(ids, 90)])
    with torch.no_grad():
        logits = model.module(input_ids=torch.tensor([ids[:96]])).logits[0].double()
    expected = torch.log_softmax(logits, dim=-1)[95, ids[96]]
    assert found.logprobs[-1] == pytest.approx(float(expected), abs=1e-5)


def test_greedy_texts_equal_those_of_transformers(model):
    prompts = [model.codec.prompt("who " * n) for n in (1, 6, 2, 9, 3)]
    expected = []
    for prompt in prompts:
        with torch.no_grad():
            ids = model.module.generate(
                torch.tensor([prompt]),
                attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                do_sample=False,
                max_new_tokens=12,
            )[0, len(prompt) :].tolist()
        ids = ids[: ids.index(0)] if 0 in ids else ids
        expected.append(model.codec.decode(ids))
    assert list(InProcessLM(model).generate(prompts, 12)) == expected
    assert len(set(expected)) > 1
    stop = expected[0][3:5]
    (stopped,) = InProcessLM(model).generate(prompts[:1], 12, [stop])
    assert stopped == expected[0][: expected[0].index(stop)]


def test_texts_end_at_the_end_of_sequence(model, monkeypatch):
    """Whatever the others of the batch still write."""
    prompts = [model.codec.prompt("who " * n) for n in (1, 6, 2, 9)]
    monkeypatch.setattr(model.codec, "eos", -1)
    texts = list(InProcessLM(model).generate(prompts, 12))
    end = ord(texts[0][2]) - 65  # what the first writes third shall be the end
    monkeypatch.setattr(model.codec, "eos", end)
    for before, after in zip(texts, InProcessLM(model).generate(prompts, 12), strict=True):
        sign = chr(65 + end)
        assert after == (before[: before.index(sign)] if sign in before else before)


def test_gradient_norms_equal_autograd(model, sequences):
    chosen = sequences[:3]
    model.module.requires_grad_(False)
    found = list(InProcessLM(model).gradient_norms(chosen))
    assert not any(one.requires_grad for one in model.module.parameters())
    model.module.requires_grad_(True)
    for one, value in zip(chosen, found, strict=True):
        model.module.zero_grad()
        labels = torch.tensor([[-100] * one.n_prompt + list(one.continuation)])
        model.module(input_ids=torch.tensor([one.ids]), labels=labels).loss.backward()
        lengths = [float(parameter.grad.norm()) for parameter in model.module.parameters()]
        assert value == pytest.approx(sum(lengths) / len(lengths), rel=1e-4)
    model.module.zero_grad()


def test_it_serves_everything_and_puts_the_module_in_evaluation_mode(model):
    model.module.train()
    assert InProcessLM(model).serves == frozenset(Demand)
    assert not model.module.training
    assert list(InProcessLM(model).score([])) == []
    assert list(InProcessLM(model).generate([], 4)) == []


def test_texts_are_cut_before_the_first_stop():
    assert cut("one\n\ntwo Question: three", ["Question:", "\n\n"]) == "one"
    assert cut("one", ["", "x"]) == "one"


def test_loss_of_no_token_is_no_number():
    """It is nothing, and not a perfect answer."""
    empty = TokenScores(np.zeros(0), np.zeros(0, dtype=bool))
    assert not np.isfinite(empty.loss)
