"""`harness rescore`: a scorer is mended, and finished runs get their new scores without a model."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support import ACTIONS, MODEL, Server, harness, start

from harness.cli import main
from harness.results.store import ResultsStore
from harness_leaderboards.boards import Board
from harness_leaderboards.build import build

TASK = (
    (Path(__file__).parent / "_support" / "digits_task.py")
    .read_text("utf-8")
    .replace("REFUSED = ()", "REFUSED = (13,)")
)
RIGHT = "right = self.answer == gold"
LENIENT = "right = self.answer in (gold, '1')"


@pytest.fixture
def task(tmp_path):
    """A task in a file."""
    path = tmp_path / "digits.py"
    path.write_text(TASK)
    return path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def run(server: Server, task: Path, *more: str, name: str = "Digits", code: int = 0):
    """Run the task; returns the outcomes and the arguments."""
    arguments = [
        *("run", "--task", f"file:{task}#{name}", "--model", f"openai:{MODEL}"),
        *("--base-url", server.url, "--embedder", "bm25", "--model-arg", "retries=0"),
        *("--results", str(task.parent / "results"), *more),
    ]
    done = harness(*arguments)
    assert done.returncode == code, done.stderr
    return arguments


def rescore(task: Path, wanted: str = "latest", code: int = 0):
    done = harness("rescore", wanted, "--results", str(task.parent / "results"), "--json")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout) if code == 0 else done.stderr.strip().splitlines()[-1]


def store(task: Path) -> ResultsStore:
    return ResultsStore(task.parent / "results")


def tables(task: Path, run_id: str):
    """Samples and traces of a run by sample."""
    folder = task.parent / "results"
    return [
        {
            row["sample_id"]: row
            for row in pq.read_table(next(folder.glob(f"{name}/*/{run_id}.parquet"))).to_pylist()
        }
        for name in ("samples", "traces")
    ]


def files(task: Path) -> set[Path]:
    return {path for path in (task.parent / "results").rglob("*") if path.name != ".claim"}


def gold(sample_id: str) -> str:
    return str(int(sample_id[1:]) % 3 + 1)


def test_a_mended_scorer_gives_every_answer_its_new_score_without_asking_anything(task):
    with Server() as server:
        arguments = run(server, task, "--method", "baseline")
        asked = server.total
        edit(task, RIGHT, LENIENT)
        edit(task, '{"half": 0.5}', '{"half": 0.5, "length": len(self.answer)}')
        edit(task, "valid=self.answer.isdigit()", "valid=self.answer != '3'")
        told = rescore(task)
        assert server.total == asked
        (old, new) = store(task).runs()
        old_samples, traces = tables(task, old.run_id)
        samples, new_traces = tables(task, new.run_id)

        assert list(samples) == list(old_samples)
        changed = []
        for name, sample in samples.items():
            if name == "n13":
                assert sample == {**old_samples[name], "run_id": new.run_id}
                assert sample["status"] == "invalid"
                continue
            answer = traces[name]["output"]
            right = float(answer in (gold(name), "1"))
            was, metrics = dict(old_samples[name]["metrics"]), dict(sample["metrics"])
            assert sample["score"] == right
            expected = {"success": right, "length": 1.0, "invalid_actions": float(answer == "3")}
            assert metrics == was | expected
            if right != old_samples[name]["score"]:
                changed.append(name)
            same = ("attempt", "latency_s", "input_tokens", "output_tokens", "sample_hash", "group")
            assert [sample[one] for one in same] == [old_samples[name][one] for one in same]
            assert new_traces[name]["calls"] == traces[name]["calls"]
            (turn,) = json.loads(new_traces[name]["trajectory"])
            assert turn == {"observation": "", "action": answer, "valid": answer != "3"}
        assert 0 < len(changed) < 14

        scores = [one["score"] for one in samples.values() if one["status"] == "ok"]
        row, before = store(task).row(new.run_id), store(task).row(old.run_id)
        assert dict(row["metrics"])["score"] == pytest.approx(sum(scores) / 14) == new.score
        assert row["rescored_from"] == old.run_id
        assert before["rescored_from"] is None
        assert row["code_hash"] != before["code_hash"]
        assert json.loads(row["argv"])[1] == "rescore"
        assert row["started_at"] > before["finished_at"]
        fresh = {"run_id", "code_hash", "rescored_from", "argv", "metrics", "started_at"}
        fresh |= {"finished_at", "wall_s", "versions", "commit", "dirty"}
        assert {k for k in row if row[k] != before[k]} <= fresh

        assert told == {
            "run_id": new.run_id,
            "rescored_from": old.run_id,
            "task": "digits",
            "subset": "all",
            "method": "baseline",
            "model": f"openai:{MODEL}",
            "n_samples": 15,
            "n_changed": len(changed),
            "changed": changed[:10],
            "before": dict(before["metrics"]),
            "after": dict(row["metrics"]),
            "note": "",
        }

        again = harness(*arguments)
        assert again.returncode == 0
        assert "nothing to do" in again.stdout
        assert new.run_id in again.stdout
        assert server.total == asked
        config = task.parent / "results" / "artifacts" / new.run_id / "spec.yaml"
        assert "nothing to do" in harness("run", "--config", str(config)).stdout


def test_what_is_printed_says_the_old_and_the_new_score_and_which_samples_changed(task):
    with Server() as server:
        run(server, task, "--method", "baseline")
    edit(task, RIGHT, LENIENT)
    folder = ("--results", str(task.parent / "results"))
    done = harness("rescore", store(task).runs()[0].run_id[-6:], *folder)
    assert done.returncode == 0, done.stderr
    old, new = store(task).runs()
    assert re.search(rf"score +{old.score:.3f} +{new.score:.3f}\n", done.stdout)
    assert re.search(r"\d+ of 15 samples changed: n\d+, ", done.stdout)
    assert f"run {new.run_id}, rescored from {old.run_id}" in done.stdout
    assert "half" not in done.stdout
    assert "baseline: 15 of 15" in done.stderr

    again = harness("rescore", "latest", *folder)
    assert again.returncode == 0
    assert again.stdout == "nothing to do: the scorer has not changed\n"
    first = harness("rescore", old.run_id, *folder)
    assert first.stdout == f"nothing to do: run {new.run_id} has the current code\n"
    assert len(store(task).runs()) == 2


def test_a_change_that_alters_no_score_leaves_every_value_as_it_was(task):
    with Server() as server:
        for name in ("Digits", "Rooms"):
            run(server, task, "--method", "react", "--method", "exprecent", name=name)
        drawn = ("-M", "temperature=1", "--seeds", "3", "--order", "shuffle:1", "--limit", "7")
        run(server, task, "--method", "exprecent", *drawn, "-T", "feedback=score")
    old = store(task).runs()
    edit(task, RIGHT, f"unused = 1\n        {RIGHT}")
    for one in old:
        told = rescore(task, one.run_id)
        assert (told["n_changed"], told["after"]) == (0, told["before"])
        for was, now in zip(tables(task, one.run_id), tables(task, told["run_id"]), strict=True):
            assert now == {name: {**row, "run_id": told["run_id"]} for name, row in was.items()}
        memory, new_memory = (store(task).memory(run_id) for run_id in (one.run_id, told["run_id"]))
        assert set(new_memory.run_id) <= {told["run_id"]}
        assert new_memory.drop(columns="run_id").equals(memory.drop(columns="run_id"))


def test_a_rescored_run_stands_in_the_leaderboard_instead_of_the_old_one(task):
    with Server() as server:
        arguments = run(server, task, "--method", "baseline")
        edit(task, RIGHT, LENIENT)
        new = rescore(task)["run_id"]
        hint = re.search(r"leaderboard: harness (leaderboard .*)", harness(*arguments).stdout)
    (section,) = build(Board("digits", "digits"), store(task)).sections
    assert [row.run_ids for row in section.rows] == [(new,)]
    assert f"{store(task).runs()[1].score:.2f}"[1:] in harness(*hint[1].split()).stdout


class TestStatefulMethod:
    def test_is_refused_where_it_failed_over_what_it_was_told(self, task):
        method = task.parent / "mine.py"
        method.write_text(
            "from harness_methods.memory.exprecent import ExpRecent\n"
            "class Mine(ExpRecent):\n"
            "    async def evolve(self, experience):\n"
            "        if experience.sample_id == 'n5':\n"
            "            raise ValueError('no')\n"
            "        await super().evolve(experience)\n"
        )
        with Server() as server:
            run(server, task, "--method", f"file:{method}#Mine", "-T", "store=all", code=1)
        edit(task, RIGHT, "right = (self.answer == gold) != (self.number == 5)")
        assert "something else of 1 of 15 samples (n5)" in rescore(task, code=2)

    def test_is_refused_where_its_memory_would_have_been_told_something_else(self, task):
        with Server() as server:
            run(server, task, "--method", "exprecent", "-T", "store=all")
        run_id = store(task).runs()[0].run_id
        edit(task, RIGHT, LENIENT)
        before = files(task)
        said = rescore(task, code=2)
        samples, traces = tables(task, run_id)
        told = [
            name
            for name, sample in samples.items()
            if sample["status"] == "ok"
            and float(traces[name]["output"] in (gold(name), "1")) != sample["score"]
        ]
        assert told
        few = ", ".join(told[:10])
        assert f"told something else of {len(told)} of 15 samples ({few}" in said
        assert f"harness run --config {task.parent}/results/artifacts/{run_id}/spec.yaml" in said
        assert files(task) == before

    def test_is_rescored_where_only_another_metric_is_added(self, task):
        with Server() as server:
            run(server, task, "--method", "exprecent")
        edit(task, '{"half": 0.5}', '{"length": len(self.answer)}')
        told = rescore(task)
        assert told["n_changed"] == 0
        assert told["after"]["length"] == 1.0
        assert "half" not in told["after"]
        assert told["after"]["memory_entries"] == told["before"]["memory_entries"] > 0

    def test_is_rescored_where_the_score_was_not_told(self, task):
        with Server() as server:
            run(server, task, "--method", "exprecent")
            run(server, task, "--method", "exprecent", "-T", "store=all", "-T", "feedback=none")
            run(server, task, "--method", "exprecent", "-T", "feedback=score")
        silent, deaf, keen = (one.run_id for one in store(task).runs())
        edit(task, "Score(float(right), right", "Score(float(right) / 2, right")
        assert rescore(task, silent)["n_changed"] > 0
        assert rescore(task, deaf)["n_changed"] > 0
        assert "would have been told something else" in rescore(task, keen, code=2)

    def test_is_refused_where_the_granted_gold_is_worded_anew(self, task):
        with Server() as server:
            run(server, task, "--method", "exprecent", "-T", "feedback=gold")
            run(server, task, "--method", "exprecent")
        told, untold = (one.run_id for one in store(task).runs())
        edit(task, "gold=gold", "gold=f'{gold}.'")
        assert rescore(task, untold)["n_changed"] == 0
        assert "would have been told something else" in rescore(task, told, code=2)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A task in a file with a run of questions and one of episodes."""
    path = tmp_path_factory.mktemp("finished") / "digits.py"
    path.write_text(TASK)

    def answer(prompt: str) -> str:
        return f"Action: {('dance', 'move forward')[len(prompt) % 2]}"

    with Server(answer) as server:
        run(server, path, "--method", "baseline")
        run(server, path, "--method", "direct+none", name="Rooms")
    return path


