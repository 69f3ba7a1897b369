"""Ceilings on tokens, cost and time: a sweep stops in time, loses nothing and can go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import MODEL, Server, comparable, harness, run_arguments

from harness.results.store import ResultsStore

TASK = ("--task", f"file:{Path(__file__).parent / '_support' / 'digits_task.py'}#Digits")
SWEEP = (
    *(*TASK, "-T", "store=all", "--max-in-flight", "4"),
    *("--method", "baseline", "--method", "exprecent", "--method", "remem:rounds=2"),
)
PRICES = f"openai:{MODEL}: {{input: 1000, output: 4000}}\n"
DEAREST = 100
"""More tokens than one request of these takes."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Samples of a sweep without ceilings, its calls and its tokens."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with Server() as server:
        assert harness(*run_arguments(server, folder, *SWEEP)).returncode == 0
        return comparable(folder), server.asked.copy(), sum(tokens(folder))


@pytest.fixture
def prices(tmp_path):
    path = tmp_path / "prices.yaml"
    path.write_text(PRICES)
    return str(path)


def rows(folder: Path):
    store = ResultsStore(folder)
    return [store.row(one.run_id) for one in store.runs()]


def tokens(folder: Path) -> list[int]:
    return [row["paid_input_tokens"] + row["paid_output_tokens"] for row in rows(folder)]


def price(row) -> float:
    return row["paid_input_tokens"] / 1e3 + row["paid_output_tokens"] * 4 / 1e3


def run(server: Server, folder: Path, *more: str, code: int):
    done = harness(*run_arguments(server, folder, *SWEEP, *more, "--json"))
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout) if done.stdout else []


def test_a_ceiling_on_tokens_stops_and_a_higher_one_goes_on(tmp_path, undisturbed):
    expected, asked, total = undisturbed
    with Server() as server:
        for part in (0.0, 0.3, 0.6):
            ceiling = int(part * total) + 1
            outcomes = run(server, tmp_path, "--max-tokens-total", str(ceiling), code=1)
            stopped = [one for one in outcomes if one["status"] != "complete"]
            assert stopped
            for one in stopped:
                assert f"--max-tokens-total {ceiling} is reached" in one["note"]
                assert "a higher one goes on with the same command" in one["note"]
            assert {one["n_error"] + one["n_failed"] for one in outcomes} == {0}
            assert ceiling <= sum(tokens(tmp_path)) < ceiling + 4 * DEAREST
        before = server.total
        assert before < asked.total()
        run(server, tmp_path, "--max-tokens-total", str(ceiling), code=1)
        assert server.total == before
        run(server, tmp_path, "--max-tokens-total", str(10 * total), code=0)
        assert server.asked == asked
    assert comparable(tmp_path) == expected
    assert sum(tokens(tmp_path)) == total


def test_what_stopped_it_is_printed_and_the_finished_samples_are_kept(tmp_path, undisturbed):
    with Server() as server:
        arguments = run_arguments(server, tmp_path, *SWEEP, "--max-tokens-total", "1000")
        done = harness(*arguments)
    assert done.returncode == 1
    assert "--max-tokens-total 1000 is reached" in done.stdout
    listed = harness("results", "--results", str(tmp_path))
    assert "incomplete" in listed.stdout
    assert sum(row["n_done"] for row in rows(tmp_path)) > 0


def test_finished_runs_of_the_sweep_count(tmp_path, undisturbed):
    _, _, total = undisturbed
    with Server() as server:
        alone = run_arguments(server, tmp_path, *SWEEP[:8])
        assert harness(*alone).returncode == 0
        (spent,) = tokens(tmp_path)
        asked = server.total
        outcomes = run(server, tmp_path, "--max-tokens-total", str(spent), code=1)
        assert server.total == asked
        assert outcomes[0]["note"].startswith("nothing to do")
        assert [one["n_done"] for one in outcomes[1:]] == [0, 0]
        run(server, tmp_path, "--max-tokens-total", str(spent + 1), code=1)
        assert asked < server.total <= asked + 4
        run(server, tmp_path, "--max-tokens-total", str(total + 1), code=0)


