"""Published questions: loading, extraction, scoring, and what may not be kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from support import Server, harness, run_arguments

from harness.errors import MissingData, UsageError
from harness_tasks.evo_memory.extraction import final_letter
from harness_tasks.evo_memory.questions.aime import normalised
from harness_tasks.evo_memory.questions.toolbench import COMPARED
from harness_tasks.evo_memory.subset import EvoMemoryOptions
from harness_tasks.evo_memory.task import EvoMemory

CANARY = "zebra-canary"


def mmlu(category):
    return [
        {
            "question_id": n,
            "question": f"Which is number {n}?",
            "options": [f"option {letter}" for letter in "abcdefg"],
            "answer": "ABCDEFG"[n % 7],
            "category": category,
            "src": f"source-{n % 2}",
        }
        for n in range(9)
    ]


ROWS = {
    "mmlu_pro/economics.jsonl": mmlu("economics"),
    "mmlu_pro/engineering.jsonl": mmlu("engineering"),
    "mmlu_pro/philosophy.jsonl": mmlu("philosophy"),
    "gsm8k/test.jsonl": [
        {"question": f"What is {n} + 1,000?", "answer": f"We add.\n#### 1,00{n}"} for n in range(8)
    ],
    "aime/aime_2024.jsonl": [
        {"id": n, "problem": f"Find {n}.", "answer": f"{n:03d}"} for n in range(6)
    ],
    "aime/aime_2025.jsonl": [
        {"id": n, "problem": f"Find {n}.", "answer": str(n)} for n in range(6)
    ],
    "gpqa/gpqa_diamond.jsonl": [
        {
            "Record ID": f"rec{n}",
            "Question": f"{CANARY} question {n}?",
            "Correct Answer": f"{CANARY} right {n}",
            "Incorrect Answer 1": f"{CANARY} wrong a{n}",
            "Incorrect Answer 2": f"{CANARY} wrong b{n}",
            "Incorrect Answer 3": f"{CANARY} wrong c{n}",
            "High-level domain": "Physics",
        }
        for n in range(8)
    ],
}
TOOLS = {
    name: [
        {
            "query": f"{name} request {n}",
            "API_name_list": [name],
            "api_descriptions": f"API_name: {name}\nDescription: what {name} does",
            "action": name,
            "action_input": json.dumps(arguments),
        }
        for n in range(3)
    ]
    for name, arguments in (
        ("add_date", {"date": "2022-10-14", "days": 90}),
        ("search", {"entity": "Zebra"}),
        ("get_today_date", {}),
    )
}
SUBSETS = {
    "mmlu-pro-economics": 9,
    "mmlu-pro-engineering": 9,
    "mmlu-pro-philosophy": 9,
    "gpqa-diamond": 8,
    "aime-24": 6,
    "aime-25": 6,
    "gsm8k": 8,
    "toolbench": 9,
}


def write(folder: Path) -> None:
    for name, rows in ROWS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "toolbench").mkdir()
    (folder / "toolbench/tool_test.json").write_text(json.dumps(TOOLS), encoding="utf-8")


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    folder = tmp_path / "mirror"
    write(folder)
    monkeypatch.setenv("HARNESS_DATA", str(folder))
    return folder


def task(subset, **options):
    return EvoMemory(EvoMemoryOptions(subset=subset, **options))


def score(chosen, number, output):
    episode = chosen.episode(chosen.items(0)[number])
    episode.reset()
    seen = episode.step(output)
    return episode.score(), seen


@pytest.mark.parametrize(("subset", "count"), SUBSETS.items())
def test_every_subset_asks_all_its_questions_and_keeps_the_gold_behind(mirror, subset, count):
    chosen = task(subset, streams=2)
    items = chosen.items(0)
    assert len(items) == len({item.sample_id for item in items}) == count
    assert len({item.stream_id for item in items}) == 2
    assert items == chosen.items(7)
    for item in items:
        episode = chosen.episode(item)
        brief = episode.brief
        assert brief.single_turn
        assert brief.goal
        episode.reset()
        assert episode.step("no answer here at all").valid is False
        assert episode.score().value == 0


def test_items_shortens_the_streams(mirror):
    assert [i.stream_id for i in task("gsm8k", streams=2, items=2).items(0)] == [
        "000",
        "000",
        "001",
        "001",
    ]


@pytest.mark.parametrize("subset", SUBSETS)
def test_a_gold_answer_is_right_and_leaves_nothing_in_the_brief(mirror, subset):
    chosen = task(subset)
    for number, item in enumerate(chosen.items(0)):
        wrong, _ = score(chosen, number, "")
        right, seen = score(chosen, number, wrong.gold)
        assert right.success, item.sample_id
        assert seen.valid
        assert right.answer


class TestLoading:
    def test_neither_mirror_nor_hub_is_one_sentence_with_both_ways(self, monkeypatch):
        monkeypatch.delenv("HARNESS_DATA", raising=False)
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(MissingData, match=r"gsm8k.*mirror.*HARNESS_DATA.*hub"):
            task("gsm8k").items(0)

    def test_a_damaged_row_is_named(self, mirror):
        path = mirror / "gsm8k/test.jsonl"
        path.write_text('{"question": "q", "answer": "no number"}\n')
        with pytest.raises(UsageError, match="row 1 of openai/gsm8k"):
            task("gsm8k").items(0)

    def test_a_letter_beyond_the_options_is_refused(self, mirror):
        row = {**ROWS["mmlu_pro/economics.jsonl"][0], "answer": "J"}
        (mirror / "mmlu_pro/economics.jsonl").write_text(json.dumps(row))
        with pytest.raises(UsageError, match="answer 'J' is none of its 7 options"):
            task("mmlu-pro-economics").items(0)

    def test_a_truncated_tool_file_is_named(self, mirror):
        (mirror / "toolbench/tool_test.json").write_text('{"add_date": [')
        with pytest.raises(UsageError, match=r"tool_test\.json cannot be read"):
            task("toolbench").items(0)

    def test_other_streams_than_questions_are_refused(self, mirror):
        with pytest.raises(UsageError, match="aime-24 has 6 questions"):
            task("aime-24", streams=7).items(0)


class TestLetters:
    @pytest.mark.parametrize(
        ("text", "letter"),
        [
            ("The answer is (C).", "C"),
            ("Answer: B", "B"),
            ("**Answer:** D", "D"),
            ("I think A is wrong. The answer is\nC", "C"),
            ("The answer is A. No, the answer is B.", "B"),
            ("C. because it follows", "C"),
            ("(E)", "E"),
            ("c", "C"),
            ("b)", "B"),
            (r"So \boxed{F}", "F"),
            (r"So $\boxed{\text{D}}$", "D"),
            ("Answer: The letter is G", "G"),
            ("A good question, and I like it", None),
            ("I do not know", None),
            ("None", None),
            ("Answer: Z", None),
            ("the first (A), then (B)", "B"),
            ("Answer: Everything", None),
        ],
    )
    def test_the_letter_that_is_meant(self, text, letter):
        assert final_letter(text, 10) == letter

    def test_letters_beyond_the_options_are_none(self):
        assert final_letter("Answer: H", 4) is None


class TestAIME:
    # Reference case 12.
    def test_leading_zeros_do_not_matter(self, mirror):
        assert normalised("025") == normalised("25") == normalised(" $25$ ") == "25"
        assert score(task("aime-24"), 3, "Answer: 003")[0].success
        assert score(task("aime-24"), 3, "Answer: 3.0")[0].success

    @pytest.mark.parametrize("output", ["3.5", "-3", "three", "Answer: 4"])
    def test_what_is_no_such_integer_is_wrong(self, mirror, output):
        assert not score(task("aime-24"), 3, output)[0].success


class TestToolBench:
    # Reference case 11.
    @pytest.mark.parametrize(
        ("call", "api", "right"),
        [
            ({"action": "add_date", "action_input": {"date": "2022-10-14", "days": "90"}}, 1, 1),
            (
                {
                    "action": "add_date",
                    "action_input": {"date": " 2022-10-14", "days": 90, "more": "x"},
                },
                1,
                1,
            ),
            ({"action": "add_date", "action_input": {"date": "2022-10-14"}}, 1, 0),
            ({"action": "search", "action_input": {"date": "2022-10-14", "days": 90}}, 0, 0),
            ({"action": "add_date", "action_input": '{"date": "2022-10-14", "days": 90}'}, 1, 1),
        ],
    )
    def test_api_and_arguments(self, mirror, call, api, right):
        found, seen = score(task("toolbench"), 0, f"Here it is: {json.dumps(call)} as asked.")
        assert (found.metrics["api"], found.value) == (api, right)
        assert seen.valid

    @pytest.mark.parametrize(
        "output",
        ['{"action": "add_date", "action_input": ', "add_date(90)", '{"action": "add_date"}', "{}"],
    )
    def test_bad_json_is_wrong_in_both(self, mirror, output):
        found, seen = score(task("toolbench"), 0, output)
        assert (found.metrics["api"], found.value, seen.valid) == (0, 0, False)

    def test_judged_apis_are_marked(self, mirror):
        chosen = task("toolbench")
        good = json.dumps({"action": "search", "action_input": {"entity": "zebra"}})
        found, _ = score(chosen, 3, good)
        assert found.metrics == {"api": 1, "judged": 1}
        assert score(chosen, 0, good)[0].metrics["string_accuracy"] == 0
        assert len(COMPARED) == 31

    def test_the_right_api_is_always_among_those_shown(self, mirror):
        chosen = task("toolbench", apis=2)
        for item in chosen.items(0):
            told = chosen.episode(item).brief.instructions
            assert told.count("API_name:") == 2
            assert f"API_name: {item.group}\n" in told
        whole = task("toolbench").episode(chosen.items(0)[0]).brief.instructions
        assert whole.count("API_name:") == 3


class TestConfidential:
    def test_no_text_of_gpqa_stays_in_results(self, mirror, tmp_path, monkeypatch):
        with Server(lambda _prompt: f"{CANARY} said. Answer: B") as server:
            arguments = run_arguments(
                server, tmp_path / "r", "-T", "subset=gpqa-diamond", "-T", "streams=2"
            )
            more = ("-T", "store=all", "--method", "exprag", "--method", "react", "--embedder")
            done = harness(*arguments, *more, "bm25")
            assert done.returncode == 0, done.stderr
            cached = harness(*arguments, "--cache")
        assert cached.returncode == 2
        assert "--cache would keep texts" in cached.stderr
        for path in (tmp_path / "r").rglob("*"):
            if path.is_file() and path.suffix != ".parquet":
                assert CANARY.encode() not in path.read_bytes(), path
        for path in (tmp_path / "r").rglob("*.parquet"):
            assert CANARY not in str(pd.read_parquet(path).to_dict()), path
        table = pd.concat(map(pd.read_parquet, (tmp_path / "r").glob("samples/*/*.parquet")))
        assert {json.loads(one)["answer"] for one in table["extra"]} == {"B"}
        assert set(table["score"]) == {0.0, 1.0}

    def test_the_options_of_an_item_stand_in_the_same_order_every_time(self, mirror):
        first, second = task("gpqa-diamond"), task("gpqa-diamond")
        for item in first.items(0):
            assert first.episode(item).brief.goal == second.episode(item).brief.goal
        golds = {score(first, n, "")[0].gold for n in range(8)}
        assert len(golds) > 1


REAL = os.environ.get("HARNESS_DATA")


@pytest.mark.skipif(not REAL, reason="needs the local mirror: HARNESS_DATA")
@pytest.mark.parametrize(
    ("subset", "count"),
    [
        ("mmlu-pro-economics", 844),
        ("mmlu-pro-engineering", 969),
        ("mmlu-pro-philosophy", 499),
        ("gsm8k", 1319),
        ("toolbench", 750),
    ],
)
def test_the_published_sets_are_whole(subset, count):
    chosen = task(subset)
    items = chosen.items(0)
    assert len(items) == count
    for number in range(0, count, 7):
        gold = score(chosen, number, "")[0].gold
        assert score(chosen, number, gold)[0].success
    if subset == "toolbench":
        judged = sum(item.group not in COMPARED for item in items)
        assert judged == 285