@pytest.fixture
def refused(finished, capsys):
    """Rescore a finished run after an edit; returns what is said, after a look that it is all."""

    def call(task_name: str, old: str, new: str) -> str:
        (run_id,) = (one.run_id for one in store(finished).runs() if one.task == task_name)
        before = files(finished)
        edit(finished, old, new)
        try:
            with pytest.raises(SystemExit) as stopped:
                main(["rescore", run_id, "--results", str(finished.parent / "results")])
        finally:
            finished.write_text(TASK)
        assert stopped.value.code == 2
        assert files(finished) == before
        return capsys.readouterr().err

    return call


class TestEpisodeOfManyTurns:
    def test_is_played_again_action_by_action(self, task):
        with Server() as server:
            run(server, task, "--method", "direct+none", name="Rooms")
            asked = server.total
            assert asked == 3 * 15
            edit(task, 'count("move forward")', 'count("turn left")')
            edit(task, "moves / 3", "moves / 4")
            told = rescore(task)
            assert server.total == asked
        samples, traces = tables(task, told["run_id"])
        for name, sample in samples.items():
            actions = [turn["action"] for turn in json.loads(traces[name]["trajectory"])]
            assert len(actions) == 3
            assert set(actions) <= set(ACTIONS)
            assert sample["score"] == actions.count("turn left") / 4
            metrics = dict(sample["metrics"])
            assert metrics["success"] == float("turn left" in actions)
            assert metrics["invalid_actions"] == actions.count("dance")
            assert metrics["steps"] == 3

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"a wall" if', '"a high wall" if'),
            ("len(self.actions) >= 3", "len(self.actions) >= 2"),
            ("len(self.actions) >= 3", "False"),
            ('valid=action != "dance"', "valid=True"),
            ('"You are in a room."', '"You are in a large room."'),
        ],
    )
    def test_is_refused_where_the_world_shows_something_else(self, refused, old, new):
        said = refused("rooms", old, new)
        assert "the task tells or shows something else for sample n" in said
        assert "nothing was written. Run again: harness run --config" in said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('SALT = "salt"', 'SALT = "pepper"', "the items of digits are not those of run"),
        ("range(15)", "range(14)", "the items of digits are not those of run"),
        ('f"s{number % 3}"', '"one"', "is another one, or stands elsewhere"),
        ('"digits-1"', '"digits-2"', "is of version digits-1 of digits, which is digits-2 now"),
        ("gold = str(", "gold = 1 / 0 * str(", "sample n0 cannot be scored: the task's Question"),
        ("float(right), right", "None, right", "sample n0 cannot be scored: the task's Question"),
        ("(13,)", "(4,)", "sample n4 cannot be scored: nobody likes"),
        ("class Question(", "class Question((", "cannot be loaded (SyntaxError"),
    ],
)
def test_other_data_another_version_and_a_broken_task_are_refused(refused, old, new, said):
    assert said in refused("digits", old, new)


