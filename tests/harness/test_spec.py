from __future__ import annotations

import pytest

from harness.plan import expand
from harness.spec import RunSpec
from harness.sweep import Sweep

SPEC = RunSpec(
    task="evo-memory",
    task_version="reasoning-1",
    subset="reasoning",
    task_options={"streams": 4},
    method="direct+exprag:k=8",
    label="exprag:k=8",
    model="smollm2",
    embedder="minilm",
    sampling={"temperature": 0.0, "top_p": 1.0, "max_tokens": 16},
)
# SHA-256 of the documented JSON, computed apart from the code. Finished work is found again by this
# key: if it changes, all results look new, so the change has to be a new KEY_VERSION.
GOLDEN = "v1-ac44324e8cdf36a5d41ac0af"


def key(method, **values):
    (run,) = expand(Sweep(task="evo-memory", method=(method,), **values)).runs
    return run.spec.work_key()


def test_the_work_key_of_version_1_never_changes():
    assert SPEC.work_key() == GOLDEN


@pytest.mark.parametrize(
    "change",
    [
        {"task": "tofu"},
        {"task_version": "reasoning-2"},
        {"task_options": {}},
        {"method": "direct+exprag"},
        {"model": "openai:other"},
        {"embedder": "bm25"},
        {"sampling": {"temperature": 0.7}},
        {"limit": 3},
        {"order": "shuffle:1"},
        {"data_seed": 1},
        {"sample_seed": 1},
        {"train_seed": 0},
    ],
)
def test_whatever_decides_the_samples_changes_the_key(change):
    assert SPEC.model_copy(update=change).work_key() != GOLDEN


def test_the_users_own_name_of_a_method_does_not_change_the_key():
    assert SPEC.model_copy(update={"label": "anything"}).work_key() == GOLDEN


def test_the_order_in_which_options_were_given_does_not_change_the_key():
    sampling = dict(reversed(SPEC.sampling.items()))
    assert SPEC.model_copy(update={"sampling": sampling}).work_key() == GOLDEN


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("exprag", "direct+exprag"),
        ("exprag", "exprag:k=none"),
        ("exprag", "direct:history=true,window=100+exprag"),
        ("baseline", "direct:history=false+none"),
        ("baseline", "baseline:history=false"),
        ("react", "react+none"),
        ("direct", "direct+none"),
        ("remem", "refine+exprag"),
        ("remem:rounds=2,k=8", "remem:k=8,rounds=2"),
        ("remem:rounds=2,k=8", "refine:rounds=2+exprag:k=8"),
        ("history:across=always,k=2", "direct+history:k=2,across=always"),
    ],
)
def test_equal_methods_have_equal_keys_however_they_are_written(one, other):
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("exprag", "exprag:k=4"),
        ("exprag", "remem"),
        ("baseline", "direct"),
        ("exprag:k=8", "exprag:k=9"),
    ],
)
def test_different_methods_have_different_keys(one, other):
    assert key(one) != key(other)


def test_task_options_that_are_spelled_out_defaults_do_not_change_the_key():
    spelled = {"k": "4", "store": "success_only", "streams": "none", "families": ""}
    assert key("exprag", task_options=spelled) == key("exprag")
    assert key("exprag", task_options={"k": 5}) != key("exprag")
    assert key("exprag", task_options={"streams": "4"}) == key(
        "exprag", task_options={"streams": 4}
    )


def test_the_embedder_counts_only_for_methods_that_compare_texts():
    assert key("exprecent", embedder="bm25") == key("exprecent", embedder="minilm")
    assert key("exprag", embedder="bm25") != key("exprag", embedder="minilm")


@pytest.mark.parametrize(
    ("order", "seed"), [("native", None), ("shuffle:7", 7), ("hard-easy", None)]
)
def test_the_order_seed_is_the_one_of_a_shuffle(order, seed):
    assert SPEC.model_copy(update={"order": order}).order_seed == seed
