"""The board of solve tasks on small runs whose figures are known by hand."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest
from edits import command
from puzzles import method, run
from rich.console import Console

from harness.results.store import ResultsStore
from harness_leaderboards.boards import board_named
from harness_leaderboards.built import Built
from harness_leaderboards.export import write
from harness_leaderboards.ranking.build import build_ranked
from harness_leaderboards.render.markdown import markdown
from harness_leaderboards.render.terminal import print_leaderboard
from harness_leaderboards.solve.boards import SolveBoard
from harness_leaderboards.solve.build import build_solve

MIRRORS = SolveBoard(
    name="mirrors",
    task="mirrors",
    unit="puzzles",
    figures=(("strict", "strict"), ("pooled", "pooled")),
    fit_options=("fit_on",),
    baseline=method("Silent"),
)


def built(results):
    return build_solve(MIRRORS, ResultsStore(results))


def shown(board, *, details=True):
    console = Console(file=io.StringIO(), width=160)
    print_leaderboard(board, console, details=details)
    return console.file.getvalue()


def rows_of(board):
    (section,) = board.sections
    return {row.method.partition("#")[2]: row for row in section.rows}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    names = ("Silent", "HalfRight", "Voted", "Right")
    words = [word for name in names for word in ("--method", method(name))]
    assert run(folder, *words).code == 0
    assert run(folder, "--method", method("Learner"), "--seeds", "0-1").code == 0
    return folder


def test_scores_gains_and_rules_by_hand(results):
    rows = rows_of(built(results))
    assert next(iter(rows)) == "Silent"
    half = rows["HalfRight"]
    # Two puzzles of one test input, solved; two of two, half solved.
    assert half.score.mean == pytest.approx(0.75)
    assert half.score.clusters == half.gain.clusters == 4
    assert (half.figures["strict"], half.figures["pooled"]) == pytest.approx((0.5, 4 / 6))
    assert half.gain.difference == pytest.approx(0.75)
    assert half.gain.unpaired == 0
    assert rows["Right"].score.mean == 1.0
    # Wilson's interval of 4 in 4, to three figures: 4 / (4 + 1.96 ** 2).
    assert rows["Right"].score.low == pytest.approx(0.510, abs=5e-4)
    assert rows["Right"].score.high == 1.0
    assert [row.gain.p for row in rows.values() if row.gain] == pytest.approx([0.5] * 4)


def test_seeds_are_one_row_with_their_spread(results):
    learner = rows_of(built(results))["Learner"]
    assert learner.seeds == (0, 1)
    assert learner.spread == (1.0, 1.0)
    assert learner.n_planned == 12
    assert learner.exposure == "none"


def test_one_seed_of_a_fit_gets_no_verdict(tmp_path):
    words = ("--method", method("Silent"), "--method", method("Right"))
    wide = ("-T", "puzzles=12")
    assert run(tmp_path, *words, "--method", method("Learner"), *wide).code == 0
    rows = rows_of(built(tmp_path))
    assert rows["Right"].gain.p == rows["Learner"].gain.p < 0.01
    assert str(rows["Right"].gain.verdict) == "improved"
    assert str(rows["Learner"].gain.verdict) == "inconclusive"
    assert "gets no verdict" in shown(built(tmp_path))


def test_tables_hold_curves_costs_and_what_was_seen(results):
    text = shown(built(results))
    assert "Solved by the first answer, over votes" in text
    assert "What a puzzle takes" in text
    assert "What solvers have seen" in text
    assert "1.000, 1.000 by seed" in text
    assert "1.000, 1.000 by seed" in markdown(built(results))


def test_the_curve_over_votes_is_out_of_the_same_run(results):
    voted = rows_of(built(results))["Voted"]
    assert [voted.figures[f"first@votes_{n}"] for n in (1, 2, 4)] == [1.0, 1.0, 0.0]


def test_files_hold_every_row(results, tmp_path):
    ranked = build_ranked(board_named("mirrors", ["mirrors"]), ResultsStore(results))
    files = {path.name: path for path in write(Built(ranked, built(results)), tmp_path)}
    rows = pq.read_table(files["mirrors.details.parquet"]).to_pylist()
    assert len(rows) == 5
    half = next(row for row in rows if row["method"].endswith("HalfRight"))
    assert half["score"] == pytest.approx(0.75)
    assert dict(half["figures"])["strict"] == 0.5
    assert half["gain_clusters"] == 4
    assert "HalfRight" in files["mirrors.md"].read_text()


def test_other_settings_are_other_sections_and_unfinished_runs_are_unranked(tmp_path):
    assert run(tmp_path, "--method", method("Right")).code == 0
    assert run(tmp_path, "--method", method("Right"), "-T", "attempts=1").code == 0
    assert run(tmp_path, "--method", method("Right"), "--data-seed", "1").code == 0
    assert run(tmp_path, "--method", f"{method('Bad')}:how=memory").code == 1
    board = built(tmp_path)
    assert len(board.sections) == 3
    assert "attempts 1" in shown(board)
    assert "data seed 1" in shown(board)
    assert [one.n_error for one in board.unranked] == [6]
    assert "gains cannot be computed" in shown(board)


def test_failures_are_told_and_count_as_unsolved(tmp_path):
    run(tmp_path, "--method", method("Silent"), "--method", f"{method('Bad')}:how=raise")
    rows = rows_of(built(tmp_path))
    (bad,) = (row for name, row in rows.items() if name.startswith("Bad"))
    assert (bad.n_failed, bad.score.mean) == (6, 0.0)
    assert "6 test inputs failed: Bad raised ValueError: the reason" in shown(built(tmp_path))


def test_the_command_builds_registered_boards(tmp_path):
    words = ("-T", "subset=1-training", "-T", "max_side=3", "--results", str(tmp_path))
    assert command("run", "--task", "arc-agi", *words).code == 0
    words = ("-T", "test=4", "-T", "train=20", "-T", "depth=3", "--results", str(tmp_path))
    floors = ("--method", "majority-colour", "--method", "nearest")
    assert command("run", "--task", "boolean-logic", *floors, *words).code == 0
    done = command("leaderboard", "--results", str(tmp_path), "--json")
    assert done.code == 0, done.err
    arc, logic = sorted(json.loads(done.out), key=lambda one: one["board"]["name"])
    methods = [row["method"] for row in arc["details"]["sections"][0]["rows"]]
    assert methods[0] == "copy-input"
    assert set(methods) == {"copy-input", "majority-colour", "nearest"}
    assert logic["details"]["sections"][0]["rows"][0]["method"] == "majority-colour"
    done = command("leaderboard", "boolean-logic", "--results", str(tmp_path), "--details")
    assert "Accuracy by depth" in done.out