def test_another_method_is_refused(task):
    method = task.parent / "mine.py"
    method.write_text(
        "from harness_methods.memory.none import NoMemory\nclass Mine(NoMemory):\n    LIMIT = 3\n"
    )
    with Server() as server:
        run(server, task, "--method", f"file:{method}#Mine")
    edit(method, "LIMIT = 3", "LIMIT = 4")
    assert "was not made with this code of file:" in rescore(task, code=2)
    edit(method, "LIMIT = 4", "LIMIT = 3  # as before")
    assert rescore(task)["note"] == "nothing to do: the scorer has not changed"
    edit(task, RIGHT, LENIENT)
    assert rescore(task)["n_changed"] > 0


def test_failed_samples_keep_their_rows(task):
    method = task.parent / "mine.py"
    method.write_text(
        "from harness_methods.memory.none import NoMemory\n"
        "class Mine(NoMemory):\n"
        "    async def search(self, query):\n"
        "        if query.sample_id == 'n5':\n"
        "            raise ValueError('no')\n"
        "        return await super().search(query)\n"
    )
    with Server() as server:
        run(server, task, "--method", f"file:{method}#Mine", code=1)
    edit(task, RIGHT, "right = True")
    told = rescore(task)
    samples, _ = tables(task, told["run_id"])
    assert (samples["n5"]["status"], samples["n5"]["score"]) == ("failed", 0.0)
    assert told["after"]["score"] == pytest.approx(13 / 14)
    row = store(task).row(told["run_id"])
    assert (row["n_done"], row["n_failed"], row["n_invalid"]) == (15, 1, 1)


