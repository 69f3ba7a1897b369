from __future__ import annotations

import subprocess
import sys

import pytest

from harness import catalogue
from harness.catalogue import Row
from harness.errors import UnknownName
from harness.registry import Need

HEAVY = ("torch", "transformers", "datasets", "pandas", "minigrid", "reasoning_gym", "vllm")


def names(what):
    rows, problems = catalogue.rows(what)
    assert problems == []
    return {(row.role, row.name) for row in rows}


def test_every_list_has_its_rows():
    arc = ("arc-agi", "arc-challenge", "arc-easy")
    by_depth = ("boolean-logic", "graph-reachability", "relational-text")
    others = ("evo-memory", "imagenet-c", "muse", "tofu", "wmdp")
    assert names("tasks") == {("task", name) for name in (*arc, *by_depth, *others)}
    assert {("agent", "react"), ("memory", "exprag"), ("pair", "remem")} <= names("methods")
    assert {("chat", "smollm2"), ("embedder", "bm25")} <= names("models")
    assert names("all") == names("tasks") | names("methods") | names("models")


def test_every_row_has_a_summary_and_its_package():
    for row in catalogue.rows("all")[0]:
        assert row.summary
        assert row.package == "method-harness"


def test_an_unknown_list_gets_the_nearest_name():
    with pytest.raises(UnknownName, match="did you mean methods"):
        catalogue.rows("method")


def test_packages_that_are_missing_stand_beside_the_name(monkeypatch):
    monkeypatch.setattr(Need, "installed", lambda _need: False)
    rows = {row.name: row for row in catalogue.rows("all")[0]}
    assert rows["evo-memory"].missing == ("reasoning_gym",)
    assert rows["smollm2"].missing
    assert rows["none"].missing == ()


def test_rows_stand_under_a_heading_for_each_role():
    rows = [
        Row("task", "task", "a", "first", "p"),
        Row("method", "memory", "long-name", "second", "p", ("x", "y")),
        Row("method", "memory", "b", "", "p", broken="it is broken " + "and " * 40 + "long"),
        Row("method", "agent", "c", "z" * 300, "p"),
    ]
    lines = list(catalogue.lines(rows))
    assert lines[:2] == ["task:", "  a          first"]
    assert lines[3:5] == ["method (memory):", "  long-name  second [needs x, y]"]
    assert lines[5].endswith("and long")
    assert lines[-1].endswith("...")
    assert list(catalogue.lines([])) == []


def text(name):
    return "\n".join(line for card in catalogue.cards(name) for line in catalogue.card_lines(card))


def test_a_name_with_two_roles_has_two_cards():
    cards = catalogue.cards("exprag")
    assert {card.role for card in cards} == {"memory", "pair"}
    pair = next(card for card in cards if card.role == "pair")
    assert pair.composed == "direct+exprag"
    assert "is:       direct+exprag" in text("exprag")


def test_a_card_shows_source_options_and_defaults():
    shown = text("refine")
    for words in (
        "Evo-Memory, arXiv 2511.20857",
        "prune_persists",
        "Remove pruned items",
        "rounds",
    ):
        assert words in shown


def test_a_pairs_card_shows_its_own_presets():
    (card,) = catalogue.cards("baseline")
    assert {option.name: option.default for option in card.options} == {
        "history": "false",
        "window": "100",
    }


def test_a_memorys_card_says_whether_order_matters():
    assert "stateful: yes" in text("exprecent")
    assert "stateful: no" in text("static")


def test_a_tasks_card_shows_its_metrics_and_defaults():
    shown = text("evo-memory")
    for words in (
        "success",
        "progress",
        "default model: smollm2",
        "exprecent",
        "GPL-2.0",
        "subsets: reasoning, ",
    ):
        assert words in shown


def test_an_unknown_card_gets_the_nearest_name():
    with pytest.raises(UnknownName, match="did you mean exprag"):
        catalogue.cards("exprg")


def test_listing_and_showing_everything_imports_nothing_heavy():
    code = (
        "import sys; from harness import catalogue; rows, _ = catalogue.rows('all');"
        "[catalogue.cards(row.name) for row in rows];"
        f"print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
