"""Checkpoints, hold-out, repeats, wrong feedback and inherited memories, through the executor."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pandas as pd
import pytest
from support import Server, comparable, harness, run_arguments, start

from harness.protocols.stream import Item, StreamSettings
from harness.protocols.stream.probes import Probes
from harness.results.store import ResultsStore
from harness.streaming.orders import streams_of

STREAM = ("-T", "streams=2", "-T", "items=7", "-T", "store=all", "--embedder", "bm25")
PROBED = (*STREAM, "-T", "checkpoints=2", "-T", "holdout=2", "-T", "revisit=true")


def items(count, stream="s", **fields):
    return [Item(f"{stream}/{n}", stream, f"{stream}{n}", **fields) for n in range(count)]


class TestPlanned:
    def test_states_are_spread_evenly_from_the_empty_memory_to_the_end(self):
        assert Probes.planned(items(10), (), 4, revisit=True).states == (0, 2, 5, 8, 10)
        assert Probes.planned(items(3), (), 9, revisit=True).states == (0, 1, 2, 3)

    def test_what_lies_behind_is_revisited_and_everything_before_the_first(self):
        own, held = items(4), items(2, "h")
        probes = Probes.planned(own, held, 2, revisit=True)
        assert [len(probes.at(state)) for state in (0, 1, 2, 4)] == [6, 0, 4, 6]
        assert len(probes) == 16
        assert len(Probes.planned(own, held, 2, revisit=False)) == 6

    def test_a_repeated_item_is_asked_once(self):
        (stream,) = streams_of(items(3), "repeated:2")
        probes = Probes.planned(stream.items, (), 1, revisit=True)
        assert [one.sample_id for one in probes.at(6)] == ["s/0", "s/1", "s/2"]

    def test_the_same_items_are_held_out_in_every_order(self):
        given = items(8)
        (native,) = streams_of(given, "native", 3)
        for order in ("shuffle:5", "grouped", "repeated:3"):
            (other,) = streams_of(given, order, 3)
            assert other.holdout == native.holdout
            assert not {one.sample_id for one in other.items} & {
                one.sample_id for one in other.holdout
            }

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"checkpoints": 2}, "goes with holdout=N"),
            ({"holdout": 2}, "goes with holdout=N"),
            ({"flip": 0.5, "feedback": "gold", "store": "all"}, "use feedback=correctness"),
            ({"flip": 0.5, "feedback": "none", "store": "all"}, "use feedback=correctness"),
        ],
    )
    def test_settings_that_mean_nothing_together_are_refused(self, given, words):
        with pytest.raises(ValueError, match=words):
            StreamSettings(**given)


def samples(results: Path, method: str) -> pd.DataFrame:
    store = ResultsStore(results)
    (run,) = [one for one in store.runs() if one.method == method]
    return store.samples("evo-memory", [run.run_id])


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probed")
    with Server() as server:
        methods = ("--method", "exprag", "--method", "baseline")
        done = harness(*run_arguments(server, folder / "r", *PROBED, *methods))
        assert done.returncode == 0, done.stderr
        plain = harness(
            *run_arguments(server, folder / "plain", *STREAM, "-T", "items=7", *methods)
        )
        assert plain.returncode == 0, plain.stderr
        return folder, server.total


class TestProbes:
    def test_every_state_is_asked_what_it_should_be(self, probed):
        table = samples(probed[0] / "r", "exprag")
        counts = table[table["stream_id"] == "000"].groupby("checkpoint").size().to_dict()
        assert counts == {"": 5, "after-000000": 7, "after-000002": 4, "after-000005": 7}

    def test_a_method_without_a_state_is_asked_once(self, probed):
        table = samples(probed[0] / "r", "baseline")
        counts = table[table["stream_id"] == "000"].groupby("checkpoint").size().to_dict()
        assert counts == {"": 5, "after-000000": 7}

    def test_they_are_no_part_of_the_run_s_figures_and_change_no_memory(self, probed):
        store = ResultsStore(probed[0] / "r")
        (run,) = [one for one in store.runs() if one.method == "exprag"]
        assert (run.n_planned, run.n_done, str(run.status)) == (10, 10, "complete")
        online = samples(probed[0] / "r", "exprag").query("checkpoint == ''")
        assert run.score == pytest.approx(online["score"].mean())
        written = store.memory(run.run_id).query("op == 'added'")
        assert len(written) == 10
        assert set(written["sample_id"]) == set(online["sample_id"])

    def test_the_empty_memory_shows_nothing_and_a_full_one_does(self, probed):
        table = samples(probed[0] / "r", "exprag").set_index("checkpoint")
        shown = table["metrics"].map(lambda one: dict(one)["retrieved"])
        assert set(shown["after-000000"]) == {0.0}
        assert set(shown["after-000005"]) == {4.0}

    def test_a_killed_run_asks_only_what_is_missing(self, probed, tmp_path):
        with Server() as server:
            methods = ("--method", "exprag", "--method", "baseline")
            arguments = run_arguments(server, tmp_path / "r", *PROBED, *methods)
            for at in (5, 11, 20):
                server.kill_with = signal.SIGKILL
                server.victim = start(*arguments)
                server.kill_at = server.total + at
                server.victim.communicate(timeout=60)
                server.kill_at = None
            done = harness(*arguments)
            assert done.returncode == 0, done.stderr
        assert comparable(tmp_path / "r") == comparable(probed[0] / "r")


def test_feedback_is_turned_around_for_the_same_items_of_every_method(tmp_path):
    with Server() as server:
        done = harness(
            *run_arguments(server, tmp_path, *STREAM, "-T", "flip=0.5", "-T", "flip_until=0.6"),
            *("--method", "exprag", "--method", "exprecent", "--method", "baseline"),
        )
        assert done.returncode == 0, done.stderr
    found = []
    for method in ("exprag", "exprecent", "baseline"):
        table = samples(tmp_path, method).sort_values(["stream_id", "step"])
        wrong = [dict(one)["feedback_wrong"] for one in table["metrics"]]
        found.append(wrong)
        told = [
            json.loads(one)["correct"]
            for one in ResultsStore(tmp_path)
            .traces("evo-memory", list(table["run_id"].unique()))
            .sort_values(["stream_id", "step"])["feedback"]
        ]
        true = (table["score"] == 1).tolist()
        assert told == [one != bool(bad) for one, bad in zip(true, wrong, strict=True)]
        assert not any(bad for bad, step in zip(wrong, table["step"], strict=True) if step > 4)
    assert found[0] == found[1] == found[2]
    assert 0 < sum(found[0]) < 10


def test_a_memory_is_taken_over_and_frozen_or_grows_on(tmp_path):
    with Server() as server:
        first = run_arguments(server, tmp_path, *STREAM, "--method", "exprag")
        assert harness(*first).returncode == 0
        (source,) = ResultsStore(tmp_path).runs()
        more = ("-T", f"memory_from={source.run_id}", "-T", "families=gcd", "-T", "items=3")
        for frozen in ("true", "false"):
            arguments = run_arguments(
                server, tmp_path, *STREAM, *more, "-T", f"frozen={frozen}", "--method", "exprag"
            )
            done = harness(*arguments)
            assert done.returncode == 0, done.stderr
        other = run_arguments(server, tmp_path, *STREAM, *more, "--method", "exprecent")
        refused = harness(*other)
        none = harness(*run_arguments(server, tmp_path, "-T", "memory_from=01ABC"))
    assert refused.returncode == none.returncode == 2
    assert "whose memory is not that of exprecent" in refused.stderr
    runs = {
        json.loads(ResultsStore(tmp_path).row(one.run_id)["task_options"]).get("frozen"): one.run_id
        for one in ResultsStore(tmp_path).runs()
        if one.run_id != source.run_id
    }
    table = ResultsStore(tmp_path).samples("evo-memory", [runs[True]])
    sizes = [dict(one)["memory_entries"] for one in table["metrics"]]
    assert sizes == [7.0] * 6
    grown = ResultsStore(tmp_path).samples("evo-memory", [runs[None]]).sort_values("step")
    assert [dict(one)["memory_entries"] for one in grown["metrics"]] == [8, 8, 9, 9, 10, 10]
    ids = ResultsStore(tmp_path).memory(runs[None]).query("op == 'added'")["entry_id"]
    assert sorted(set(ids)) == ["e7", "e8", "e9"]


class TestOrders:
    def given(self):
        groups = ("a", "a", "b", "a", "c", "b")
        return [Item(f"{n}", "s", str(n), group=group) for n, group in enumerate(groups)]

    @pytest.mark.parametrize(
        ("order", "expected"),
        [("grouped", "013254"), ("interleaved", "024153"), ("repeated:2", "012345012345")],
    )
    def test_items_by_their_groups_and_again(self, order, expected):
        (stream,) = streams_of(self.given(), order)
        assert "".join(one.sample_id for one in stream.items) == expected

    def test_repeats_are_told_apart(self):
        (stream,) = streams_of(self.given(), "repeated:3")
        assert len({(one.sample_id, one.repeat) for one in stream.items}) == 18
