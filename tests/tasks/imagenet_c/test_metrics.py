"""The metrics of a run from rows made by hand."""

from __future__ import annotations

import pytest
from PIL import Image

from harness.results.schema import SampleRecord, Status
from harness_tasks.imagenet_c.corruptions.frost import FILES
from harness_tasks.imagenet_c.corruptions.names import BENCHMARK
from harness_tasks.imagenet_c.formulas import ALEXNET
from harness_tasks.imagenet_c.metrics import summarise
from harness_tasks.imagenet_c.task import ImageNetC, ImageNetCSettings


def row(group="fog", severity=5, right=1.0, *, status=Status.OK, checkpoint="", **metrics):
    given = {"label": 0.0, "severity": float(severity)}
    if status is Status.OK:
        given |= {"top1": 0.0 if right else 1.0, "max_probability": 0.8, "entropy": 0.5}
        given |= {"top5_correct": 1.0, "nll": 0.2, "brier": 0.1, "batch": 0.0}
    score = {Status.FAILED: 0.0, Status.OK: right}.get(status)
    return SampleRecord(
        *("id", "hash", "source", f"{group}/{severity}", 0, group, status, score),
        metrics={**given, **metrics},
        checkpoint=checkpoint,
        latency_s=0.25,
    )


def summary(*rows, whole=True, why_not=""):
    return summarise(rows, whole=whole, why_not=why_not)


def test_score_is_a_mean_over_images():
    rows = [row(right=1)] * 3 + [row(right=0)] + [row("snow", 3, 0)]
    found = summary(*rows).metrics
    assert found["accuracy/fog/5"] == 0.75
    assert found["accuracy/snow/3"] == 0
    assert found["score"] == found["accuracy"] == 0.6


def test_failed_images_count_as_wrong_and_invalid_ones_not_at_all():
    failed, invalid = row(status=Status.FAILED), row(status=Status.INVALID)
    found = summary(row(), row(), failed, invalid, invalid, row("snow", right=0)).metrics
    assert found["accuracy/fog/5"] == pytest.approx(2 / 3)
    assert found["score"] == pytest.approx(2 / 4)
    # Only what has a prediction has a confidence: three of .8, two right.
    assert found["ece"] == pytest.approx(0.8 - 2 / 3)
    assert found["nll"] == pytest.approx(0.2)


def test_error_rows_are_left_out():
    assert summary(row(), row(status=Status.ERROR)).metrics["score"] == 1
    assert summary(row(status=Status.ERROR)).metrics == {}


def test_a_stream_that_failed_from_its_beginning_scores_nothing_and_has_no_means():
    found = summary(row(status=Status.FAILED), row(status=Status.FAILED)).metrics
    assert found["score"] == 0
    assert "ece" not in found
    assert "images_per_second" not in found


def test_clean_images_are_no_part_of_the_stream():
    clean = [row("clean", 0, 1, nll=9.0), row("clean", 0, 1, nll=9.0)]
    after = [row("clean", 0, 1, checkpoint="after"), row("clean", 0, 0, checkpoint="after")]
    found = summary(*clean, row(right=0), *after).metrics
    assert found["score"] == 0
    assert found["accuracy_clean"] == 1
    assert found["accuracy_clean_after"] == 0.5
    assert found["forgetting"] == 0.5
    assert found["nll"] == 0.2
    assert not any(name.startswith("accuracy/clean") for name in found)


def test_forgetting_needs_clean_images_before():
    found = summary(row(), row("clean", 0, 0, checkpoint="after")).metrics
    assert found["accuracy_clean_after"] == 0
    assert "forgetting" not in found
    assert "accuracy_clean" not in found


def test_bias_of_predictions():
    rows = [row(top1=0, label=0), row(right=0, top1=0, label=1), row(right=0, top1=0, label=2)]
    rows += [row(top1=3, label=3)]
    found = summary(*rows).metrics
    assert found["largest_class_share"] == 0.75
    # Predicted (3/4, 0, 0, 1/4) of true (1/4, 1/4, 1/4, 1/4)
    assert found["class_share_distance"] == pytest.approx(1.0)


def test_means_and_speed():
    rows = [row(entropy=0.2, brier=0.4, top5_correct=0), row(entropy=0.6, brier=0.8)]
    found = summary(*rows).metrics
    assert found["entropy"] == pytest.approx(0.4)
    assert found["brier"] == pytest.approx(0.6)
    assert found["top5_accuracy"] == 0.5
    assert "top5_correct" not in found
    assert found["images_per_second"] == pytest.approx(4)  # each .25 s


