"""`--shard i/n`: parts of a sweep in processes of their own make exactly its runs, each once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import Server, comparable, harness, run_arguments, start

TASK = Path(__file__).parent / "_support" / "digits_task.py"
SWEEP = (
    *("--task", f"file:{TASK}#Digits", "-T", "store=all"),
    *("--method", "baseline", "--method", "exprecent", "--method", "exprag"),
    *("--method", "history", "--method", "random"),
)


def lines(folder: Path) -> list[dict[str, object]]:
    return json.loads(harness("results", "--results", str(folder), "--json").stdout)


def test_two_shards_at_once_make_the_runs_of_the_whole_sweep_each_once(tmp_path):
    with Server() as server:
        assert harness(*run_arguments(server, tmp_path / "whole", *SWEEP)).returncode == 0
        asked = server.asked.copy()
    with Server() as server:
        arguments = run_arguments(server, tmp_path / "parts", *SWEEP, "--json")
        parts = [start(*arguments, "--shard", f"{part}/2") for part in (1, 2)]
        outcomes = [json.loads(one.communicate(timeout=180)[0]) for one in parts]
        assert [one.returncode for one in parts] == [0, 0]
        assert server.asked == asked
        again = harness(*arguments)
        assert again.returncode == 0
        assert all("nothing to do" in one["note"] for one in json.loads(again.stdout))
        assert server.asked == asked
    methods = [[one["method"] for one in part] for part in outcomes]
    assert methods == [["baseline", "exprag", "random"], ["exprecent", "history"]]
    assert comparable(tmp_path / "parts") == comparable(tmp_path / "whole")
    runs = lines(tmp_path / "parts")
    assert len(runs) == len({one["work_key"] for one in runs}) == 5
    assert {one["work_key"] for one in runs} == {
        one["work_key"] for one in lines(tmp_path / "whole")
    }


def test_a_shard_can_be_continued_and_belongs_to_the_unsharded_command_too(tmp_path):
    with Server() as server:
        arguments = run_arguments(server, tmp_path, *SWEEP)
        server.broken = lambda _prompt: server.total > 8
        assert harness(*arguments, "--shard", "2/2").returncode == 1
        server.broken = lambda _prompt: False
        done = harness(*arguments)
        assert done.returncode == 0
        assert "nothing to do" not in done.stdout
    runs = lines(tmp_path)
    assert {one["status"] for one in runs} == {"complete"}
    assert len(runs) == 5


def plan(tmp_path, *more):
    with Server() as server:
        done = harness(*run_arguments(server, tmp_path, *SWEEP, *more, "--dry-run", "--json"))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_plan_of_a_shard_has_its_runs_and_the_design_of_the_whole(tmp_path):
    seeds = ("-M", "temperature=1", "--seeds", "0-2", "--order", "native", "--order", "shuffle:1")
    whole = plan(tmp_path, *seeds)
    parts = [plan(tmp_path, *seeds, "--shard", f"{part}/4") for part in (1, 2, 3, 4)]
    keys = [one["work_key"] for part in parts for one in part["runs"]]
    assert sorted(keys) == sorted(one["work_key"] for one in whole["runs"])
    assert {len(part["runs"]) for part in parts} == {7, 8}
    for part in parts:
        assert {**part, "runs": []} == {**whole, "runs": []}


def test_a_shard_without_runs_is_done_at_once(tmp_path):
    with Server() as server:
        arguments = run_arguments(server, tmp_path, *SWEEP, "--shard", "6/6")
        done = harness(*arguments)
        assert (done.returncode, done.stdout) == (0, "")
        assert "shard 6/6 has no run; the sweep has fewer runs than parts." in done.stderr
        assert json.loads(harness(*arguments, "--json").stdout) == []
        planned = harness(*arguments, "--dry-run")
        assert planned.stdout == "shard 6/6 has no run; the sweep has fewer runs than parts.\n"
        assert server.total == 0


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1/0", "1", "a/b", "-1/2", "1/2/3", "1.5/2", ""])
def test_what_is_no_part_is_refused_with_the_form(tmp_path, shard):
    done = harness("run", *SWEEP[:2], f"--shard={shard}", cwd=tmp_path)
    assert done.returncode == 2
    assert f"shard '{shard}' is no part; write 1/4, 2/4, 3/4 or 4/4." in done.stderr
    assert "Traceback" not in done.stderr
