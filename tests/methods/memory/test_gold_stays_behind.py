"""Reference case 14: right answers reach a method only where the feedback grants them."""

from __future__ import annotations

import json
from dataclasses import replace

import memories
import pyarrow.parquet as pq
import pytest
from memories import WritingToy, toy_plan

from harness.conformance.toy import CANARY
from harness.plan import expand
from harness.registry import Kind, registered
from harness.results.journal import Journal
from harness.results.schema import RunStatus
from harness.sweep import Sweep
from harness_tasks.evo_memory.babyai.environment import BabyAIText
from harness_tasks.evo_memory.babyai.levels import missions
from harness_tasks.evo_memory.reasoning import Reasoning

UNAIDED = ("dc-cu", "dc-rs", "awm", "reasoning-bank")
METHODS = (
    *sorted(
        {
            one.name
            for one in registered(Kind.METHOD)
            if one.protocol == "stream"
            # Packages ask through an endpoint with vectors, which the toy model has not.
            and not (one.role == "memory" and one.load().isolated)
        }
    ),
    "refine:prune_persists=true,rounds=3+exprag",
    "react+history:across=always",
    *("awm:judge=feedback", "reasoning-bank:judge=feedback", "react+amem", "refine+mem0"),
)


def execute(plan, root, monkeypatch):
    """Execute a plan and keep its journals; returns the prompts and all that was written."""
    monkeypatch.setattr(Journal, "delete", Journal.close)
    model = WritingToy()
    outcomes, _ = memories.execute(plan, root, model)
    assert {one.status for one in outcomes} == {RunStatus.COMPLETE}
    assert all(one.good for one in outcomes)
    return "\n".join(model.prompts), written(root)


def written(root):
    """The text of every file of a results folder, by its kind."""
    found = {}
    for path in sorted(root.rglob("*")):
        if not path.is_file():
            continue
        if path.suffix == ".parquet":
            text = json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False)
        else:
            text = path.read_bytes().decode(errors="replace")
        kind = "memory" if path.name == "memory.parquet" else path.relative_to(root).parts[0]
        found[kind] = found.get(kind, "") + text
    assert {"runs", "samples", "traces", "memory", "journal", "artifacts"} <= set(found)
    return found


@pytest.mark.parametrize("feedback", ["none", "correctness", "score"])
def test_no_built_in_method_ever_sees_or_stores_gold(feedback, tmp_path, monkeypatch):
    untold = [one for one in METHODS if feedback != "none" or "judge=feedback" not in one]
    plan = toy_plan(untold, feedback=feedback, store="all")
    prompts, files = execute(plan, tmp_path, monkeypatch)
    assert "What is the red lamp?" in prompts
    assert "Question: What is the red lamp?" in files["memory"]
    assert CANARY not in prompts
    assert [kind for kind, text in files.items() if CANARY in text] == []


def test_gold_that_is_granted_is_kept_and_shown(tmp_path, monkeypatch):
    plan = toy_plan(["exprag"], feedback="gold", store="all")
    prompts, files = execute(plan, tmp_path, monkeypatch)
    assert f"the right answer is {CANARY}" in prompts
    assert CANARY in files["memory"]


@pytest.mark.parametrize("method", ["mem0", "mem0-additive", "amem", "awm:judge=feedback"])
def test_gold_that_is_granted_reaches_what_a_memory_writes(method, tmp_path, monkeypatch):
    plan = toy_plan([method], feedback="gold", store="all")
    prompts, files = execute(plan, tmp_path, monkeypatch)
    assert f"the right answer is {CANARY}" in prompts
    assert CANARY in files["memory"]


@pytest.mark.parametrize("method", UNAIDED)
def test_a_memory_that_learns_unaided_is_not_told_what_the_stream_grants_to_others(
    method, tmp_path, monkeypatch
):
    plan = toy_plan([method], feedback="gold", store="all")
    prompts, files = execute(plan, tmp_path, monkeypatch)
    assert "Result:" not in prompts
    assert CANARY not in prompts
    assert [kind for kind, text in files.items() if CANARY in text] == []


@pytest.mark.parametrize(("feedback", "seen"), [("score", False), ("gold", True)])
def test_answers_of_the_reasoning_questions_stay_behind(feedback, seen, tmp_path, monkeypatch):
    honest = Reasoning._verify

    def verify(self, question, answer):
        return replace(honest(self, question, answer), gold=CANARY)

    monkeypatch.setattr(Reasoning, "_verify", verify)
    options = {"streams": 2, "items": 4, "feedback": feedback, "store": "all"}
    methods = ("history", "exprag", "remem", "static", "random", "amem", "mem0", "react+dc-rs")
    sweep = Sweep(task="evo-memory", method=methods, task_options=options, embedder="bm25")
    prompts, files = execute(expand(sweep), tmp_path, monkeypatch)
    assert (CANARY in prompts) == seen
    assert any(CANARY in text for text in files.values()) == seen


def test_subgoals_of_babyais_labels_stay_behind(tmp_path, monkeypatch):
    label_file = tmp_path / "mirror/agentboard/babyai/test.jsonl"
    label_file.parent.mkdir(parents=True)
    rows = [
        {
            "goal": BabyAIText(mission).goal,
            "subgoals": [f"{CANARY} **", f"{CANARY} right in front of you."],
            "difficulty": "easy",
            "additional_info": {"init_obs": "", "subtask": mission.level},
        }
        for mission in missions()
    ]
    label_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path / "mirror"))
    options = {"subset": "babyai", "max_steps": 3, "store": "all", "feedback": "gold"}
    sweep = Sweep(
        task="evo-memory",
        method=("exprag", "remem"),
        task_options=options,
        limit=3,
        embedder="bm25",
    )
    prompts, files = execute(expand(sweep), tmp_path / "results", monkeypatch)
    assert "Mission: go to the red ball" in prompts
    assert CANARY not in prompts
    assert [kind for kind, text in files.items() if CANARY in text] == []
