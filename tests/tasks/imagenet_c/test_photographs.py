"""What is known of efficientnet-lite0 on real photographs; they are no test set of it.

No calibration and no mCE are claimed from them: they are likely training photographs.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from edits import command

from harness.results.store import ResultsStore

FOLDER = Path(os.environ.get("HARNESS_DATA", "")) / "imagenet_samples"

pytestmark = [
    pytest.mark.mirror,
    pytest.mark.local_model,
    pytest.mark.skipif(
        not os.environ.get("HARNESS_DATA") or not FOLDER.is_dir(),
        reason="HARNESS_DATA does not point at a mirror with imagenet_samples",
    ),
]


@pytest.fixture(scope="module")
def accuracies(tmp_path_factory):
    """Accuracy by method and cell: clean, contrast at both ends, defocus."""
    found = {}
    # After JPEG 85 batch statistics are of no use under this blur.
    for severity, corruptions, jpeg in (
        (5, "contrast", 85),
        (3, "defocus_blur", 0),
        (1, "contrast", 85),
    ):
        folder = tmp_path_factory.mktemp("photographs")
        done = command(
            *("run", "--task", "imagenet-c", "-T", f"data={FOLDER}"),
            *("-T", f"subset=severity-{severity}", "-T", f"corruptions={corruptions}"),
            *("-T", f"jpeg={jpeg}"),
            *("-T", "batch_size=50", "--method", "source", "--method", "bn-adapt"),
            *("--results", str(folder)),
        )
        assert done.code == 0, done.err
        store = ResultsStore(folder)
        for one in store.runs():
            metrics = dict(store.row(one.run_id)["metrics"])
            found.setdefault(one.method, {}).update(metrics)
    return found


def test_clean_photographs_are_recognised(accuracies):
    assert accuracies["source"]["accuracy_clean"] > 0.85


@pytest.mark.parametrize("cell", ["contrast/5", "defocus_blur/3"])
def test_batch_statistics_help_where_they_should(accuracies, cell):
    better = accuracies["bn-adapt"][f"accuracy/{cell}"] - accuracies["source"][f"accuracy/{cell}"]
    assert better > 0.05


@pytest.mark.parametrize("cell", ["accuracy_clean", "accuracy/contrast/1"])
def test_batch_statistics_hurt_where_they_should(accuracies, cell):
    assert accuracies["bn-adapt"][cell] < accuracies["source"][cell] - 0.02
