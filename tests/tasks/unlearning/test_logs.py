"""Logs recorded elsewhere: every aggregate again from single examples."""

from __future__ import annotations

import copy
import json
import math
import os
import random
from pathlib import Path

import pytest

from harness.errors import UnknownName, UsageError
from harness.options import build
from harness_tasks.unlearning import formulas
from harness_tasks.unlearning.score import MuseScorer, TofuScorer

SIZES = {"forget": 60, "retain": 60, "ra": 20, "wf": 15}
NAMES = {"forget": "forget_truth_ratio"}
ATTACKS = ("mia_loss", "mia_zlib", "mia_min_k", "mia_min_k_plus_plus")


def by_index(rows, first=0):
    return {str(first + index): row for index, row in enumerate(rows)}


def average(values):
    return math.fsum(values) / len(values)


def tofu_log(seed, first=0, forget=60, shift=0.0, privleak_auc=0.5):
    """A log in OpenUnlearning's form, with aggregates as its code computes them."""
    rng = random.Random(seed)
    log = {}
    sizes = SIZES | {"forget": forget}

    def put(name, rows, aggregate):
        log[name] = {"agg_value": aggregate, "value_by_index": by_index(rows, first)}

    def probabilities(name, losses):
        rows = [{"prob": math.exp(-one), "avg_loss": one} for one in losses]
        put(name, rows, average([row["prob"] for row in rows]))
        return losses

    for data, n in sizes.items():
        plain = probabilities(f"{data}_Q_A_Prob", [rng.uniform(0.01, 2) for _ in range(n)])
        right = plain
        if data in ("forget", "retain"):
            losses = [rng.uniform(1, 3) for _ in range(n)]
            right = probabilities(f"{data}_Q_A_PARA_Prob", losses)
        wrong = [[rng.uniform(1.5, 4) + shift for _ in range(3)] for _ in range(n)]
        rows = [{"prob": [math.exp(-x) for x in one], "avg_loss": one} for one in wrong]
        put(f"{data}_Q_A_PERT_Prob", rows, average([average(row["prob"]) for row in rows]))
        ratios = [
            math.exp(-average(w)) / (math.exp(-r) + 1e-10)
            for r, w in zip(right, wrong, strict=True)
        ]
        score = [min(r, 1 / (r + 1e-10)) if data == "forget" else max(0, 1 - r) for r in ratios]
        name = NAMES.get(data, f"{data}_Truth_Ratio")
        put(name, [{"score": one} for one in ratios], average(score))
        if data in ("ra", "wf"):
            options = [
                math.exp(-p) / (math.exp(-p) + sum(math.exp(-x) for x in w) + 1e-10)
                for p, w in zip(plain, wrong, strict=True)
            ]
            name = f"{data}_Q_A_Prob_normalised"
            put(name, [{"prob": one} for one in options], average(options))
        rouge = [rng.random() for _ in range(n)]
        rows = [
            {"rouge1_recall": 1.0, "rougeL_f1": 0.0, "rougeL_recall": one, "input": f"{data} {i}"}
            for i, one in enumerate(rouge)
        ]
        put(f"{data}_Q_A_ROUGE", rows, average(rouge))
    memorised = [{"score": rng.random()} for _ in range(forget - 1)]
    mean = average([row["score"] for row in memorised])
    put("exact_memorization", [*memorised, {"score": None}], mean)
    put("extraction_strength", memorised, mean)
    for attack in ATTACKS:
        log[attack] = mia(rng, first, forget, shift)
    parts = [log[part]["agg_value"] for part in formulas.MODEL_UTILITY_PARTS]
    log["model_utility"] = {"agg_value": len(parts) / math.fsum(1 / one for one in parts)}
    log["forget_quality"] = {"agg_value": None}
    auc = log["mia_min_k"]["auc"]
    log["privleak"] = {"agg_value": (privleak_auc - auc) / (1 - privleak_auc + 1e-10) * 100}
    return dict(sorted(log.items()))


