"""TRM as a solver: what it learns, what it is kept from, and that a killed fit ends the same."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import CancelledError
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.errors import MethodError, UsageError
from harness.options import build
from harness.protocols.solve import (
    ARC,
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
from harness_methods.solvers.sequences import fitting
from harness_methods.solvers.sequences.canvas import Canvas
from harness_methods.solvers.sequences.examples import Drawn, Examples
from harness_methods.solvers.sequences.training import Course
from harness_methods.solvers.trm import training
from harness_methods.solvers.trm.options import TRMOptions
from harness_methods.solvers.trm.solver import TRM
from harness_methods.solvers.trm.training import Trainer

TINY = {
    "hidden": 16,
    "heads": 2,
    "inner": 16,
    "layers": 1,
    "puzzle_width": 16,
    "puzzle_positions": 1,
    "h_cycles": 2,
    "l_cycles": 1,
    "halt_max_steps": 2,
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
    return TRM(build(TRM.Options, {**TINY, **given}, "method 'trm'"))


def grid(*rows):
    return read_grid([list(row) for row in rows])


FLIP = Puzzle(
    "flip",
    (Pair(grid((1, 2)), grid((2, 1))), Pair(grid((3, 2)), grid((2, 3)))),
    (grid((1, 2)),),
)
"""Its test is a demonstration, so that learning by heart solves it."""
FILL = Puzzle("fill", (Pair(grid((4, 0)), grid((4, 4))),), (grid((4, 0)), grid((0, 4))))
DATA = FitData((FLIP, FILL))


def problem(number):
    one = Puzzle(f"labelled-{number}", (Pair(grid((number,)), grid((5,))),), (grid((0, number)),))
    return Problem(one, (grid((6, number)),))


def desk(folder, seed=0, said=None, stop=None):
    say = (lambda _text: None) if said is None else said.append
    return FitDesk(seed, Checkpoints(folder), say, stop or threading.Event())


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
        elif name not in ("fit_seconds", "seconds") and value != against:
            return False
    return True


def test_nothing_heavy_is_imported_to_list_it():
    code = (
        "import sys; import harness_methods.solvers.trm.solver; "
        "sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_it_declares():
    assert TRM.fits()
    assert (TRM.setting, TRM.takes_voting, TRM.needs_model) == ("transductive", False, False)
    assert issubclass(TRM.Options, TRM.Fit)


def test_learns_a_puzzle_by_heart_and_lets_its_variants_vote(tmp_path):
    said = list[str]()
    one = solver(updates=300, loss="softmax", ema=0.9, translation="none")
    data = FitData((FLIP,))
    state = one.fit(data, desk(tmp_path, said=said))
    one.load(state, data)
    query, asked = Query(FLIP, 0, 2), Desk("seed")
    found = one.solve(query, asked)
    assert found[0].grid == grid((2, 1))
    # Each variant is predicted apart, and the answer is taken back: most agree.
    assert len(found[0].ballots) >= 3
    assert 0.5 < found[0].confidence <= 1
    assert asked.counts["recursion_steps"] == 2
    assert asked.counts["votes"] + asked.counts["unreadable"] == 4
    assert list(asked.alternatives) == ["steps_1", "steps_2"]
    assert asked.alternatives["steps_2"] == found
    assert said[0].startswith("step 1 of 300, loss ")
    assert said[-1].startswith("step 300 of 300, loss ")
    metrics = state["metrics"]
    assert metrics["fit_steps"] == metrics["chosen_step"] == 300
    assert metrics["fit_loss"] < 0.3
    assert metrics["fit_seconds"] > 0
    assert "validation_exact" not in metrics
    # Without its embedding, nothing tells the variants apart: confidence or answer change.
    blank = solver(updates=300, identity="blank", translation="none")
    blank.load(state, data)
    other = blank.solve(query, Desk("seed"))
    assert [one.ballots for one in other] != [one.ballots for one in found]


def test_options_of_solving_leave_the_fit_alone(tmp_path):
    state = solver().fit(DATA, desk(tmp_path))
    expected = {"votes": 1, "recursion_steps": 5}
    single = solver(votes=1, steps=5)
    single.load(state, DATA)
    asked = Desk("seed")
    assert len(single.solve(Query(FILL, 1, 2), asked)) <= 1
    assert asked.counts["recursion_steps"] == expected["recursion_steps"]
    assert asked.counts["votes"] + asked.counts["unreadable"] == expected["votes"]
    whole, parts = solver(), solver(predict_batch=1)
    whole.load(state, DATA)
    parts.load(state, DATA)
    one, other = (each.solve(Query(FLIP, 0, 2), Desk("seed")) for each in (whole, parts))
    assert {c.grid: len(c.ballots) for c in one} == {c.grid: len(c.ballots) for c in other}


def test_another_puzzles_identity_is_drawn_for_each_query(tmp_path):
    state = solver().fit(DATA, desk(tmp_path))
    own, other, alone = solver(), solver(identity="random"), solver(identity="random")
    own.load(state, DATA)
    other.load(state, DATA)
    query = Query(FLIP, 0, 2)
    found = [c.ballots for c in other.solve(query, Desk("seed"))]
    assert found == [c.ballots for c in other.solve(query, Desk("seed"))]
    assert found != [c.ballots for c in own.solve(query, Desk("seed"))]
    data = FitData((FLIP,))
    alone.load(solver().fit(data, desk(tmp_path / "alone")), data)
    with pytest.raises(MethodError, match="two puzzles"):
        alone.solve(query, Desk("seed"))


def test_state_is_read_without_running_code(tmp_path):
    state = solver().fit(FitData(DATA.puzzles, (problem(1),)), desk(tmp_path))
    torch.save(state, tmp_path / "state.pt")
    read = torch.load(tmp_path / "state.pt", weights_only=True)
    assert same(read, state)
    one, other = solver(), solver()
    one.load(state, DATA)
    other.load(read, DATA)
    query = Query(FLIP, 0, 2)
    assert one.solve(query, Desk("a")) == other.solve(query, Desk("a"))


def test_fit_is_decided_by_its_seed(tmp_path):
    states = [solver().fit(DATA, desk(tmp_path / str(n), s)) for n, s in enumerate((0, 0, 1))]
    assert same(states[0], states[1])
    assert not same(states[0], states[2])


@pytest.mark.parametrize("optimiser", ["adam-atan2", "adamw"])
def test_killed_fit_ends_bit_for_bit_as_one_that_was_not(tmp_path, optimiser):
    data = FitData(DATA.puzzles, (problem(1), problem(2)))
    given = {"optimiser": optimiser, "checks": 4, "exploration": 0.5}
    whole = solver(**given).fit(data, desk(tmp_path / "whole"))
    folder, stop = tmp_path / "killed", threading.Event()
    killed = desk(folder, stop=stop)
    updates = list[int]()

    class Killed(FitDesk):
        def check(self):
            updates.append(1)
            if len(updates) == 9:
                stop.set()
            super().check()

    with pytest.raises(CancelledError):
        solver(**given).fit(data, Killed(0, killed.checkpoints, killed.say, stop))
    saved = killed.load()
    assert saved is not None
    assert saved["done"] == 5
    again = desk(folder)
    before = saved["seconds"]
    rest = solver(**given).fit(data, again)
    assert same(rest, whole)
    assert rest["metrics"]["fit_seconds"] > before
    assert 3 <= whole["metrics"]["chosen_step"] <= 12


def trainer(**given):
    settings = replace(TRMOptions(**TINY).settings(), **given)
    data = FitData((FLIP, FILL))
    known = fitting.entries(data.puzzles, settings.variants, 0)
    pairs = [(one, known[one.content_hash], pair) for one in data.puzzles for pair in one.train]
    canvas = Canvas(3, 3, 10)
    rows = 1 + sum(len(one.variants) for one in known.values())
    examples = Examples(pairs, canvas, settings.translation)
    return Trainer(settings, canvas, rows, examples, None, 0, Course(torch.device("cpu"), 99, 99))


def test_examples_halt_by_score_or_at_the_last_step():
    one = trainer(halt_max_steps=4, exploration=0.0)
    steps = list[list[int]]()
    for _ in range(5):
        one.update()
        steps.append(one._steps.tolist())
    # The first halting score is far below 0: all stay until the last step, then begin anew.
    assert steps == [[1] * 8, [2] * 8, [3] * 8, [4] * 8, [1] * 8]
    sure = trainer(halt_max_steps=4, exploration=0.0)
    with torch.no_grad():
        sure.network.halt.bias.fill_(50.0)
    for _ in range(3):
        sure.update()
        assert sure._steps.tolist() == [1] * 8
        assert sure._halted.all()


def test_exploration_keeps_sure_examples_for_later_steps():
    one = trainer(halt_max_steps=4, exploration=1.0)
    with torch.no_grad():
        one.network.halt.bias.fill_(50.0)
    one.update()
    assert not one._halted.any()  # nobody halts before step 2
    one.update()
    assert 0 < one._halted.sum() < 8
    for _ in range(20):
        one.update()
        assert one._steps.max() <= 4


def test_states_stay_with_examples_and_begin_anew_with_others():
    one = trainer(halt_max_steps=3, exploration=0.0)
    one.update()
    carried, tokens = one._carry.answer.clone(), one._tokens.clone()
    one._refill(np.random.default_rng(0))
    assert torch.equal(one._carry.answer, carried)
    assert torch.equal(one._tokens, tokens)
    one._halted[:] = False
    one._halted[2] = True
    one._refill(np.random.default_rng(0))
    assert torch.equal(one._carry.answer[2, 0], one.network.first_answer)
    assert torch.equal(one._carry.answer[3], carried[3])
    assert one._steps.tolist() == [1, 1, 0, 1, 1, 1, 1, 1]


def test_average_follows_the_weights():
    one = trainer(ema=0.75)
    first = one.average.head.weight.clone()
    one.update()
    second = one.network.head.weight.detach().clone()
    assert torch.allclose(one.average.head.weight, 0.75 * first + 0.25 * second, atol=1e-7)
    assert not torch.equal(first, second)


def test_rates_rise_in_the_warm_up():
    one = trainer(warmup=4, puzzle_weight_decay=0.0)
    rates = list[float]()
    for _ in range(6):
        one.update()
        rates.append(one._optimiser.param_groups[0]["lr"] / one.settings.lr)
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])
    once = trainer(warmup=4, puzzle_weight_decay=0.0)
    once.update()
    moved = once.table[once._rows].abs()
    assert moved.max().item() == pytest.approx(once.settings.puzzle_lr / 4)
    untouched = set(range(len(once.table))) - set(once._rows.tolist())
    assert 0 in untouched
    assert not once.table[sorted(untouched)].any()


def test_diverged_fit_is_the_methods_error(tmp_path):
    one = trainer()
    with torch.no_grad():
        one.network.head.weight.fill_(float("nan"))
    with pytest.raises(MethodError, match="lower lr"):
        one.run(desk(tmp_path))


def learned(monkeypatch, data, **given):
    """The pairs that are trained on, and the held-out examples of a fit."""
    pairs, held = list[tuple[str, Pair]](), list[Drawn | None]()

    class Spy(Trainer):
        def __init__(self, settings, canvas, rows, examples, held_out, seed, course):
            held.append(held_out)
            super().__init__(settings, canvas, rows, examples, held_out, seed, course)

    class Seen(Examples):
        def __init__(self, given, canvas, translation):
            pairs.extend((puzzle.puzzle_id, pair) for puzzle, _, pair in given)
            super().__init__(given, canvas, translation)

    monkeypatch.setattr(training, "Trainer", Spy)
    monkeypatch.setattr(fitting, "Examples", Seen)
    return pairs, held


def test_held_out_tests_of_labelled_puzzles_are_not_trained_on(tmp_path, monkeypatch):
    labelled = tuple(problem(number) for number in range(1, 6))
    pairs, held = learned(monkeypatch, DATA)
    state = solver(validation=0.4).fit(FitData(DATA.puzzles, labelled), desk(tmp_path))
    for puzzle in (*DATA.puzzles, *(one.puzzle for one in labelled)):
        for pair in puzzle.train:
            assert (puzzle.puzzle_id, pair) in pairs
    with_tests = [one for one in labelled if (one.puzzle.puzzle_id, one.pairs[0]) in pairs]
    assert len(with_tests) == 3
    assert held[0] is not None
    assert len(held[0].tokens) == 2
    assert len(pairs) == 3 + 5 + 3
    assert 0 <= state["metrics"]["validation_exact"] <= 1


def test_asked_puzzle_among_the_labelled_is_not_given_away(tmp_path, monkeypatch):
    pairs, held = learned(monkeypatch, DATA)
    leaked = Problem(replace(FILL, puzzle_id="again"), (grid((9, 9)), grid((9, 9))))
    solver(validation=0).fit(FitData(DATA.puzzles, (leaked, problem(1))), desk(tmp_path))
    assert {name for name, _ in pairs} == {"flip", "fill", "labelled-1"}
    assert all(pair.output != grid((9, 9)) for _, pair in pairs)
    assert held == [None]


def test_best_weights_on_held_out_examples_are_kept(tmp_path):
    data = FitData((FLIP,), (problem(1),))
    one = solver(updates=6, checks=6, save_every=1)
    scores, chosen = [0.0, 0.5, 0.5, 0.25, 0.0, 0.0], list[int]()

    def agreement(_predicted, _labels):
        return scores[len(chosen)], chosen.append(1) or 0.0

    from harness_methods.solvers.sequences import training

    before = training._agreement
    training._agreement = agreement
    try:
        state = one.fit(data, desk(tmp_path))
    finally:
        training._agreement = before
    assert state["metrics"]["chosen_step"] == 3  # of equals the later
    assert state["metrics"]["validation_exact"] == 0.5
    shorter = solver(updates=3).fit(data, desk(tmp_path / "shorter"))
    assert all(torch.equal(state["weights"][k], v) for k, v in shorter["weights"].items())
    assert torch.equal(state["table"], shorter["table"])


def test_unfitted_puzzles_are_refused(tmp_path):
    one = solver()
    with pytest.raises(MethodError, match="before it was fitted"):
        one.solve(Query(FLIP, 0, 2), Desk("seed"))
    state = one.fit(FitData((FLIP,)), desk(tmp_path))
    with pytest.raises(UsageError, match="fitted without puzzle 'fill'"):
        one.load(state, DATA)
    one.load(state, FitData((FLIP,)))
    with pytest.raises(MethodError, match="not fitted on puzzle 'fill'"):
        one.solve(Query(FILL, 0, 2), Desk("seed"))
    with pytest.raises(UsageError, match="nothing to learn"):
        solver().fit(FitData((replace(FLIP, train=()),)), desk(tmp_path / "none"))


def test_sequences_of_other_symbols(tmp_path):
    domain = Domain(1, 9, tuple("abcd"), dihedral=False, recolour=False, translate=False)
    line = Puzzle(
        "line",
        (Pair(grid((1, 2, 3)), grid((3,))), Pair(grid((1, 1, 2, 1)), grid((1,)))),
        (grid((2, 2)),),
        domain,
    )
    one, data = solver(), FitData((line,))
    state = one.fit(data, desk(tmp_path))
    assert state["canvas"] == [1, 5, 4]
    assert len(state["table"]) == 2  # blank and the puzzle as it is
    one.load(state, data)
    asked = Desk("seed")
    one.solve(Query(line, 0, 2), asked)
    assert asked.counts["votes"] + asked.counts["unreadable"] == 1


def test_too_many_symbols_are_no_puzzle_for_it():
    wide = Domain(symbols=tuple(str(number) for number in range(300)))
    assert "253" in solver().misfit(replace(FLIP, domain=wide))
    assert solver().misfit(replace(FLIP, domain=ARC)) == ""


def test_predictions_that_are_no_grid_are_dropped(tmp_path):
    one = solver()
    state = dict(one.fit(DATA, desk(tmp_path)))
    # A head that scores padding highest everywhere.
    state["weights"] = {**state["weights"], "head.weight": state["weights"]["head.weight"] * 0}
    one.load(state, DATA)
    asked = Desk("seed")
    assert one.solve(Query(FLIP, 0, 2), asked) == []
    assert (asked.counts["votes"], asked.counts["unreadable"]) == (0, 4)
    assert list(asked.alternatives.values()) == [[], []]


def test_half_precision_runs(tmp_path):
    one = solver(precision="bfloat16", updates=3)
    state = one.fit(DATA, desk(tmp_path))
    one.load(state, DATA)
    one.solve(Query(FLIP, 0, 2), Desk("seed"))
    assert state["weights"]["head.weight"].dtype is torch.float32
