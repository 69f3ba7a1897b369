"""A run that is stopped, however rudely, and started again equals one that was never stopped."""

from __future__ import annotations

import json
import random
import resource
import signal
from collections import Counter
from pathlib import Path

import pytest
from memories import asks_to_write, writer
from support import (
    MODEL,
    Server,
    comparable,
    digest,
    harness,
    run_arguments,
    scripted_answer,
    start,
)

QUESTIONS = ("-T", "streams=3", "-T", "items=5", "-T", "store=all")
METHODS = (
    *("baseline", "history", "react", "exprecent", "exprag", "remem:rounds=2"),
    *("random", "static", "shuffled", "refine:prune_persists=true+exprag", "react+exprag"),
    *("selfrag", "amem", "mem0", "mem0-additive", "dc-cu", "dc-rs", "awm", "reasoning-bank"),
)
ALL = tuple(word for method in METHODS for word in ("--method", method))


def answer(prompt: str) -> str:
    """Answer agents and memories in the forms that they ask for."""
    return writer(prompt) if asks_to_write(prompt) else scripted_answer(prompt)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Samples, texts and memories of an undisturbed run of every method, and its calls."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    with Server(answer) as server:
        done = harness(*run_arguments(server, folder, *QUESTIONS, *ALL))
        assert done.returncode == 0, done.stderr
        return comparable(folder), server.total


def run_killed(server: Server, arguments: list[str], at: int, how: signal.Signals) -> int:
    """Run until the server has been asked `at` times, then signal the process."""
    server.kill_with = how
    server.victim = start(*arguments)
    server.kill_at = server.total + at
    _, err = server.victim.communicate(timeout=180)
    server.kill_at = None
    assert "Traceback" not in err, err
    return server.victim.returncode