def test_an_unfinished_run_is_refused_with_the_mend(task):
    with Server() as server:
        server.broken = lambda prompt: "number 7?" in prompt
        run(server, task, "--method", "baseline", code=1)
    edit(task, RIGHT, LENIENT)
    said = rescore(task, code=2)
    assert re.search(r"run \w+ is incomplete \(14 of 15 samples\); run its command again", said)


def test_an_attempt_with_the_current_code_that_was_broken_off_stays_what_it_is(task):
    with Server() as server:
        arguments = run(server, task, "--method", "baseline")
        old = store(task).runs()[0].run_id
        edit(task, RIGHT, LENIENT)
        server.kill_at = server.total + 3
        server.victim = start(*arguments, "--max-in-flight", "1")
        server.victim.communicate()
        broken = store(task).runs()[-1]
        assert broken.status == "interrupted"
        told = rescore(task, old)
        assert told["run_id"] not in (old, broken.run_id)
        asked = server.total
        assert "nothing to do" in harness(*arguments).stdout
        assert server.total == asked
    assert [str(one.status) for one in store(task).runs()] == [
        "complete",
        "interrupted",
        "complete",
    ]


def test_unknown_run_and_missing_files_get_one_sentence(task):
    assert "unknown run 'latest'; there is none" in rescore(task, code=2)
    with Server() as server:
        run(server, task, "--method", "baseline")
    run_id = store(task).runs()[0].run_id
    assert "unknown run 'nope'" in rescore(task, "nope", code=2)
    edit(task, RIGHT, LENIENT)
    results = task.parent / "results"
    trace = results / "traces" / "task=digits" / f"{run_id}.parquet"
    whole = trace.read_bytes()
    trace.write_bytes(whole[: len(whole) // 2])
    assert "is damaged" in rescore(task, code=2)
    trace.unlink()
    assert "is missing; restore it" in rescore(task, code=2)
    trace.write_bytes(whole)
    (results / "artifacts" / run_id / "spec.yaml").unlink()
    assert "spec.yaml is missing" in rescore(task, code=2)