def mia(rng, first, n, shift):
    forget = [rng.gauss(0, 1) for _ in range(n)]
    holdout = [rng.gauss(0.5 + shift, 1) for _ in range(n)]
    auc = average([h > f for f in forget for h in holdout])
    sets = {
        name: {
            "agg_value": average(scores),
            "value_by_index": by_index([{"score": one} for one in scores], first),
        }
        for name, scores in (("forget", forget), ("holdout", holdout))
    }
    return {**sets, "auc": auc, "agg_value": auc}


def muse_log(seed):
    rng = random.Random(seed)
    log = {}
    for name in ("forget_knowmem_ROUGE", "forget_verbmem_ROUGE", "retain_knowmem_ROUGE"):
        rows = [{"rougeL_f1": rng.random(), "rougeL_recall": 0.0} for _ in range(30)]
        mean = average([row["rougeL_f1"] for row in rows])
        log[name] = {"agg_value": mean, "value_by_index": by_index(rows)}
    log["mia_min_k"] = mia(rng, 0, 30, 0.0)
    log["privleak"] = {"agg_value": (0.5 - log["mia_min_k"]["auc"]) / (0.5 + 1e-10) * 100}
    return log


def listed(log):
    """The same log as one entry of a collection: a list for each column."""
    entry = {}
    for name, metric in log.items():
        entry[name] = {"agg": metric["agg_value"]}
        for part in ("forget", "holdout"):
            if part in metric:
                rows = metric[part]["value_by_index"].values()
                entry[name][part] = [row["score"] for row in rows]
        rows = list(metric.get("value_by_index", {}).values())
        for column in rows[0] if rows else ():
            if column != "prob" or "avg_loss" not in rows[0]:
                entry[name][column] = [row[column] for row in rows]
    return entry


@pytest.fixture
def write(tmp_path):
    def written(document, name="TOFU_EVAL.json"):
        path = tmp_path / name
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return path

    return written


def scored(scorer, file, reference=None, **options):
    return scorer().score([file], reference, build(scorer.Options, options, "harness score"))


def check_recorded(scores, tolerance=1e-9):
    assert scores.recorded
    for name, recorded in scores.recorded.items():
        close = 1e-12 if name.startswith("mia_") else tolerance
        assert scores.metrics[name] == pytest.approx(recorded, abs=close, rel=0), name


def test_every_aggregate_of_a_tofu_log_is_computed_again(write):
    scores = scored(TofuScorer, write(tofu_log(1)))
    check_recorded(scores)
    assert scores.not_computed == {
        "forget_quality": "needs the log of a retrained model: --reference FILE"
    }
    assert scores.n["model_utility"] == 95
    assert scores.n["mia_loss"] == 120
    assert "taken against AUC 0.5" in scores.notes[0]


def test_every_aggregate_of_a_muse_log_is_computed_again(write):
    scores = scored(MuseScorer, write(muse_log(1)))
    check_recorded(scores)
    assert set(scores.recorded) == set(scores.metrics)
    assert not scores.not_computed


def test_recorded_aggregates_are_not_copied(write):
    log = tofu_log(1)
    truth = log["ra_Q_A_ROUGE"]["agg_value"]
    for metric in log.values():
        metric["agg_value"] = 0.123
    scores = scored(TofuScorer, write(log))
    assert scores.metrics["ra_Q_A_ROUGE"] == pytest.approx(truth, abs=1e-12)
    assert any("ra_Q_A_ROUGE: the log records 0.123" in note for note in scores.notes)


def test_a_collection_of_logs_with_lists_gives_the_same(write):
    one, two = tofu_log(1), tofu_log(2)
    file = write({"source": "x", "tofu": {"one": listed(one), "two": listed(two)}, "muse": {}})
    scores = scored(TofuScorer, file, entry="one", reference_entry="two")
    single = scored(TofuScorer, write(one, "one.json"), write(two, "two.json"))
    assert scores.metrics == pytest.approx(single.metrics, abs=1e-12)
    assert scores.n == single.n


