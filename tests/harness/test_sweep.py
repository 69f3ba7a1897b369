from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UnknownName, UsageError
from harness.sweep import Sweep, read_sweep

WRITTEN = """
task: evo-memory
method: [baseline, "react+exprag:k=8"]
model: smollm2
task_options: {subset: babyai, levels: 3}
sampling: {temperature: 0.2}
model_args: {retries: 3, dtype: bfloat16, eager: true, timeout_s: 1.5}
seeds: 0-4
order: [native, "shuffle:1"]
limit: 10
"""


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "sweep.yaml"

    def write(text):
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_file_holds_what_the_command_line_holds(written):
    sweep = read_sweep({}, written(WRITTEN))
    assert sweep == Sweep(
        task="evo-memory",
        method=("baseline", "react+exprag:k=8"),
        model=("smollm2",),
        task_options={"subset": "babyai", "levels": 3},
        sampling={"temperature": 0.2},
        model_args={"retries": "3", "dtype": "bfloat16", "eager": "true", "timeout_s": "1.5"},
        seeds="0-4",
        order=("native", "shuffle:1"),
        limit=10,
    )


def test_given_values_win_over_the_file_and_options_are_joined(written):
    sweep = read_sweep(
        {
            "task": "tofu",
            "method": ("npo",),
            "task_options": {"subset": "forget10"},
            "model_args": {"retries": "0"},
            "limit": 2,
        },
        written(WRITTEN),
    )
    assert (sweep.task, sweep.method, sweep.limit) == ("tofu", ("npo",), 2)
    assert sweep.task_options == {"subset": "forget10", "levels": 3}
    assert sweep.model_args["retries"] == "0"
    assert sweep.model_args["dtype"] == "bfloat16"
    assert sweep.sampling == {"temperature": 0.2}


def test_an_empty_field_of_a_file_is_its_default(written):
    sweep = read_sweep({}, written("task: t\nmethod:\nseeds:\ntask_options:\nlimit:\n"))
    assert sweep == Sweep(task="t")


def test_a_saved_sweep_reads_back_as_itself(written):
    canary = "kanarie-鳥: 'quoted' #7\n- \"two\" \u2028 lines"
    sweep = Sweep(
        task="evo-memory",
        method=(f'exprag:note="{canary}"', "baseline"),
        task_options={"subset": canary, "levels": [1, 2], "none": "none", "on": "yes"},
        sampling={"temperature": 0.7},
        model_args={"retries": "3", "flag": "true"},
        seeds="0",
        order=("shuffle:3",),
        base_url=("http://127.0.0.1:1/v1",),
    )
    path = written(yaml.safe_dump(sweep.model_dump(mode="json"), allow_unicode=True))
    assert read_sweep({}, path) == sweep


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", (0,)),
        ("0-4", (0, 1, 2, 3, 4)),
        ("0,3", (0, 3)),
        (" 0 - 2 , 7 ", (0, 1, 2, 7)),
        ("3,0-3,3", (3, 0, 1, 2)),
        ("5-5", (5,)),
        ("007", (7,)),
    ],
)
def test_seeds_by_example(text, expected):
    assert Sweep(task="t", seeds=text).sample_seeds() == expected


@given(st.lists(st.integers(0, 2**59), min_size=1, unique=True))
def test_listed_seeds_are_kept_in_order(seeds):
    text = ",".join(str(seed) for seed in seeds)
    assert Sweep(task="t", seeds=text).sample_seeds() == tuple(seeds)


@pytest.mark.parametrize(
    "text",
    ["", "a", "-1", "1-", "0..4", "0,,1", "1 2", "4-0", "0,4-1", "1.5", "0-99999999999", "9" * 30],
)
def test_unreadable_seeds_are_refused_by_name(text):
    with pytest.raises(UsageError, match=r"^seeds '"):
        Sweep(task="t", seeds=text).sample_seeds()


@pytest.mark.parametrize(
    ("given_seeds", "expected"), [(3, (3,)), ([0, 3], (0, 3)), ("1-2", (1, 2))]
)
def test_seeds_of_a_file_may_be_numbers_or_lists(written, given_seeds, expected):
    path = written(yaml.safe_dump({"task": "t", "seeds": given_seeds}))
    assert read_sweep({}, path).sample_seeds() == expected


def test_orders_are_checked_and_equal_ones_count_once():
    sweep = Sweep(task="t", order=("native", "shuffle:12", "easy-hard", "hard-easy", "native"))
    assert sweep.chosen_orders() == ("native", "shuffle:12", "easy-hard", "hard-easy")


@pytest.mark.parametrize(
    "order", ["", "shuffle", "shuffle:", "shuffle:x", "shuffle:-1", "shuffle:01", "random"]
)
def test_an_unknown_order_lists_the_orders(order):
    with pytest.raises(UsageError, match=r"use native, shuffle:SEED.*easy-hard, hard-easy"):
        Sweep(task="t", order=(order,)).chosen_orders()


@pytest.mark.parametrize("name", ["method", "model", "order", "base_url"])
def test_a_single_text_is_a_list_of_one(name):
    assert getattr(read_sweep({"task": "t", name: "native"}), name) == ("native",)


def test_an_unknown_field_gets_the_nearest_name(written):
    with pytest.raises(UnknownName, match=r"field of a sweep 'metod'.*method"):
        read_sweep({}, written("task: t\nmetod: x\n"))


def test_without_a_task_the_list_of_tasks_is_named():
    with pytest.raises(UsageError, match=r"--task; harness ls tasks"):
        read_sweep({})


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"limit": 0}, "limit=0"),
        ({"limit": "x"}, "limit='x'"),
        ({"max_in_flight": 0}, "max_in_flight=0"),
        ({"data_seed": -1}, "data_seed=-1"),
        ({"data_seed": 2**63}, f"data_seed={2**63}"),
        ({"task": ["a"]}, "task="),
        ({"model_args": {"x": [1]}}, "model_args.x="),
    ],
)
def test_a_refused_value_is_named(values, named):
    with pytest.raises(UsageError) as caught:
        read_sweep({"task": "t", **values})
    assert str(caught.value).startswith(named)
    assert "is refused" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*absent\.yaml: No such file"):
        read_sweep({}, tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    "text", ["task: [", "a: b: c", "\t- x", "seeds: 2024-13-45", "x: \0", "? [", "[" * 5000]
)
def test_a_file_that_is_no_yaml_is_one_sentence(written, text):
    with pytest.raises(UsageError, match="is no readable YAML") as caught:
        read_sweep({}, written(text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_one_sentence(tmp_path):
    path = tmp_path / "weights.yaml"
    path.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(UsageError, match="is no readable YAML"):
        read_sweep({}, path)


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words", "7"])
def test_a_file_of_another_shape_is_refused(written, text):
    with pytest.raises(UsageError, match="must hold NAME: VALUE pairs"):
        read_sweep({}, written(text))


def test_options_of_another_shape_are_refused(written):
    with pytest.raises(UsageError, match="sampling must hold NAME: VALUE pairs"):
        read_sweep({"sampling": {"top_p": 1}}, written("task: t\nsampling: [1]\n"))
