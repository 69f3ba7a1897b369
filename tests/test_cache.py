"""`--cache`: no answer is bought twice, whoever asks; and the verbs that show and clear it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import MODEL, Server, comparable, harness, run_arguments, start

from harness.results.store import ResultsStore

TASK = ("--task", f"file:{Path(__file__).parent / '_support' / 'digits_task.py'}#Digits")
ITEMS = 15


@pytest.fixture
def env(tmp_path):
    """An empty cache."""
    return {"HARNESS_CACHE": str(tmp_path / "cache")}


def arguments(server: Server, folder: Path, *more: str) -> list[str]:
    return run_arguments(server, folder, *TASK, "--cache", *more)


def run(server: Server, folder: Path, env: dict[str, str], *more: str):
    """Run with the cache; returns how many requests reached the server."""
    asked = server.total
    done = harness(*arguments(server, folder, *more), env=env)
    assert done.returncode == 0, done.stderr
    return server.total - asked


def rows(folder: Path):
    store = ResultsStore(folder)
    return [store.row(one.run_id) for one in store.runs()]


def calls(folder: Path):
    """Every call of every trace."""
    store = ResultsStore(folder)
    for one in store.runs():
        for text in store.traces(one.task, [one.run_id]).calls:
            yield from json.loads(text)


def cache(env, *words: str, code: int = 0):
    done = harness("cache", *words, env=env)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


def test_the_same_sweep_again_asks_nothing_and_has_the_same_samples(tmp_path, env):
    methods = ("--method", "exprecent", "--method", "remem:rounds=2", "-T", "store=all")
    prices = tmp_path / "prices.yaml"
    prices.write_text(f"openai:{MODEL}: {{input: 1000, output: 4000}}\n")
    priced = (*methods, "--prices", str(prices))
    with Server() as server:
        assert run(server, tmp_path / "first", env, *priced) > 0
        assert run(server, tmp_path / "second", env, *priced) == 0
        assert run(server, tmp_path / "first", env, *priced, "--fresh") == 0
    first, second = comparable(tmp_path / "first"), comparable(tmp_path / "second")
    for name, found in second.items():
        assert {**found, "texts": ()} == {**first[name], "texts": ()}
    shared = {call["messages"][-1]["content"] for call in calls(tmp_path / "first")}
    assert all(call["cached"] is True for call in calls(tmp_path / "second"))
    assert {call["messages"][-1]["content"] for call in calls(tmp_path / "second")} == shared
    bought, free = rows(tmp_path / "first")[:2], rows(tmp_path / "second")
    for row, again in zip(bought, free, strict=True):
        assert again["paid_input_tokens"] == again["paid_output_tokens"] == again["cost"] == 0
        assert again["input_tokens"] == row["input_tokens"] > 0
        assert again["output_tokens"] == row["output_tokens"] > 0
    assert bought[0]["cost"] > 0


def test_without_the_option_nothing_is_kept_or_taken(tmp_path, env):
    with Server() as server:
        for folder in ("first", "second"):
            done = harness(*run_arguments(server, tmp_path / folder, *TASK), env=env)
            assert done.returncode == 0
        assert server.total == 2 * ITEMS
    assert not (tmp_path / "cache" / "responses.sqlite").exists()
    assert not any("cached" in call for call in calls(tmp_path / "first"))


def test_the_variable_turns_it_on(tmp_path, env):
    with Server() as server:
        for folder in ("first", "second"):
            done = harness(
                *run_arguments(server, tmp_path / folder, *TASK),
                env=env | {"HARNESS_RESPONSE_CACHE": "1"},
            )
            assert done.returncode == 0, done.stderr
        assert server.total == ITEMS


def test_another_method_with_the_same_prompts_asks_nothing(tmp_path, env):
    with Server() as server:
        assert run(server, tmp_path, env, "--method", "baseline") == ITEMS
        assert run(server, tmp_path, env, "--method", "direct+none") == 0
    bought, free = rows(tmp_path)
    assert bought["work_key"] != free["work_key"]
    assert free["paid_input_tokens"] == 0
    assert dict(free["metrics"])["score"] == dict(bought["metrics"])["score"]


def test_runs_of_one_sweep_that_ask_the_same_at_once_buy_it_once(tmp_path, env):
    with Server() as server:
        methods = ("--method", "baseline", "--method", "direct+none")
        assert run(server, tmp_path, env, *methods) == ITEMS
        assert set(server.asked.values()) == {1}
    marks = [call.get("cached", False) for call in calls(tmp_path)]
    assert sorted(marks) == [False] * ITEMS + [True] * ITEMS
    paid, total = (
        sum(row[one] for row in rows(tmp_path)) for one in ("paid_input_tokens", "input_tokens")
    )
    assert 2 * paid == total


def test_sampled_answers_are_kept_for_their_own_seed(tmp_path, env):
    drawn = ("-M", "temperature=0.7")
    with Server() as server:
        assert run(server, tmp_path, env, *drawn, "--seeds", "0-1") == 2 * ITEMS
        assert set(server.asked.values()) == {2}
        assert run(server, tmp_path, env, *drawn, "--seeds", "0-1", "--fresh") == 0
        assert run(server, tmp_path, env, *drawn, "--seeds", "1-2") == ITEMS
        assert run(server, tmp_path, env, "-M", "temperature=0.8", "--seeds", "0") == ITEMS
        assert run(server, tmp_path, env) == ITEMS


def test_another_revision_and_another_server_are_asked_themselves(tmp_path, env):
    with Server() as server, Server() as other:
        assert run(server, tmp_path / "1", env) == ITEMS
        named = f"openai:{MODEL}"
        words = arguments(server, tmp_path / "2")
        revised = [f"{named}@r2" if word == named else word for word in words]
        assert harness(*revised, env=env).returncode == 0
        assert server.total == 2 * ITEMS
        assert run(other, tmp_path / "3", env) == ITEMS
        assert server.total == 2 * ITEMS


def test_what_failed_is_not_kept(tmp_path, env):
    with Server() as server:
        server.broken = lambda prompt: "number 7?" in prompt
        assert harness(*arguments(server, tmp_path / "1"), env=env).returncode == 1
        server.broken = lambda _prompt: False
        assert run(server, tmp_path / "2", env) == 1


def test_answers_of_the_cache_are_below_every_ceiling(tmp_path, env):
    with Server() as server:
        run(server, tmp_path / "1", env)
        assert run(server, tmp_path / "2", env, "--max-tokens-total", "1") == 0


def test_a_killed_run_goes_on_and_two_processes_share(tmp_path, env):
    with Server() as server:
        words = arguments(server, tmp_path / "1", "--max-in-flight", "1")
        server.victim = start(*words, env=env)
        server.kill_at = 6
        server.victim.communicate()
        both = [start(*arguments(server, tmp_path / name), env=env) for name in ("1", "2")]
        for one in both:
            _, err = one.communicate(timeout=180)
            assert one.returncode == 0, err
        assert ITEMS <= server.total <= 2 * ITEMS
        assert run(server, tmp_path / "3", env) == 0
    expected = {call["output"]: 1 for call in calls(tmp_path / "3")}
    assert {call["output"]: 1 for call in calls(tmp_path / "1")} == expected
    samples = [comparable(tmp_path / name)["baseline"]["samples"] for name in ("1", "2", "3")]
    assert len(set(samples)) == 1
    assert json.loads(cache(env, "info", "--json"))["answers"] == ITEMS


def test_a_damaged_cache_is_one_sentence_and_clear_mends_it(tmp_path, env):
    with Server() as server:
        run(server, tmp_path / "1", env)
        (tmp_path / "cache" / "responses.sqlite").write_bytes(b"no database" * 1000)
        done = harness(*arguments(server, tmp_path / "2"), env=env)
        assert done.returncode == 2
        assert done.stderr.strip().splitlines()[-1].startswith("harness: the response cache ")
        assert "harness cache clear starts a new one" in done.stderr
        assert "Traceback" not in done.stderr
        assert server.total == ITEMS
        assert "harness cache clear starts a new one" in cache(env, code=2)
        assert cache(env, "clear") == "the cache was damaged; it is gone, with all its answers\n"
        assert run(server, tmp_path / "2", env) == ITEMS
        assert run(server, tmp_path / "3", env) == 0


def test_a_cache_that_breaks_under_way_stops_with_the_mend_and_loses_no_sample(tmp_path, env):
    with Server() as server:
        run(server, tmp_path / "1", env)
        path = tmp_path / "cache" / "responses.sqlite"
        content = bytearray(path.read_bytes())
        content[4096:] = b"\xaa" * (len(content) - 4096)
        path.write_bytes(content)
        words = arguments(server, tmp_path / "2")
        done = harness(*words, env=env)
        assert done.returncode == 1
        assert "make room or run harness cache clear, then the same command again" in done.stderr
        assert "Traceback" not in done.stderr
        cache(env, "clear")
        assert harness(*words, env=env).returncode == 0
    (row,) = rows(tmp_path / "2")
    assert (row["n_done"], row["n_error"]) == (ITEMS, 0)


def test_info_says_where_it_is_and_what_is_in_it_and_clear_forgets(tmp_path, env):
    path = tmp_path / "cache" / "responses.sqlite"
    assert cache(env) == f"{path}: 0 answers, 0.0 MB\n"
    assert cache(env, "clear") == "0 answers forgotten\n"
    with Server() as server:
        run(server, tmp_path / "1", env)
        told = cache(env, "info")
        assert told.startswith(f"{path}: {ITEMS} answers, ")
        assert told.splitlines()[1:] == ["model           answers", f"{MODEL}  {ITEMS}"]
        found = json.loads(cache(env, "--json"))
        assert found == {
            "path": str(path),
            "bytes": path.stat().st_size,
            "answers": ITEMS,
            "models": {MODEL: ITEMS},
        }
        wrong = cache(env, "clear", "--model", "scripted-modl", code=2)
        assert "unknown model of the response cache 'scripted-modl'; did you mean" in wrong
        assert "write --json after clear" in cache(env, "--json", "clear", code=2)
        told = cache(env, "clear", "--model", MODEL, "--json")
        assert json.loads(told) == {"path": str(path), "forgotten": ITEMS}
        assert run(server, tmp_path / "2", env) == ITEMS
        assert cache(env, "clear") == f"{ITEMS} answers forgotten\n"
