"""Boards of real runs against a server: every table that their settings make."""

from __future__ import annotations

import json

import pytest
from support import Server, harness, run_arguments

from harness.results.store import ResultsStore

STREAM = ("-T", "streams=2", "-T", "items=7", "-T", "store=all", "--embedder", "bm25")
PROBED = ("-T", "checkpoints=2", "-T", "holdout=2", "-T", "revisit=true")
TWO = ("--method", "exprag", "--method", "baseline")
SWEEPS = (
    (*PROBED, *TWO),
    (*TWO, "--method", "history", "--method", "random", "--method", "dc-cu", "--order", "native"),
    (*TWO, "--orders", "3", "--order", "repeated:2"),
    ("-T", "flip=0.5", "-T", "flip_until=0.6", *TWO),
    (*TWO, "--seeds", "0-2", "--sampling", "temperature=0.7"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    results = tmp_path_factory.mktemp("boards") / "results"
    with Server() as server:
        for more in SWEEPS:
            done = harness(*run_arguments(server, results, *STREAM, *more))
            assert done.returncode == 0, done.stderr
        source = next(one for one in ResultsStore(results).runs() if one.method == "exprag")
        inherited = ("-T", f"memory_from={source.run_id}", "-T", "frozen=true")
        done = harness(*run_arguments(server, results, *STREAM, *inherited, "--method", "exprag"))
        assert done.returncode == 0, done.stderr
    return results


@pytest.fixture(scope="module")
def printed(folder):
    done = harness("leaderboard", "evo-memory", "--details", "--results", str(folder))
    assert done.returncode == 0, done.stderr
    assert "skipped" not in done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "title",
    [
        "Transfer",
        "Hold-out accuracy by share of the stream behind the memory",
        "Against no memory, history and controls",
        "At equal tokens",
        "Use of memory",
        "Gain by similarity",
        "Across orders: reasoning, openai:scripted-model",
        "After wrong feedback: reasoning, openai:scripted-model",
        "Memory from another run: reasoning, openai:scripted-model",
    ],
)
def test_terminal_markdown_and_site_have_every_table(printed, folder, title):
    assert title in printed
    assert title in (folder / "leaderboards" / "evo-memory.md").read_text()
    pages = (folder / "leaderboards" / "site").rglob("*.html")
    assert any(title in page.read_text() for page in pages)


def test_headings_tell_the_settings_apart(printed):
    words = " ".join(printed.split())
    assert "probed at 2 points (2 of each stream held out, earlier items asked again)" in words
    assert "wrong feedback for 50 % of the items in the first 60 %" in words
    assert "of reasoning, frozen" in words


def test_a_memory_that_the_model_could_not_write_is_said(printed):
    assert "dc-cu kept nothing: 14 of 14 answers that it asked for could not be read." in printed


def test_json_holds_the_measures(folder):
    done = harness("leaderboard", "evo-memory", "--json", "--no-site", "--results", str(folder))
    assert done.returncode == 0, done.stderr
    (board,) = json.loads(done.stdout)
    measures = board["details"]["measures"]
    (orders,) = measures["orders"]
    assert {
        one["method"]: one["shuffled"]["n"] for one in orders["methods"] if one["shuffled"]
    } == {
        "baseline": 3,
        "exprag": 3,
    }
    (misled,) = measures["misled"]
    assert misled["flip"] == 0.5
    assert {one["method"] for one in misled["methods"]} == {"baseline", "exprag"}
    # feedback does not reach a method without a memory
    baseline = next(one for one in misled["methods"] if one["method"] == "baseline")
    assert baseline["during"]["mean"] == baseline["after"]["mean"] == 0.0
    sections = [one["measures"] for one in board["details"]["sections"]]
    draws = [b for one in sections for b in one["budgets"] if b["seeds"] == 3]
    assert draws
    assert all(one["best"] and (one["vote"] or one["no_vote"]) for one in draws)
