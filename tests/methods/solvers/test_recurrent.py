"""The depth-recurrent transformer: iterations, their gradient, what it learns, and resuming."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import CancelledError
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.errors import UsageError
from harness.options import build
from harness.protocols.solve import (
    Desk,
    Domain,
    FitData,
    FitDesk,
    Pair,
    Problem,
    Puzzle,
    Query,
    read_grid,
)
from harness.results.checkpoints import Checkpoints
from harness_methods.solvers.layers import RMSNorm, Rotary, SandwichBlock
from harness_methods.solvers.recurrent.confidence import answered, confidence
from harness_methods.solvers.recurrent.network import Iterations, Network
from harness_methods.solvers.recurrent.options import RecurrentFit, RecurrentOptions
from harness_methods.solvers.recurrent.solver import Recurrent
from harness_methods.solvers.recurrent.training import draw_iterations
from harness_methods.solvers.sequences.canvas import Canvas
from harness_methods.solvers.sequences.options import Loss

TINY = {
    "hidden": 16,
    "heads": 2,
    "inner": 16,
    "mean_recurrence": 3,
    "backprop_depth": 2,
    "puzzle_width": 16,
    "puzzle_positions": 1,
    "batch_size": 8,
    "variants": 4,
    "warmup": 5,
    "lr": 5e-3,
    "updates": 12,
    "save_every": 5,
}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def solver(**given):
    return Recurrent(build(Recurrent.Options, {**TINY, **given}, "method 'recurrent'"))


def grid(*rows):
    return read_grid([list(row) for row in rows])


FLIP = Puzzle(
    "flip",
    (Pair(grid((1, 2)), grid((2, 1))), Pair(grid((3, 2)), grid((2, 3)))),
    (grid((1, 2)),),
)
"""Its test is a demonstration, so that learning by heart solves it."""
LAST = Puzzle(
    "last",
    tuple(
        Pair(grid((one, two, three)), grid((three,)))
        for one in range(3)
        for two in range(3)
        for three in range(3)
        if (one, two, three) not in {(0, 1, 2), (2, 2, 0), (1, 0, 1)}
    ),
    (grid((0, 1, 2)), grid((2, 2, 0)), grid((1, 0, 1))),
    Domain(1, 9, tuple("abc"), dihedral=False, recolour=False, translate=False),
)
"""The last of three symbols, as a single cell; its tests are new."""
DATA = FitData((FLIP, LAST))


def desk(folder, seed=0, stop=None):
    return FitDesk(seed, Checkpoints(folder), stop=stop or threading.Event())


TOKENS = torch.tensor([[2, 3, 4, 1, 1, 0], [4, 4, 2, 1, 0, 0]])


def network():
    settings = RecurrentOptions(**TINY).settings()
    return Network(settings, Canvas(2, 3, 4), torch.Generator().manual_seed(0))


def ask(net, every, tracked, seed=0):
    draw = np.random.default_rng(seed)
    return net(TOKENS, torch.zeros(2, 16), Iterations(every, tracked), draw)


def same(state, other):
    """Whether two states are equal bit for bit, apart from times."""
    assert state.keys() == other.keys()
    for name, value in state.items():
        against = other[name]
        if isinstance(value, dict):
            if not same(value, against):
                return False
        elif isinstance(value, torch.Tensor):
            if not torch.equal(value, against):
                return False
        elif name != "fit_seconds" and value != against:
            return False
    return True


def test_nothing_heavy_is_imported_to_list_it():
    code = (
        "import sys; import harness_methods.solvers.recurrent.solver; "
        "sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_it_declares():
    assert Recurrent.fits()
    assert (Recurrent.setting, Recurrent.takes_voting) == ("transductive", False)
    assert issubclass(Recurrent.Options, Recurrent.Fit)
    assert "steps" not in RecurrentFit.model_fields
    many = Domain(symbols=tuple(str(number) for number in range(300)))
    assert "recurrent takes 253" in solver().misfit(replace(FLIP, domain=many))
    with pytest.raises(UsageError, match="multiple of twice"):
        RecurrentOptions(hidden=60, heads=8).settings()
    small = build(RecurrentOptions, {"config": "small", "core": "3"}, "recurrent").settings()
    assert (small.hidden, small.core, small.usual_steps) == (128, 3, 16)


# Iterations


def test_iterations_drawn_have_the_papers_mean_and_spread():
    draw = np.random.default_rng(0)
    drawn = np.array([draw_iterations(32, draw) for _ in range(40_000)])
    # A Poisson number of mean m = 32 and 1; Var = m + m^2 (e^(sigma^2) - 1) with sigma = 1/2.
    assert drawn.mean() == pytest.approx(33, rel=0.01)
    assert drawn.var() == pytest.approx(32 + 32**2 * (np.exp(0.25) - 1), rel=0.05)
    assert drawn.min() >= 1
    again = np.random.default_rng(0)
    assert [draw_iterations(32, again) for _ in range(9)] == drawn[:9].tolist()


def test_gradient_flows_through_the_last_iterations_only():
    net = network()
    calls = list[bool]()
    net.core.register_forward_hook(lambda _m, _i, out: calls.append(out.requires_grad))
    ask(net, 5, 2).sum().backward()
    assert calls == [False] * 3 + [True] * 2
    gradient = net.core.adapter.weight.grad.clone()
    # The same as of two iterations that begin with the state after the first three.
    other = network()
    embedded = other.prelude(other.embed(TOKENS, torch.zeros(2, 16)), other.rotary)
    state = other.begin(2, np.random.default_rng(0))
    for _ in range(3):
        state = other.core(state, embedded, other.rotary).detach()
    for _ in range(2):
        state = other.core(state, embedded, other.rotary)
    other.read(state).sum().backward()
    assert torch.allclose(other.core.adapter.weight.grad, gradient, atol=1e-6)
    whole = network()
    ask(whole, 5, 5).sum().backward()
    assert not torch.allclose(whole.core.adapter.weight.grad, gradient, atol=1e-4)
    # The prelude is injected in each iteration, so that it learns from the last ones.
    assert net.prelude.blocks[0].mlp.up.weight.grad.abs().sum() > 0


def test_fewer_iterations_than_have_a_gradient():
    assert torch.equal(ask(network(), 2, 8), ask(network(), 2, 2))


def test_unrolled_steps_are_those_of_training():
    net = network().requires_grad_(False)
    steps = [1, 2, 4, 7]
    found = list(net.unroll(TOKENS, torch.zeros(2, 16), steps, np.random.default_rng(0)))
    for step, guess in zip(steps, found, strict=True):
        scores = ask(net, step, 1)
        assert torch.equal(guess.tokens, scores.argmax(-1))
        assert ((guess.confidence > 0) & (guess.confidence <= 1)).all()


def test_first_state_is_noise_for_each_example_however_they_are_cut():
    net = network()
    whole = net.begin(4, np.random.default_rng(0))
    draw = np.random.default_rng(0)
    parts = torch.cat([net.begin(1, draw) for _ in range(4)])
    assert torch.equal(whole, parts)
    assert not torch.equal(whole[0], whole[1])
    assert net.begin(2000, draw).var().item() == pytest.approx(2 / 5, rel=0.01)


def test_sandwich_block_is_that_of_the_paper():
    block = SandwichBlock(8, 2, 8, torch.Generator().manual_seed(0))
    for number, norm in enumerate(block.norms):
        torch.nn.init.constant_(norm.scale, 1 + number)
    n1, n2, n3, n4 = block.norms
    rotary = Rotary(5, 2, 4)
    states = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    middle = n2(states + block.attention(n1(states), rotary))
    assert torch.allclose(block(states, rotary), n4(middle + block.mlp(n3(middle))))
    scaled = RMSNorm(8)
    torch.nn.init.constant_(scaled.scale, 3.0)
    assert torch.allclose(
        scaled(states).square().mean(-1).sqrt(), torch.full((2, 5), 3.0), atol=1e-3
    )


# Confidence


def test_confidence_counts_the_grid_and_its_edge():
    canvas = Canvas(3, 3, 4)
    # A grid of one row and two columns; beyond its edge stands what was never trained.
    tokens = torch.tensor([[2, 3, 1, 1, 1, 5, 5, 5, 5], [1, 2, 2, 2, 2, 2, 2, 2, 2]])
    assert answered(tokens, canvas).view(2, 3, 3).tolist() == [
        [[True, True, True], [True, True, False], [False] * 3],
        [[True, False, False], [False] * 3, [False] * 3],
    ]
    scores = torch.zeros(2, 9, 6)
    scores[0, 0, 2] = 3.0
    share = np.exp(3) / (np.exp(3) + 5)
    expected = (share * (1 / 6) ** 4) ** (1 / 5)
    found = confidence(scores, tokens, canvas, Loss.SOFTMAX)
    assert found.tolist() == pytest.approx([expected, 1 / 6])
    # The stable maximum: s(3) = 4 against five of s(0) = 1.
    found = confidence(scores, tokens, canvas, Loss.STABLEMAX)
    assert found[0].item() == pytest.approx((4 / 9 * (1 / 6) ** 4) ** (1 / 5))


def test_full_canvas_has_no_edge():
    assert answered(torch.tensor([[2, 2, 2, 2]]), Canvas(2, 2, 1)).all()


# The solver


def test_learns_a_mapping_and_votes(tmp_path):
    data = FitData((LAST,))
    given = {"updates": 250, "ema": 0.9}
    one = solver(**given)
    state = one.fit(data, desk(tmp_path))
    one.load(state, data)
    asked = [Desk("seed") for _ in LAST.tests]
    found = [one.solve(Query(LAST, number, 1), each) for number, each in enumerate(asked)]
    assert [each[0].grid for each in found] == [((2,),), ((0,),), ((1,),)]
    assert all(0.5 < each[0].confidence <= 1 for each in found)
    assert asked[0].counts == {"recursion_steps": 3, "votes": 1, "unreadable": 0}
    assert list(asked[0].alternatives) == ["steps_1", "steps_2", "steps_3"]
    assert asked[0].alternatives["steps_3"] == found[0]
    metrics = state["metrics"]
    assert metrics["fit_steps"] == 250
    assert metrics["parameters"] == sum(
        one.numel() for name, one in state["weights"].items() if "turns" not in name
    )
    assert metrics["fit_loss"] < 0.3
    # More steps than in training, from the same fit.
    more = solver(**given, steps=11)
    more.load(state, data)
    other = Desk("seed")
    answers = more.solve(Query(LAST, 0, 1), other)
    assert answers[0].grid == ((2,),)
    assert list(other.alternatives) == [f"steps_{number}" for number in (1, 2, 4, 8, 11)]
    assert other.counts["recursion_steps"] == 11
    assert other.alternatives["steps_2"] == asked[0].alternatives["steps_2"]
    assert answers[0].confidence != found[0][0].confidence


def test_variants_of_a_grid_vote_and_answers_repeat(tmp_path):
    data = FitData((FLIP,))
    state = solver().fit(data, desk(tmp_path))
    whole, parts = solver(), solver(predict_batch=1)
    for one in (whole, parts):
        one.load(state, data)
    found, cut = (one.solve(Query(FLIP, 0, 2), Desk("seed")) for one in (whole, parts))
    assert found == whole.solve(Query(FLIP, 0, 2), Desk("seed"))
    assert {c.grid: len(c.ballots) for c in found} == {c.grid: len(c.ballots) for c in cut}


@pytest.mark.parametrize("optimiser", ["adam-atan2", "adamw"])
def test_killed_fit_ends_bit_for_bit_as_one_that_was_not(tmp_path, optimiser):
    labelled = tuple(
        Problem(
            Puzzle(f"labelled-{n}", (Pair(grid((n,)), grid((5,))),), (grid((0, n)),)),
            (grid((6, n)),),
        )
        for n in (1, 2)
    )
    data, given = FitData(DATA.puzzles, labelled), {"optimiser": optimiser, "checks": 4}
    whole = solver(**given).fit(data, desk(tmp_path / "whole"))
    folder, stop = tmp_path / "killed", threading.Event()
    updates = list[int]()

    class Killed(FitDesk):
        def check(self):
            updates.append(1)
            if len(updates) == 9:
                stop.set()
            super().check()

    with pytest.raises(CancelledError):
        solver(**given).fit(data, Killed(0, Checkpoints(folder), stop=stop))
    saved = desk(folder).load()
    assert saved is not None
    assert saved["done"] == 5
    torch.save(whole, tmp_path / "state.pt")
    read = torch.load(tmp_path / "state.pt", weights_only=True)
    assert same(solver(**given).fit(data, desk(folder)), read)
    assert 0 <= whole["metrics"]["validation_exact"] <= 1
    assert not same(solver(**given).fit(data, desk(tmp_path / "other", seed=1)), whole)


def test_half_precision_runs(tmp_path):
    one, data = solver(precision="bfloat16", updates=3), FitData((FLIP,))
    state = one.fit(data, desk(tmp_path))
    one.load(state, data)
    one.solve(Query(FLIP, 0, 2), Desk("seed"))
    assert {value.dtype for value in state["weights"].values()} == {torch.float32}