def test_an_entry_has_to_be_chosen_where_there_are_several(write):
    file = write({"tofu": {"one": listed(tofu_log(1)), "two": listed(tofu_log(2))}})
    with pytest.raises(UsageError, match=r"choose one with -T entry=NAME: one, two"):
        scored(TofuScorer, file)
    with pytest.raises(UnknownName, match="did you mean one"):
        scored(TofuScorer, file, entry="onne")


def test_the_only_entry_needs_no_choice(write):
    file = write({"muse": {"Books": listed(muse_log(1))}})
    check_recorded(scored(MuseScorer, file))


def test_what_recorded_logs_lack_is_computed_beside(write):
    scores = scored(TofuScorer, write(tofu_log(1)), write(tofu_log(2, shift=0.5), "retain.json"))
    for name in (
        "forget_quality",
        "forget_quality_log10",
        "forget_quality_ks_distance",
        "forget_quality_floor_log10",
        "forget_truth_ratio_arithmetic",
        "wf_Truth_Ratio_prob_mean",
        "model_utility_arithmetic",
        "memorization_score",
        "mia_min_k_difference",
        "s_mia_zlib",
        "privacy",
    ):
        assert math.isfinite(scores.metrics[name]), name
    assert scores.intervals["forget_quality_ks_distance"].clusters == 3
    assert scores.intervals["mia_loss_difference"].low <= scores.metrics["mia_loss_difference"]
    assert scores.details["privleak_reference_auc"] == pytest.approx(
        scored(TofuScorer, write(tofu_log(2, shift=0.5))).metrics["mia_min_k"]
    )


def test_forget_quality_of_another_split_of_authors(write):
    log, retain = tofu_log(1, first=3600), tofu_log(2, first=3600)
    scores = scored(TofuScorer, write(log), write(retain, "retain.json"), questions_per_author="15")
    assert scores.intervals["forget_quality_ks_distance"].clusters == 4
    check_recorded(scored(TofuScorer, write(log)))


def test_privleak_of_a_log_that_had_a_reference_needs_that_reference(write):
    scores = scored(TofuScorer, write(tofu_log(1, privleak_auc=0.4)))
    assert "AUC 0.4, not against 0.5" in scores.not_computed["privleak"]
    assert "privleak" not in scores.metrics
    assert "privleak_against_half" in scores.metrics


def test_privleak_against_another_reference_than_the_logs_own_says_so(write):
    scores = scored(TofuScorer, write(tofu_log(1)), write(tofu_log(2), "retain.json"))
    assert any("was taken against 0.5." in note for note in scores.notes)


def test_a_log_beside_itself_is_pointed_out(write):
    file = write(tofu_log(1))
    scores = scored(TofuScorer, file, file)
    assert scores.metrics["forget_quality"] == 1
    assert any("is the reference another model?" in note for note in scores.notes)


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (tofu_log(2, forget=40), "40 examples there and 60 here"),
        (tofu_log(2, first=60), "other examples, such as"),
    ],
)
def test_a_reference_of_another_split_is_refused(write, reference, words):
    with pytest.raises(UsageError, match=f"is no reference for .*{words}.*same split"):
        scored(TofuScorer, write(tofu_log(1)), write(reference, "retain.json"))


def test_a_reference_with_other_questions_of_the_same_number_is_refused(write):
    other = tofu_log(2)
    other["forget_Q_A_ROUGE"]["value_by_index"]["3"]["input"] = "another question"
    with pytest.raises(UsageError, match="another text for example 3"):
        scored(TofuScorer, write(tofu_log(1)), write(other, "retain.json"))


