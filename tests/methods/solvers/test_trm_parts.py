"""The parts of TRM by values from elsewhere: canvas, losses, optimisers, network, drawing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch.nn import functional

from harness.errors import UsageError
from harness.options import build
from harness.protocols.solve import ARC, Domain, Pair, Puzzle
from harness_methods.solvers import layers
from harness_methods.solvers.sequences.canvas import EOS, PAD, Canvas, canvas_for
from harness_methods.solvers.sequences.examples import BLANK, Entry, Examples, entries
from harness_methods.solvers.sequences.losses import log_stablemax, token_losses
from harness_methods.solvers.sequences.optimisers import AdamATan2, flatten, sign_step
from harness_methods.solvers.sequences.options import Loss, Translation
from harness_methods.solvers.trm.losses import step_losses
from harness_methods.solvers.trm.network import Network, Shape
from harness_methods.solvers.trm.options import TRMFit, TRMOptions


def near(value, within=1e-6):
    return pytest.approx(value, abs=within)


# Canvas


def test_grid_is_edged_where_there_is_room():
    canvas = Canvas(3, 4, 10)
    drawn = canvas.draw(np.array([[0, 9]], dtype=np.uint8)).reshape(3, 4)
    assert drawn.tolist() == [[2, 11, EOS, PAD], [EOS, EOS, PAD, PAD], [PAD] * 4]
    moved = canvas.draw(np.array([[0, 9]], dtype=np.uint8), 1, 2).reshape(3, 4)
    assert moved.tolist() == [[PAD] * 4, [PAD, PAD, 2, 11], [PAD, PAD, EOS, EOS]]


grids = arrays.arrays(
    np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(0, 9)
)


@given(grids)
def test_drawn_grid_is_read_back(grid):
    canvas = Canvas(5, 6, 10)
    assert np.array_equal(canvas.read(canvas.draw(grid)), grid)


@given(
    arrays.arrays(np.uint8, (4, 5), elements=st.integers(0, 4)),
)
def test_largest_rectangle_at_the_corner_is_read(sheet):
    whole = {
        (rows, columns): (sheet[:rows, :columns] >= 2).all()
        for rows in range(1, 5)
        for columns in range(1, 6)
    }
    most = max((rows * columns for (rows, columns), full in whole.items() if full), default=0)
    found = Canvas(4, 5, 3).read(sheet.reshape(-1).astype(np.int64))
    if found is None:
        assert most == 0
    else:
        assert found.size == most
        assert whole[found.shape]
        assert np.array_equal(found + 2, sheet[: found.shape[0], : found.shape[1]])


def test_canvas_has_room_for_an_edge_up_to_the_limit():
    tall = tuple((0,) for _ in range(5))
    assert canvas_for([(tall, ARC)]) == Canvas(6, 6, 10)
    huge = ((0,) * 30,) * 3
    assert canvas_for([(huge, ARC), (tall, ARC)]) == Canvas(30, 30, 10)
    words = Domain(rows=1, columns=9, symbols=tuple("abc"), dihedral=False)
    assert canvas_for([(((0, 1, 2),), words)]) == Canvas(1, 4, 3)


# Losses


def test_stable_maximum_by_hand():
    # s(1) = 2, s(0) = 1, s(-1) = 1/2: shares 4/7, 2/7, 1/7.
    scores = torch.tensor([[[1.0, 0.0, -1.0]]])
    assert log_stablemax(scores).exp().flatten().tolist() == near([2, 1, 0.5])
    for label, share in ((1, 2 / 7), (2, 1 / 7)):
        found = token_losses(scores, torch.tensor([[label]]), Loss.STABLEMAX)
        assert found.item() == near(-math.log(share))
    found = token_losses(scores, torch.tensor([[1]]), Loss.SOFTMAX)
    assert found.item() == near(-math.log(1 / (math.e + 1 + 1 / math.e)))


def test_stable_maximum_equals_double_precision_far_out():
    scores = torch.tensor([[[-1e6, -30.0, -1e-4, 0.0, 1e-4, 50.0, 1e6]]])
    wide = scores.double()
    s = torch.where(wide < 0, 1 / (1 - wide), wide + 1)
    for label in range(1, 7):
        found = token_losses(scores, torch.tensor([[label]]), Loss.STABLEMAX)
        expected = -(s[0, 0, label] / s.sum()).log().item()
        assert found.item() == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_stable_maximum_has_a_finite_gradient_everywhere():
    scores = torch.tensor([[[-1.0, 0.0, 1.0, -1e6, 1e6]]], requires_grad=True)
    token_losses(scores, torch.tensor([[1]]), Loss.STABLEMAX).sum().backward()
    assert scores.grad.isfinite().all()
    # d log s / dx is 1 at 0, so that the label's own gradient is its share less 1.
    total = 0.5 + 1 + 2 + 1 / (1 + 1e6) + (1 + 1e6)
    assert scores.grad[0, 0, 1].item() == near(1 / total - 1)


def test_step_loss_by_hand():
    # Two examples of two tokens, the second token of the second is padding.
    scores = torch.zeros(2, 2, 3)
    scores[0, 0, 1] = scores[0, 1, 2] = scores[1, 0, 1] = 1.0  # shares of 1/2
    labels = torch.tensor([[1, 2], [2, PAD]])
    found = step_losses(scores, torch.tensor([0.0, 2.0]), labels, Loss.STABLEMAX)
    assert found.right.tolist() == [True, False]
    tokens = (math.log(2) + math.log(4)) / 2
    halting = (math.log(2) + math.log(1 + math.exp(2))) / 2
    assert found.total.item() == near(tokens + 0.5 * halting)


def test_padding_alone_may_be_wrong():
    scores = torch.tensor([[[0.0, 5.0, 0.0], [9.0, 0.0, 0.0]]])
    labels = torch.tensor([[1, 2]])
    assert not step_losses(scores, torch.zeros(1), labels, Loss.SOFTMAX).right
    labels = torch.tensor([[1, PAD]])
    assert step_losses(scores, torch.zeros(1), labels, Loss.SOFTMAX).right


# Optimisers


def test_adam_atan2_by_hand():
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimiser = AdamATan2([weight], 0.1, (0.9, 0.5), 0.5)
    weight.grad = torch.tensor([3.0, 0.0])
    optimiser.step()
    # The first step is of m / sqrt(v) = 1, whose arc tangent is pi / 4; without gradient only the
    # decay of 1 - 0.1 * 0.5 acts.
    assert weight.tolist() == near([0.95 - 0.1 * math.pi / 4, -1.9])
    weight.grad = torch.tensor([-1.0, 0.0])
    optimiser.step()
    mean = (0.9 * 0.3 - 0.1) / (1 - 0.81)
    square = (0.5 * 4.5 + 0.5) / (1 - 0.25)
    moved = 0.95 * (0.95 - 0.1 * math.pi / 4) - 0.1 * math.atan2(mean, math.sqrt(square))
    assert weight.tolist() == near([moved, -1.805])


def test_signs_move_the_rows_of_the_batch_only():
    table = torch.tensor([[1.0, 1.0], [2.0, -2.0], [5.0, 5.0], [0.0, 4.0]])
    rows = torch.tensor([1, 3, 1])
    gradient = torch.tensor([[3.0, -1.0], [0.0, -0.1], [-1.0, 1.0]])
    sign_step(table, rows, gradient, 0.1, 0.5)
    # Row 1 has the gradients 3 - 1 = 2 and -1 + 1 = 0; decay is 1 - 0.1 * 0.5.
    assert table[1].tolist() == near([1.9 - 0.1, -1.9])
    assert table[3].tolist() == near([0.0, 3.8 + 0.1])
    assert table[0].tolist() == [1.0, 1.0]
    assert table[2].tolist() == [5.0, 5.0]


def test_flat_weights_are_the_modules_weights():
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    before = [one.detach().clone() for one in module.parameters()]
    flat = flatten(module)
    assert flat.numel() == 6 + 2 + 2 + 1
    for one, other in zip(module.parameters(), before, strict=True):
        assert torch.equal(one, other)
    module(torch.ones(4, 3)).sum().backward()
    expected = torch.cat([one.grad.flatten() for one in module.parameters()])
    assert expected.abs().sum() > 0
    assert torch.equal(flat.grad, expected)
    with torch.no_grad():
        flat.zero_()
    assert not any(one.any() for one in module.parameters())


# Layers


def test_rms_norm_and_its_gradient():
    states = torch.randn(3, 5, 8, dtype=torch.float64, requires_grad=True)
    expected = states / (states.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    assert torch.allclose(layers.rms_norm(states), expected)
    assert torch.autograd.gradcheck(layers.rms_norm, (states,))


def test_rotary_turns_queries_and_keys_by_their_positions():
    rotary = layers.Rotary(5, 2, 4)
    states = torch.randn(2, 5, 3, 2, 4)
    found = rotary(states)
    assert torch.equal(found[:, :, 2], states[:, :, 2])
    assert torch.allclose(found[:, 0], states[:, 0])
    # At position 3 the first pair turns by 3 radians, the second by a hundredth of it.
    for first, angle in ((0, 3.0), (2, 0.03)):
        one, other = states[:, 3, :2, :, first], states[:, 3, :2, :, first + 1]
        cos, sin = math.cos(angle), math.sin(angle)
        assert torch.allclose(found[:, 3, :2, :, first], one * cos - other * sin, atol=1e-6)
        assert torch.allclose(found[:, 3, :2, :, first + 1], one * sin + other * cos, atol=1e-6)


def test_attention_written_out_is_attention():
    query, key, value = torch.randn(3, 2, 4, 9, 6)
    expected = functional.scaled_dot_product_attention(query, key, value)
    assert torch.allclose(layers._attend(query, key, value), expected, atol=1e-6)


def test_first_weights_have_their_deviation_and_are_cut():
    drawn = layers.draw_truncated(torch.empty(200_000), 0.5, torch.Generator().manual_seed(0))
    assert drawn.std().item() == near(0.5, 0.005)
    assert drawn.abs().max().item() == near(2 * 0.5 / 0.8796, 0.01)


# Network

SHAPE = Shape(6, 5, 8, 1, 2, 8, 2, 3, 2)


def network(shape=SHAPE, seed=0):
    return Network(shape, torch.Generator().manual_seed(seed))


def ask(net, puzzles=None, carry=None):
    tokens = torch.tensor([[2, 3, 4, 1, 1, 0], [4, 4, 2, 1, 0, 0]])
    puzzles = torch.zeros(2, 16) if puzzles is None else puzzles
    return net(carry or net.begin(2), tokens, puzzles)


def test_gradient_is_of_the_last_cycle_only():
    found = network()
    calls = list[bool]()
    found.stack.register_forward_hook(lambda _m, _i, out: calls.append(out.requires_grad))
    first = ask(found)
    # Three cycles of two latent and one answer renewals, the last with a gradient.
    assert calls == [False] * 6 + [True] * 3
    assert not first.carry.answer.requires_grad
    assert not first.carry.latent.requires_grad
    first.scores.sum().backward()
    gradient = found.stack.blocks[0].mlp.up.weight.grad.clone()
    # The same gradient as of a single cycle that begins with the states after the first two.
    other = network(Shape(6, 5, 8, 1, 2, 8, 2, 1, 2))
    carry = other.begin(2)
    for _ in range(2):
        carry = ask(other, carry=carry).carry
    last = ask(other, carry=carry)
    assert torch.allclose(last.scores, first.scores, atol=1e-6)
    other.zero_grad()
    last.scores.sum().backward()
    assert torch.allclose(other.stack.blocks[0].mlp.up.weight.grad, gradient, atol=1e-5)
    assert gradient.abs().sum() > 0


def test_cycles_are_those_of_the_paper():
    net = network(Shape(6, 5, 8, 1, 2, 8, 2, 1, 2))
    first = ask(net)
    question = net.embed(torch.tensor([[2, 3, 4, 1, 1, 0], [4, 4, 2, 1, 0, 0]]), torch.zeros(2, 16))
    answer, latent = net.begin(2)
    for _ in range(2):
        latent = net.stack(latent + question, answer)
    answer = net.stack(answer, latent)
    assert torch.allclose(first.carry.answer, answer, atol=1e-5)
    assert torch.allclose(first.carry.latent, latent, atol=1e-5)


def test_puzzle_embedding_changes_the_outputs():
    net = network()
    blank, other = ask(net), ask(net, torch.ones(2, 16))
    assert not torch.allclose(blank.scores, other.scores, atol=1e-3)


def test_published_network_has_seven_million_weights():
    shape = Shape.of(build(TRMFit, {"config": "published"}, "trm").settings(), Canvas(30, 30, 10))
    with torch.device("meta"):
        stack = layers.PostNormBlock(shape.hidden, shape.heads, shape.inner, torch.Generator())
    weights = shape.layers * sum(one.numel() for one in stack.parameters())
    weights += 2 * shape.vocabulary * shape.hidden + shape.hidden + 1
    # The reference's halting head has a second score, 513 weights more, that it does not use.
    assert weights == 2 * (4 * 512**2 + 3 * 512 * 1536) + 2 * 12 * 512 + 513 == 6_828_545
    assert shape.positions == 916


# Options


def test_given_options_override_the_preset():
    given = build(TRMOptions, {"config": "published", "hidden": "256", "loss": "softmax"}, "trm")
    settings = given.settings()
    assert (settings.hidden, settings.heads, settings.loss) == (256, 8, Loss.SOFTMAX)
    assert build(TRMOptions, {}, "trm").settings().hidden == 64
    assert set(TRMFit.model_fields) < set(TRMOptions.model_fields)
    assert "votes" not in TRMFit.model_fields


@pytest.mark.parametrize(
    ("raw", "said"),
    [({"hidden": 60, "heads": 8}, "multiple of twice"), ({"puzzle_width": 999}, "does not fit")],
)
def test_sizes_that_do_not_go_together_are_refused(raw, said):
    with pytest.raises(UsageError, match=said):
        TRMOptions(**raw).settings()


# Drawing


def one_puzzle(domain=ARC):
    shown = Pair(((1, 2), (0, 0)), ((2,),))
    return Puzzle("one", (shown,), (((3,),),), domain)


def test_examples_are_variants_of_their_pairs():
    puzzle = one_puzzle()
    known = entries([puzzle], 5, 0)
    entry = known[puzzle.content_hash]
    assert entry.first == BLANK + 1
    canvas = Canvas(4, 4, 10)
    drawn = Examples([(puzzle, entry, puzzle.train[0])], canvas, Translation.RANDOM).draw(
        200, np.random.default_rng(0)
    )
    assert set(drawn.rows) == set(range(1, 6))
    corners = set[int]()
    for tokens, labels, row in zip(drawn.tokens, drawn.labels, drawn.rows, strict=True):
        variant = entry.variants[row - entry.first]
        corner = int(np.flatnonzero(tokens >= 2)[0])
        corners.add(corner)
        top, left = divmod(corner, 4)
        pair = variant.puzzle(puzzle).train[0]
        question, answer = (np.array(one, dtype=np.uint8) for one in (pair.input, pair.output))
        assert np.array_equal(tokens, canvas.draw(question, top, left))
        assert np.array_equal(labels, canvas.draw(answer, top, left))
    assert corners == {4 * top + left for top in range(3) for left in range(3)}


@pytest.mark.parametrize(
    ("domain", "translation"),
    [(ARC, Translation.NONE), (Domain(translate=False), Translation.RANDOM)],
)
def test_grids_stay_at_the_corner(domain, translation):
    puzzle = one_puzzle(domain)
    entry = entries([puzzle], 1, 0)[puzzle.content_hash]
    drawn = Examples([(puzzle, entry, puzzle.train[0])], Canvas(4, 4, 10), translation).draw(
        20, np.random.default_rng(0)
    )
    assert (drawn.tokens == drawn.tokens[0]).all()
    assert drawn.tokens[0][0] == 3


def test_entries_survive_as_plain_values():
    entry = entries([one_puzzle()], 4, 0)[one_puzzle().content_hash]
    assert Entry.read(entry.plain()) == entry
