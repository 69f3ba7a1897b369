"""The bridge against lm-eval's own HFLM: same model object, same local files, equal numbers."""

from __future__ import annotations

import json

import pytest
from lm_eval_alone import directly, hflm, simple

from harness.quiet import quiet
from harness_tasks.lm_eval.adapter import as_lm
from harness_tasks.lm_eval.requests import MultipleChoice, Pair, task_names
from harness_tasks.lm_eval.tokens import encode_pair, log_likelihoods

TOLERANCE = 1e-4
CASES = [
    ("wmdp_bio", "wmdp"),
    ("wmdp_cyber", "wmdp"),
    ("wmdp_chem", "wmdp"),
    ("mmlu_virology", "mmlu/default"),
    ("mmlu_virology_continuation", "mmlu/continuation"),
    ("arc_challenge", "arc"),
    ("arc_easy", "arc"),
]
SHAPES = {
    "plain": {},
    "begin-of-sequence": {"begin": True},
    "window-too-short": {"window": 48},
    "absolute-positions": {"absolute": True, "window": 48},
}
ALL = [
    (name, folder, shape)
    for name, folder in CASES
    for shape in SHAPES
    if shape == "plain" or name in ("wmdp_bio", "arc_challenge")
]


def splits(lab, name):
    if name.startswith("arc"):
        return {split: lab.arc_items(24) for split in ("train", "validation", "test")}
    return {"test": lab.items(24), "dev": lab.items(5, 9)}


@pytest.mark.filterwarnings("default")  # of lm-eval and datasets as they load files themselves
@pytest.mark.parametrize(("name", "folder", "shape"), ALL)
def test_bridge_equals_lm_eval_run_directly(lab, no_hub, tmp_path, name, folder, shape):
    served = lab.served(**SHAPES[shape])
    rows = splits(lab, name)
    files = {split: tmp_path / f"{split}.jsonl" for split in rows}
    for split, path in files.items():
        path.write_text("\n".join(json.dumps(row) for row in rows[split]))
    with quiet():
        manager, local = directly(name, folder, files)
    theirs = simple(hflm(served.model), [local], manager)
    samples = sorted(theirs["samples"][local], key=lambda one: one["doc_id"])

    task = MultipleChoice(name, folder, rows)
    metrics = []
    for document, sample in zip(task.documents, samples, strict=True):
        found = list(log_likelihoods(served, document.pairs))
        expected = [one[0] for one in sample["filtered_resps"]]
        assert [one.total for one in found] == pytest.approx(expected, abs=TOLERANCE)
        assert [one.greedy for one in found] == [one[1] for one in sample["filtered_resps"]]
        metrics.append(task.metrics(document.number, found))
        assert metrics[-1]["acc"] == sample["acc"]

    for metric in metrics[0]:
        mean = sum(one[metric] for one in metrics) / len(metrics)
        assert mean == pytest.approx(theirs["results"][local][f"{metric},none"], abs=1e-12)
    assert ("acc_norm" in metrics[0]) == ("acc_norm,none" in theirs["results"][local])


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("name", "folder"), [("wmdp_bio", "wmdp"), ("arc_challenge", "arc")])
def test_simple_evaluate_runs_on_our_model(lab, name, folder):
    served = lab.served(begin=True)
    task = MultipleChoice(name, folder, splits(lab, name)).task
    ours, theirs = (simple(lm, [task]) for lm in (as_lm(served), hflm(served.model)))
    for metric, value in theirs["results"][name].items():
        if isinstance(value, float):
            assert ours["results"][name][metric] == pytest.approx(value, abs=1e-12)
    for one, other in zip(ours["samples"][name], theirs["samples"][name], strict=True):
        for (mine, greedy), (its, its_greedy) in zip(
            one["filtered_resps"], other["filtered_resps"], strict=True
        ):
            assert mine == pytest.approx(its, abs=TOLERANCE)
            assert greedy == its_greedy


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("begin", [False, True])
def test_rolling_likelihoods_and_texts_equal(lab, begin):
    from lm_eval.api.instance import Instance

    served = lab.served(begin=begin, window=48)
    text = " ".join(row["question"].strip() for row in lab.items(8))
    rolling = Instance("loglikelihood_rolling", {}, (text,), 0)
    how = {"until": ["\n", "room"], "max_gen_toks": 12, "do_sample": False}
    written = Instance("generate_until", {}, (text, how), 0)
    with quiet():
        other = hflm(served.model)
        expected = other.loglikelihood_rolling([rolling], disable_tqdm=True)
        (its,) = other.generate_until([written], disable_tqdm=True)
    ours = as_lm(served)
    assert ours.loglikelihood_rolling([rolling]) == pytest.approx(expected, abs=1e-3)
    assert ours.generate_until([written]) == [its]


@pytest.mark.parametrize("begin", [False, True])
@pytest.mark.parametrize(
    ("context", "continuation"),
    [
        ("The colour is", " red"),
        ("The colour is  ", "red"),
        ("The colour\n", "\nred green"),
        ("a", "b"),
        ("", "red"),
        ("", " red"),
        ("<begin>The colour", " is"),
        ("<end>The colour", " is"),
        ("", "<begin>red"),
        ("Réd größe ", "über"),
    ],
)
def test_pairs_are_encoded_as_hflm_does(lab, context, continuation, begin):
    served = lab.served(begin=begin)
    with quiet():
        other = hflm(served.model)
        seen = []
        other._loglikelihood_tokens = lambda requests, **_: seen.extend(requests)
        from lm_eval.api.instance import Instance

        other.loglikelihood([Instance("loglikelihood", {}, (context, continuation), 0)], True)
    ((_, expected_context, expected_continuation),) = seen
    found = encode_pair(served.codec, context, continuation)
    assert list(found.context) == expected_context
    assert list(found.continuation) == expected_continuation


def test_tasks_of_a_folder_are_listed():
    assert task_names("wmdp") == ["wmdp_bio", "wmdp_chem", "wmdp_cyber"]
    assert len(task_names("mmlu/default")) == 57


def test_pairs_are_scored_in_order(lab):
    served = lab.served()
    pairs = [Pair("The colour is", f" {word}") for word in ("red", "dark green", "grey")]
    together = [one.total for one in log_likelihoods(served, pairs)]
    alone = [next(log_likelihoods(served, [pair])).total for pair in pairs]
    assert together == pytest.approx(alone, abs=1e-5)