def test_missing_metrics_are_derived_or_named(write):
    log = tofu_log(1)
    for name in ("ra_Truth_Ratio", "wf_Q_A_Prob_normalised", "model_utility", "mia_min_k"):
        del log[name]
    del log["retain_Q_A_ROUGE"]["value_by_index"]
    scores = scored(TofuScorer, write(log))
    whole = tofu_log(1)
    for name in ("ra_Truth_Ratio", "wf_Q_A_Prob_normalised"):
        assert scores.metrics[name] == pytest.approx(whole[name]["agg_value"], abs=1e-12)
    assert "needs retain_Q_A_ROUGE" in scores.not_computed["model_utility"]
    assert "rougeL_recall" in scores.not_computed["retain_Q_A_ROUGE"]
    assert "mia_min_k" in scores.not_computed["privleak"]


def test_missing_losses_leave_the_recorded_scores(write):
    log = tofu_log(1)
    for name in [name for name in log if name.endswith(("PARA_Prob", "PERT_Prob"))]:
        del log[name]
    scores = scored(TofuScorer, write(log))
    check_recorded(scores)
    assert "forget_truth_ratio_arithmetic" not in scores.metrics


def test_examples_without_a_value_count_in_no_mean(write):
    log = tofu_log(1)
    rows = log["forget_Q_A_ROUGE"]["value_by_index"]
    rows["4"], rows["5"]["rougeL_recall"] = None, None
    kept = [row["rougeL_recall"] for row in rows.values() if row and row["rougeL_recall"]]
    scores = scored(TofuScorer, write(log))
    assert scores.metrics["forget_Q_A_ROUGE"] == pytest.approx(average(kept), abs=1e-12)
    assert scores.n["forget_Q_A_ROUGE"] == 58
    assert scores.n["exact_memorization"] == 59
    assert scores.details["missing"] == {"exact_memorization": 1, "forget_Q_A_ROUGE": 2}
    assert any("2 of forget_Q_A_ROUGE" in note for note in scores.notes)


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.5", True, [0.5], 10**400])
def test_what_is_no_finite_number_becomes_no_score(write, value):
    log = tofu_log(1)
    log["ra_Q_A_ROUGE"]["value_by_index"]["7"]["rougeL_recall"] = value
    log["mia_loss"]["forget"]["value_by_index"]["7"]["score"] = value
    scores = scored(TofuScorer, write(log))
    assert "of example 7 is" in scores.not_computed["ra_Q_A_ROUGE"]
    assert "of example 7 is" in scores.not_computed["mia_loss"]
    assert "needs ra_Q_A_ROUGE" in scores.not_computed["model_utility"]
    assert "model_utility" not in scores.metrics
    json.dumps(scores.as_json(), allow_nan=False)


def test_right_and_wrong_answers_of_different_examples_are_not_mixed(write):
    log = tofu_log(1)
    del log["ra_Truth_Ratio"]
    rows = log["ra_Q_A_PERT_Prob"]["value_by_index"]
    rows["900"] = rows.pop("7")
    scores = scored(TofuScorer, write(log))
    assert "different examples" in scores.not_computed["ra_Truth_Ratio"]


def test_unknown_metrics_are_named(write):
    log = tofu_log(1)
    log["house_metric"] = {"agg_value": 1.0, "value_by_index": {"0": {"score": 1.0}}}
    assert "house_metric" in scored(TofuScorer, write(log)).not_computed


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ('{"forget_Q_A_Prob": {"agg_v', "is no readable JSON .* is the file complete"),
        ("", "is no readable JSON"),
        ("[1, 2]", "holds no evaluation log"),
        ("{}", "holds no tofu metric; expected are"),
        ({"model_utility": 0.6, "privleak": -99.0}, "holds aggregates only.*TOFU_EVAL.json"),
        ({"a": {"b": {"c": 1}}}, "holds no tofu metric"),
        ({"house_metric": {"agg_value": 1.0}}, "no tofu metric that can be computed"),
        ('{"n": ' + "9" * 5000 + "}", "is no readable JSON"),
        ("[" * 100_000, "is no readable JSON"),
    ],
)
def test_what_is_no_log_is_refused_in_one_sentence(write, document, words):
    with pytest.raises(UsageError, match=words) as refused:
        scored(TofuScorer, write(document))
    assert "\n" not in str(refused.value)


