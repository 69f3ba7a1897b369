"""The losses of the editors on numbers, with the scaling of OpenUnlearning."""

from __future__ import annotations

import pytest
import torch

from harness.protocols.edit import IGNORED
from harness_methods.unlearning.ceu import ceu_loss, without_first
from harness_methods.unlearning.dpo import dpo_loss
from harness_methods.unlearning.npo import npo_loss
from harness_methods.unlearning.pdu import flatness_loss
from harness_methods.unlearning.rmu import control_vector, state_loss, steered_layer
from harness_methods.unlearning.satimp import satimp_loss
from harness_methods.unlearning.simnpo import simnpo_loss
from harness_methods.unlearning.task_vector import negated
from harness_methods.unlearning.undial import undial_loss
from harness_methods.unlearning.wga import wga_loss
from harness_methods.unlearning.whp import generic_logits

NLL = [3.0, 6.0]
REFERENCE = [1.0, 2.0]
TOKENS = [0.1, 1.0, 2.0]


def tensor(values, grad=False):
    return torch.tensor(values, dtype=torch.float64, requires_grad=grad)


def near(value):
    return pytest.approx(value, abs=1e-6)


def test_npo_and_its_gradient():
    nll = tensor(NLL, grad=True)
    loss = npo_loss(nll, tensor(REFERENCE), 0.1)
    loss.backward()
    assert loss.item() == near(11.1115412)
    assert nll.grad.tolist() == near([-0.4501660, -0.4013123])


def test_npo_with_a_small_beta_has_the_gradient_of_gradient_ascent():
    nll = tensor(NLL, grad=True)
    npo_loss(nll, tensor(REFERENCE), 1e-6).backward()
    assert nll.grad.tolist() == pytest.approx([-0.5, -0.5], abs=1e-5)


def test_simnpo():
    assert simnpo_loss(tensor(NLL), torch.tensor([6, 12]), 4.5, 0.0).item() == near(0.0445362)


def test_simnpo_of_an_answer_that_was_cut_away_is_finite():
    assert simnpo_loss(tensor([0.0]), torch.tensor([0]), 4.5, 0.0).isfinite()


def test_dpo():
    lose = tensor(NLL) - tensor(REFERENCE)
    win = tensor([4.0, 5.0]) - tensor([4.5, 5.2])
    assert dpo_loss(lose, win, 0.1).item() == near(10.8097641)


def test_dpo_without_a_winner_is_npo():
    lose = tensor(NLL) - tensor(REFERENCE)
    expected = npo_loss(tensor(NLL), tensor(REFERENCE), 0.1)
    assert torch.equal(dpo_loss(lose, torch.zeros(2), 0.1), expected)


def test_wga():
    assert wga_loss(tensor(TOKENS), 1.0).item() == near(-0.2430112)


def test_wga_holds_its_weight_constant():
    nll = tensor(TOKENS, grad=True)
    wga_loss(nll, 1.0).backward()
    assert torch.allclose(nll.grad, -(-nll.detach()).exp() / 3)


def test_satimp():
    assert satimp_loss(tensor(TOKENS), 5.0, 1.0).item() == near(-0.0033699)


def test_undial():
    logits = torch.tensor([[2.0, 1.0, 0.0]])
    assert undial_loss(logits, logits, torch.tensor([0]), 10.0).item() == near(1.6764329)


def test_undial_with_beta_0_has_no_gradient_at_the_target_model():
    logits = torch.tensor([[2.0, 1.0, 0.0]], requires_grad=True)
    undial_loss(logits, logits.detach(), torch.tensor([0]), 0.0).backward()
    assert logits.grad.abs().max() < 1e-6


def test_ceu():
    assert ceu_loss(torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([0])).item() == near(1.6765474)


def test_ceu_leaves_out_the_first_answer_tokens():
    labels = torch.tensor([[IGNORED, 5, 6, 7], [IGNORED, IGNORED, IGNORED, 8]])
    expected = [[IGNORED, IGNORED, 6, 7], [IGNORED] * 4]
    assert without_first(labels, 1).tolist() == expected
    assert without_first(labels, 0).tolist() == labels.tolist()


def test_pdu():
    assert flatness_loss(torch.tensor([[2.0, 1.0, 0.0]])).item() == near(1.0)


def test_rmu_distance_is_a_mean_over_tokens_and_width():
    assert state_loss(torch.tensor([[1.0, 3.0], [1.0, 1.0]]), torch.ones(2)).item() == near(1.0)


def test_rmu_control_vector_is_a_direction_fixed_by_the_seed():
    drawn = control_vector(32, seed=5)
    assert drawn.norm().item() == near(1.0)
    assert drawn.min() >= 0
    assert torch.equal(drawn, control_vector(32, seed=5))
    assert not torch.equal(drawn, control_vector(32, seed=6))


@pytest.mark.parametrize(("blocks", "layer"), [(1, 0), (2, 0), (4, 1), (14, 6), (15, 7), (32, 7)])
def test_rmu_steers_layer_7_or_the_middle_of_a_shallow_model(blocks, layer):
    assert steered_layer(None, blocks) == layer


def test_task_vector_goes_the_other_way():
    assert negated(1.0, 1.5, 5.0) == -1.5


def test_whp_takes_away_only_what_the_reinforced_model_raises():
    found = generic_logits(torch.tensor([1.0, 1.0]), torch.tensor([3.0, 0.0]), 1.0)
    assert found.tolist() == [-1.0, 1.0]