def test_killed_run_of_every_method_continues_without_repeating(tmp_path, uninterrupted):
    expected, calls = uninterrupted
    places = 8
    with Server(answer) as server:
        arguments = run_arguments(
            server, tmp_path, *QUESTIONS, *ALL, "--max-in-flight", str(places)
        )
        kills = random.Random(20).sample(range(1, calls // 3), 3)
        for at in kills:
            assert run_killed(server, arguments, at, signal.SIGKILL) == -signal.SIGKILL
        done = harness(*arguments)
        assert done.returncode == 0, done.stderr
        assert comparable(tmp_path) == expected
        assert calls <= server.total <= calls + places * len(kills)
        assert server.most_in_flight <= places


def test_same_command_again_says_that_there_is_nothing_to_do(tmp_path):
    with Server() as server:
        arguments = run_arguments(server, tmp_path, *QUESTIONS, "--method", "exprag")
        assert harness(*arguments).returncode == 0
        asked = server.total
        again = harness(*arguments)
        assert again.returncode == 0
        assert "nothing to do" in again.stdout
        assert server.total == asked
        fresh = harness(*arguments, "--fresh")
        assert fresh.returncode == 0
        assert server.total == 2 * asked
    assert len(list((tmp_path / "runs").glob("*.parquet"))) == 2


def test_interrupt_stops_cleanly_and_the_same_command_finishes(tmp_path, uninterrupted):
    expected, calls = uninterrupted
    with Server(answer) as server:
        arguments = run_arguments(server, tmp_path, *QUESTIONS, *ALL)
        assert run_killed(server, arguments, calls // 2, signal.SIGINT) == 130
        listed = harness("results", "--results", str(tmp_path), "--json")
        runs = json.loads(listed.stdout)
        assert {run["status"] for run in runs} <= {"interrupted", "complete"}
        assert run_killed(server, arguments, 20, signal.SIGTERM) == 130
        assert harness(*arguments).returncode == 0
    assert comparable(tmp_path) == expected


def test_kill_in_the_middle_of_a_long_episode_replays_its_calls(tmp_path):
    episode = ("-T", "subset=babyai", "-T", "streams=1", "--limit", "2", "-T", "store=all")
    methods = ("--method", "exprag", "--method", "remem", "--method", "history")
    with Server() as server:
        done = harness(*run_arguments(server, tmp_path / "whole", *episode, *methods))
        assert done.returncode == 0, done.stderr
        calls = server.total
    with Server() as server:
        arguments = run_arguments(server, tmp_path / "killed", *episode, *methods)
        for at in (17, 40):
            assert run_killed(server, arguments, at, signal.SIGKILL) == -signal.SIGKILL
        assert harness(*arguments).returncode == 0
        assert server.total <= calls + 2 * len(methods)
    assert comparable(tmp_path / "killed") == comparable(tmp_path / "whole")


def test_kill_during_publication_leaves_a_whole_run_or_one_to_continue(tmp_path, uninterrupted):
    expected, calls = uninterrupted
    with Server(answer) as server:
        arguments = run_arguments(server, tmp_path, *QUESTIONS, *ALL)
        # The first files of each table: before, between and after what belongs together.
        for table in ("samples", "traces", "artifacts/*/memory.parquet", "runs"):
            pattern = table if "*" in table else f"{table}/**/*.parquet"
            before = set(tmp_path.glob(pattern))
            process = start(*arguments)
            while process.poll() is None and set(tmp_path.glob(pattern)) == before:
                pass
            process.kill()
            process.communicate()
        assert harness(*arguments).returncode == 0
        assert comparable(tmp_path) == expected
        assert server.total <= calls + 4 * 33


def test_a_run_is_not_continued_with_another_model(tmp_path):
    rules = tmp_path / "rules.jsonl"
    rules.write_text('{"match": "", "text": "1", "delay_s": 0.05}\n')
    arguments = [
        *("run", "--task", "evo-memory", "--method", "exprecent", *QUESTIONS),
        *("--model", f"scripted:{rules}", "--results", str(tmp_path / "r")),
    ]
    process = start(*arguments)
    journals = tmp_path / "r" / "journal"
    while not any('"sample"' in path.read_text() for path in journals.glob("*.jsonl")):
        assert process.poll() is None
    process.kill()
    process.communicate()
    rules.write_text('{"match": "", "text": "2"}\n')
    refused = harness(*arguments)
    assert refused.returncode == 2
    assert "was begun with rules.jsonl" in refused.stderr
    assert harness(*arguments, "--fresh").returncode == 0


@pytest.mark.parametrize("engine", [None, [["scripted-model", "", "openai-compatible"]]])
def test_a_journal_that_says_less_of_its_engine_is_continued(tmp_path, engine):
    """As an older version wrote it, or as a kill between the first two lines left it."""
    with Server() as server:
        arguments = run_arguments(server, tmp_path, *QUESTIONS, "--method", "exprecent")
        assert run_killed(server, arguments, 6, signal.SIGKILL) == -signal.SIGKILL
        (path,) = (tmp_path / "journal").glob("*.jsonl")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        kept = [one for one in lines if one["kind"] != "engine"]
        if engine is not None:
            kept.insert(1, {"kind": "engine", "engine": engine})
        path.write_text("".join(json.dumps(one) + "\n" for one in kept))
        done = harness(*arguments)
        assert done.returncode == 0, done.stderr
        assert server.total <= 15 + 8


def test_results_tell_what_was_done_since_an_incomplete_run_was_published(tmp_path):
    more = ("-T", "streams=2", "-T", "items=4", "-T", "store=all", "--method", "exprecent")
    with Server() as server:
        arguments = run_arguments(server, tmp_path, *more)
        server.broken = lambda _prompt: server.total > 3
        assert harness(*arguments).returncode == 1
        listed = json.loads(harness("results", "--results", str(tmp_path), "--json").stdout)
        done = listed[0]["n_done"]
        assert listed[0]["status"] == "incomplete"
        server.broken = lambda _prompt: False
        assert run_killed(server, arguments, 3, signal.SIGKILL) == -signal.SIGKILL
        listed = json.loads(harness("results", "--results", str(tmp_path), "--json").stdout)
        assert listed[0]["n_done"] > done
        assert listed[0]["status"] == "interrupted"


def test_bought_embeddings_are_not_bought_again(tmp_path):
    more = (*QUESTIONS, "--method", "exprag", "--embedder", f"openai:{MODEL}")
    with Server() as server:
        arguments = run_arguments(server, tmp_path / "whole", *more)
        done = harness(*arguments)
        assert done.returncode == 0, done.stderr
        texts = set(server.embedded)
        assert set(server.embedded.values()) == {1}
    with Server() as server:
        arguments = run_arguments(server, tmp_path / "killed", *more)
        assert run_killed(server, arguments, 9, signal.SIGKILL) == -signal.SIGKILL
        assert harness(*arguments).returncode == 0
        assert set(server.embedded) == texts
        assert server.embedded.total() <= len(texts) + 3
    assert comparable(tmp_path / "killed") == comparable(tmp_path / "whole")


def test_full_disk_stops_with_one_sentence_and_loses_nothing(tmp_path, uninterrupted):
    expected, calls = uninterrupted

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))

    with Server(answer) as server:
        arguments = run_arguments(server, tmp_path, *QUESTIONS, *ALL)
        full = harness(*arguments, preexec_fn=small_disk)
        assert full.returncode == 1
        assert "cannot write" in full.stderr
        assert "Traceback" not in full.stderr
        done = harness(*arguments)
        assert done.returncode == 0, done.stderr
        assert server.total <= calls + 2 * 33
    assert comparable(tmp_path) == expected


def test_unwritable_results_folder_is_refused_before_the_first_call(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with Server() as server:
        done = harness(*run_arguments(server, tmp_path / "file" / "results", *QUESTIONS))
        assert done.returncode == 2
        assert "cannot write results" in done.stderr
        assert server.total == 0


class TestServerThatFailsForEverOnOneRequestInFifty:
    questions = ("-T", "streams=10", "-T", "items=6", "-T", "store=all")

    @staticmethod
    def one_in_fifty(prompt: str) -> bool:
        return digest(prompt) % 50 == 7

    def run(self, server: Server, folder: Path, method: str):
        arguments = run_arguments(server, folder, *self.questions, "--method", method)
        return arguments, harness(*arguments)

    def test_stateless_method_keeps_every_other_row(self, tmp_path):
        with Server() as server:
            server.broken = self.one_in_fifty
            arguments, done = self.run(server, tmp_path, "baseline")
            assert done.returncode == 1
            rows = self.rows(tmp_path)
            bad = {prompt for prompt in server.asked if self.one_in_fifty(prompt)}
            assert len(bad) >= 1
            assert len(rows) == 60
            assert (rows.status == "error").sum() == len(bad)
            assert rows[rows.status == "error"].error.str.contains("status 500").all()
            asked = Counter(server.asked)
            server.broken = lambda _prompt: False
            assert harness(*arguments).returncode == 0
            again = server.asked - asked
            assert set(again) == bad
            rows = self.rows(tmp_path)
            assert (rows.status == "ok").all()
            assert set(rows[rows.attempt == 2].sample_id) == set(rows[rows.attempt > 1].sample_id)

    def test_stateful_stream_stops_at_its_last_commit_and_the_others_go_on(self, tmp_path):
        with Server() as server:
            server.broken = self.one_in_fifty
            arguments, done = self.run(server, tmp_path / "broken", "exprag")
            assert done.returncode == 1
            rows = self.rows(tmp_path / "broken")
            stopped = rows[rows.status == "error"]
            assert 1 <= len(stopped) < 10
            for _, row in stopped.iterrows():
                stream = rows[rows.stream_id == row.stream_id]
                assert stream.step.max() == row.step
                assert (stream[stream.step < row.step].status == "ok").all()
            whole = set(rows.stream_id) - set(stopped.stream_id)
            assert all((rows.stream_id == one).sum() == 6 for one in whole)
            listed = harness("results", "--results", str(tmp_path / "broken"))
            assert "incomplete" in listed.stdout
            server.broken = lambda _prompt: False
            assert harness(*arguments).returncode == 0
        with Server() as server:
            _, done = self.run(server, tmp_path / "well", "exprag")
            assert done.returncode == 0
        assert comparable(tmp_path / "broken") == comparable(tmp_path / "well")

    @staticmethod
    def rows(folder: Path):
        from harness.results.store import ResultsStore

        store = ResultsStore(folder)
        return store.samples("evo-memory", [run.run_id for run in store.runs()])