def test_a_log_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "log.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is no readable JSON"):
        scored(TofuScorer, tmp_path / "log.json")


def test_a_single_log_has_no_entries(write):
    with pytest.raises(UsageError, match="single log without entries"):
        scored(TofuScorer, write(tofu_log(1)), entry="full")


def test_one_log_is_scored_at_a_time(write):
    file = write(tofu_log(1))
    with pytest.raises(UsageError, match="one tofu log is scored at a time; 2 are given"):
        TofuScorer().score([file, file], None, TofuScorer.Options())


def test_a_diverged_model_is_not_taken_for_one_that_forgot(write):
    log = copy.deepcopy(tofu_log(1))
    for row in log["forget_Q_A_PARA_Prob"]["value_by_index"].values():
        row |= {"avg_loss": 60.0, "prob": math.exp(-60)}
    for row in log["forget_Q_A_PERT_Prob"]["value_by_index"].values():
        row |= {"avg_loss": [60.0] * 3, "prob": [math.exp(-60)] * 3}
    scores = scored(TofuScorer, write(log))
    assert scores.metrics["forget_truth_ratio_prob_mean"] == pytest.approx(0, abs=1e-9)
    assert scores.metrics["forget_truth_ratio_arithmetic"] == pytest.approx(1)


FILES = {
    "tofu_llama32_1b_full_forget10": (TofuScorer, "tofu_llama32_1b_retain90"),
    "tofu_llama32_1b_retain90": (TofuScorer, None),
    "muse_books_target": (MuseScorer, "muse_books_retrain"),
    "muse_books_retrain": (MuseScorer, None),
}
ENTRIES = {
    "full_forget10": (TofuScorer, "retain90"),
    "retain90": (TofuScorer, None),
    "Books_target": (MuseScorer, "Books_retrain"),
    "Books_retrain": (MuseScorer, None),
}


@pytest.fixture
def mirror():
    """The folder of recorded logs."""
    folder = Path(os.environ.get("HARNESS_DATA", "")) / "unlearning_logs"
    if "HARNESS_DATA" not in os.environ or not folder.is_dir():
        pytest.skip("HARNESS_DATA does not point at a mirror with unlearning_logs")
    return folder


@pytest.mark.mirror
@pytest.mark.parametrize("name", FILES)
def test_recorded_logs_of_openunlearning_are_reproduced(mirror, name):
    scorer, reference = FILES[name]
    folder = mirror / "openunlearning"
    other = folder / f"{reference}.json" if reference else None
    scores = scored(scorer, folder / f"{name}.json", other)
    check_recorded(scores)
    if name.endswith("forget10"):
        recorded = math.log10(scores.recorded["forget_quality"])
        assert scores.metrics["forget_quality_log10"] == pytest.approx(recorded, abs=1e-9)


@pytest.mark.mirror
def test_every_file_of_the_mirror_is_compared(mirror):
    assert {path.stem for path in (mirror / "openunlearning").glob("*.json")} == set(FILES)


@pytest.mark.mirror
@pytest.mark.parametrize("name", ENTRIES)
def test_collected_logs_are_reproduced(mirror, name):
    # Without the recorded probabilities, which were rounded to single precision, means of
    # probabilities computed from the losses differ by up to 1e-8.
    scorer, reference = ENTRIES[name]
    options = {"entry": name} | ({"reference_entry": reference} if reference else {})
    check_recorded(scored(scorer, mirror / "reference_logs.json", **options), tolerance=1e-8)