def test_overhead_is_the_mean_over_all_images_over_that_of_the_source():
    # Each image takes the method 250 ms; the source, which saw three of five, 100, 50 and 150.
    rows = [*(row(source_ms=ms) for ms in (100.0, 50.0, 150.0)), row(), row()]
    assert summary(*rows).metrics["overhead"] == pytest.approx(2.5)
    assert "overhead" not in summary(row()).metrics


def test_forgetting_without_clean_images_before_has_its_reason():
    found = summary(row(), row("clean", 0, checkpoint="after"))
    assert "forgetting" not in found.metrics
    assert "-T clean=true" in found.missing["forgetting"]


def benchmark(error, severities=(1, 2, 3, 4, 5), names=BENCHMARK):
    """10,000 images a cell, as few rows: weights do not exist, so errors are round."""
    return [
        row(name, severity, right)
        for name in names
        for severity in severities
        for right in [0.0] * round(error * 20) + [1.0] * (20 - round(error * 20))
    ]


def test_mce_of_a_constant_error():
    found = summary(*benchmark(0.5), row("clean", 0, 1), row("clean", 0, 0))
    expected = sum(0.5 / error for error in ALEXNET.values()) / 15
    assert found.metrics["mce"] == pytest.approx(expected)
    assert found.metrics["ce/fog"] == pytest.approx(0.5 / ALEXNET["fog"])
    assert found.metrics["relative_mce"] == pytest.approx(0)  # clean error .5 as well
    assert found.missing == {}


def test_relative_mce_needs_clean_images():
    found = summary(*benchmark(0.5))
    assert "mce" in found.metrics
    assert "relative_mce" not in found.metrics
    assert found.missing == {"relative_mce": "no clean images"}


@pytest.mark.parametrize(
    "rows",
    [benchmark(0.5, severities=(5,)), benchmark(0.5, severities=(1, 2, 3, 4))],
    ids=["one severity", "four severities"],
)
def test_mce_needs_all_severities(rows):
    found = summary(*rows)
    assert not {"mce", "relative_mce"} & set(found.metrics)
    assert not [name for name in found.metrics if name.startswith("ce/")]
    assert "needs all five severities of 15 corruptions" in found.missing["mce"]


def test_mce_needs_all_corruptions_and_ce_only_its_own():
    found = summary(*benchmark(0.5, names=[*BENCHMARK[:14], "spatter"]))
    assert "ce/fog" in found.metrics
    assert "ce/spatter" not in found.metrics
    assert "mce" not in found.metrics
    assert "jpeg_compression lacks some" in found.missing["mce"]


def test_images_that_are_not_the_benchmarks_have_no_mce():
    found = summary(*benchmark(0.5), whole=False, why_not="frost is a stand-in")
    assert found.metrics["score"] == 0.5
    assert not [name for name in found.metrics if name.startswith(("ce/", "mce", "relative"))]
    assert found.missing == {"mce": "frost is a stand-in", "relative_mce": "frost is a stand-in"}


def test_task_says_what_mce_is_not_defined_for(tmp_path):
    def missing(**options):
        task = ImageNetC(ImageNetCSettings.model_validate(options))
        return task.summarise(benchmark(0.5)).missing["mce"]

    (tmp_path / "photographs").mkdir()
    plain = {"data": tmp_path / "photographs"}
    assert "defined for ImageNet's images" in missing(data="digits")
    assert "defined for ImageNet's images" in missing(**plain, constants="cifar")
    assert "name a folder of the real ones with -T frost=" in missing(**plain)
    for name in FILES:
        Image.new("RGB", (300, 300)).save(tmp_path / name)
    real = {**plain, "frost": tmp_path}
    assert "setting=gradual" in missing(**real, setting="gradual", subset="all")
    assert "setting=changing" in missing(**real, setting="changing", subset="all")
    assert "JPEG of quality 85" in missing(**real, jpeg=10)
    assert "JPEG of quality 85" in missing(**real, jpeg=0)
    task = ImageNetC(ImageNetCSettings.model_validate(real))
    assert "mce" in task.summarise(benchmark(0.5)).metrics


def test_every_image_that_is_right_is_better_than_alexnet():
    found = summary(*benchmark(0.0), row("clean", 0, 1)).metrics
    assert found["mce"] == 0
    assert found["score"] == 1