def test_a_ceiling_on_cost_stops_and_rows_say_what_they_cost(tmp_path, undisturbed, prices):
    expected, asked, _ = undisturbed
    with Server() as server:
        outcomes = run(server, tmp_path, "--max-cost", "1.5", "--prices", prices, code=1)
        notes = [one["note"] for one in outcomes if one["note"]]
        assert notes
        assert all(note.startswith("--max-cost 1.5 is reached (") for note in notes)
        assert sum(row["cost"] for row in rows(tmp_path)) >= 1.5
        run(server, tmp_path, "--max-cost", "1000", "--prices", prices, code=0)
        assert server.asked == asked
    assert comparable(tmp_path) == expected
    for row in rows(tmp_path):
        assert row["cost"] == pytest.approx(price(row))
        assert row["paid_input_tokens"] == row["input_tokens"]


def test_without_prices_a_row_has_no_cost(tmp_path):
    few = (*TASK, "--limit", "2")
    with Server() as server:
        assert harness(*run_arguments(server, tmp_path, *few)).returncode == 0
    assert [row["cost"] for row in rows(tmp_path)] == [None]


def test_a_ceiling_on_time_stops_and_the_same_command_without_it_goes_on(tmp_path, undisturbed):
    expected, asked, _ = undisturbed
    with Server() as server:
        outcomes = run(server, tmp_path, "--max-time", "0.000001s", code=1)
        assert {one["note"] for one in outcomes} == {
            "--max-time is reached (1e-06 s); a higher one goes on with the same command"
        }
        assert server.total == 0
        run(server, tmp_path, "--max-time", "1h", code=0)
        assert server.asked == asked
    assert comparable(tmp_path) == expected


def test_tokens_of_tries_that_failed_count_too(tmp_path):
    """An episode that is begun again replays what it had; what it had was paid."""
    few = (*TASK, "--limit", "2", "--method", "remem:rounds=2")
    with Server() as server:
        arguments = run_arguments(server, tmp_path, *few)
        server.broken = lambda _prompt: server.total >= 2
        assert harness(*arguments).returncode == 1
        (first,) = tokens(tmp_path)
        server.broken = lambda _prompt: False
        before = server.total
        assert harness(*arguments, "--max-tokens-total", str(first)).returncode == 1
        assert server.total == before
        assert harness(*arguments).returncode == 0
        (row,) = rows(tmp_path)
        assert tokens(tmp_path) == [row["input_tokens"] + row["output_tokens"]]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--max-cost", "1"], f"--max-cost needs the price of 'openai:{MODEL}'; add a line"),
        (["--max-cost", "1", "--prices", "other.yaml"], "to other.yaml."),
        (["--prices", "none.yaml"], "cannot read the prices none.yaml"),
        (["--max-cost", "0"], "max_cost=0.0 is refused"),
        (["--max-cost", "nan"], "max_cost=nan is refused"),
        (["--max-tokens-total", "0"], "max_tokens_total=0 is refused"),
        (["--max-time", "soon"], "max_time 'soon' is no span of time; write 90, 45s"),
        (["--max-time", "1h30"], "max_time '1h30' is no span of time"),
        (["--max-time", ""], "max_time '' is no span of time"),
    ],
)
def test_a_ceiling_that_cannot_be_kept_is_refused_before_anything_is_asked(tmp_path, more, said):
    (tmp_path / "other.yaml").write_text("openai:other: {input: 1, output: 2}\n")
    with Server() as server:
        done = harness(*run_arguments(server, tmp_path / "results", *TASK, *more), cwd=tmp_path)
        assert server.total == 0
    assert done.returncode == 2
    assert said in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()
