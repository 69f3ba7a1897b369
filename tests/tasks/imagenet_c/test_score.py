"""`harness score imagenet-c`: mCE of tables that were recorded elsewhere."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import pytest
from edits import command, refused

from harness_tasks.imagenet_c.corruptions.names import BENCHMARK
from harness_tasks.imagenet_c.formulas import ALEXNET, ALEXNET_CLEAN

COLUMNS = [(name, severity) for name in BENCHMARK for severity in range(1, 6)]
HALF = {column: 1 - ALEXNET[column[0]] / 2 for column in COLUMNS}
OWN = {column: 1 - ALEXNET[column[0]] for column in COLUMNS}


def write(path, models, columns=COLUMNS, *, clean=None, scale=1.0):
    """Write a table; `models` has accuracies by column, `clean` by name."""
    out = io.StringIO()
    lines = csv.writer(out)
    extra = [] if clean is None else ["clean"]
    lines.writerow(["", *(name for name, _ in columns), *extra])
    lines.writerow(["", *(severity for _, severity in columns), *("" for _ in extra)])
    for name, model in models.items():
        values = [scale * model[column] for column in columns]
        last = [] if clean is None else [clean.get(name, "")]
        lines.writerow([name, *values, *(one if one == "" else scale * one for one in last)])
    path.write_text(out.getvalue())
    return path


def scored(path, *more):
    done = command("score", "imagenet-c", str(path), *more, "--json")
    assert done.code == 0, done.err
    return done.json


def test_half_of_alexnets_errors_have_mce_50(tmp_path):
    found = scored(write(tmp_path / "t.csv", {"half": HALF}))
    model = found["models"]["half"]
    assert model["mce"] == pytest.approx(50)
    assert model["accuracy"] == pytest.approx(100 * (1 - sum(ALEXNET.values()) / 30))
    assert model["relative_mce"] is None
    assert found["metrics"]["half/mce"] == model["mce"]
    assert found["not_computed"] == {"half/relative_mce": "the table has no clean accuracy"}
    assert found["relative_to"] == "Hendrycks' AlexNet"


def test_order_of_columns_does_not_matter(tmp_path):
    found = scored(write(tmp_path / "t.csv", {"half": HALF}, sorted(COLUMNS, reverse=True)))
    assert found["models"]["half"]["mce"] == pytest.approx(50)


def test_clean_accuracy_gives_relative_mce(tmp_path):
    # Half of AlexNet's errors, clean ones too: half of what corruption adds.
    clean = {"half": 1 - ALEXNET_CLEAN / 2}
    found = scored(write(tmp_path / "t.csv", {"half": HALF, "other": HALF}, clean=clean))
    assert found["models"]["half"]["relative_mce"] == pytest.approx(50)
    assert found["models"]["other"]["relative_mce"] is None
    assert "other/relative_mce" in found["not_computed"]


def test_table_with_an_alexnet_of_its_own(tmp_path):
    better = {column: 1 - 0.5 * (1 - value) for column, value in OWN.items()}
    table = write(tmp_path / "t.csv", {"AlexNet": better, "half": HALF}, clean={"AlexNet": 0.9})
    found = scored(table)["models"]
    assert found["AlexNet"]["mce"] == pytest.approx(100)
    assert found["AlexNet"]["relative_mce"] == pytest.approx(100)
    assert found["half"]["mce"] == pytest.approx(100)
    published = scored(table, "-T", "alexnet=hendrycks")
    assert published["models"]["AlexNet"]["mce"] == pytest.approx(50)
    assert "Hendrycks" in published["notes"][0]
    assert scored(table, "-T", "alexnet=table")["models"] == found


def test_alexnet_without_clean_accuracy_gives_no_relative_mce(tmp_path):
    table = write(tmp_path / "t.csv", {"AlexNet": OWN, "half": HALF}, clean={"half": 0.9})
    found = scored(table)
    assert found["models"]["half"]["relative_mce"] is None
    assert "AlexNet has no clean" in found["not_computed"]["half/relative_mce"]


def test_tables_in_percent_are_the_same(tmp_path):
    clean = {"half": 0.75, "bad": 0.001, "own": 0.5}
    bad = dict.fromkeys(COLUMNS, 0.001)  # by chance, 0.1 % in such a table
    models = {"half": HALF, "bad": bad, "own": OWN}
    one = scored(write(tmp_path / "one.csv", models, clean=clean))
    other = scored(write(tmp_path / "other.csv", models, clean=clean, scale=100))
    for name in models:
        assert other["models"][name] == pytest.approx(one["models"][name])
    assert other["models"]["bad"]["accuracy"] == pytest.approx(0.1)


def test_several_tables_are_one(tmp_path):
    one = write(tmp_path / "one.csv", {"AlexNet": OWN})
    other = write(tmp_path / "other.csv", {"half": HALF}, scale=100)
    done = command("score", "imagenet-c", str(one), str(other), "--json")
    assert done.json["models"]["half"]["mce"] == pytest.approx(50)
    refused(command("score", "imagenet-c", str(one), str(one)), "'AlexNet' is there twice")


def test_spaces_capitals_byte_order_marks_and_more_corruptions_are_read(tmp_path):
    table = write(tmp_path / "t.csv", {"half": HALF | {("spatter", 3): 0.1}}, COLUMNS)
    columns = [*COLUMNS, ("spatter", 3)]
    write(table, {"half": HALF | {("spatter", 3): 0.1}}, columns)
    text = table.read_text().replace("gaussian_noise", " Gaussian Noise ").replace(",3", ",3.0")
    table.write_text("\ufeff" + text + "\n,,,\n", encoding="utf-8")
    found = scored(table)["models"]["half"]
    assert found["mce"] == pytest.approx(50)
    assert found["accuracy"] == pytest.approx(100 * (1 - sum(ALEXNET.values()) / 30))


def test_it_says_percent(tmp_path):
    done = command("score", "imagenet-c", str(write(tmp_path / "t.csv", {"half": HALF})))
    assert done.code == 0
    assert "Percent; corruption errors are relative to Hendrycks' AlexNet." in done.out
    assert "half/mce" in done.out


def cells(path, line, column, text):
    """Put another text into a cell."""
    lines = list(csv.reader(path.read_text().splitlines()))
    lines[line][column] = text
    out = io.StringIO()
    csv.writer(out).writerows(lines)
    path.write_text(out.getvalue())


DAMAGED = {
    "no number": (2, 5, "about .5", "has 'about .5' for gaussian_noise at severity 5"),
    "empty": (2, 5, "", "has '' for gaussian_noise at severity 5, which is no accuracy"),
    "not a number": (2, 5, "nan", "'nan'"),
    "infinite": (2, 5, "inf", "'inf'"),
    "negative": (2, 5, "-0.1", "'-0.1'"),
    "more than all": (2, 5, "101", "'101'"),
    "decimal comma": (2, 5, "0,5", "'0,5'"),
    "percent in a table of shares": (2, 5, "45.1", "'45.1'"),
    "typing error": (2, 5, "1.5", "'1.5'"),
    "clean no number": (2, 76, "n/a", "'n/a' for clean"),
    "unknown corruption": (0, 3, "rain", "column 4 is 'rain', which is no corruption"),
    "lacking corruption": (0, 3, "", "no column for gaussian_noise at severity 3"),
    "twice": (0, 3, "shot_noise", "shot_noise at severity 3 is there twice"),
    "severity 6": (1, 3, "6", "the severity '6' is not one of 1 to 5"),
    "no severity": (1, 3, "", "the severity '' is not one of 1 to 5"),
    "severity 2.5": (1, 3, "2.5", "the severity '2.5' is not one of 1 to 5"),
    "infinite severity": (1, 3, "inf", "the severity 'inf' is not one of 1 to 5"),
    "no name": (2, 0, " ", "line 3 names no model"),
}


@pytest.mark.parametrize(("line", "column", "text", "reason"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_table_is_refused(tmp_path, line, column, text, reason):
    table = write(tmp_path / "t.csv", {"half": HALF, "other": HALF}, clean={"half": 0.5})
    cells(table, line, column, text)
    refused(command("score", "imagenet-c", str(table)), str(table), reason)


def test_table_of_another_kind_is_refused(tmp_path):
    table = tmp_path / "t.csv"
    score = ("score", "imagenet-c", str(table))
    refused(command(*score), "t.csv")
    for text in ("", "\n\n", "one line\n", "two\nlines\n"):
        table.write_text(text)
        refused(command(*score), "a line of corruptions, a line of severities")
    table.write_text("a;b\nc;d\ne;f\n")
    refused(command(*score), "no column for gaussian_noise at severity 1")
    table.write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff" * 20)
    refused(command(*score), "cannot be read as a table")
    table.write_bytes(b"a\x00b\nc\nd\n")
    refused(command(*score), "t.csv")
    refused(command("score", "imagenet-c", str(tmp_path)), "")


def test_short_line_and_same_model_twice_are_refused(tmp_path):
    table = write(tmp_path / "t.csv", {"half": HALF})
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:2], lines[2].rpartition(",")[0]]))
    refused(command("score", "imagenet-c", str(table)), "jpeg_compression at severity 5")
    table.write_text("\n".join([*lines, lines[2]]))
    refused(command("score", "imagenet-c", str(table)), "'half' is there twice")


def test_long_line_is_refused(tmp_path):
    """A cell too many shows that cells were shifted."""
    table = write(tmp_path / "t.csv", {"half": HALF})
    table.write_text(table.read_text().rstrip() + ",0.5\n")
    refused(command("score", "imagenet-c", str(table)), "'half' has 77 cells, and the table 76")


def test_alexnet_that_makes_no_errors_is_refused(tmp_path):
    perfect = dict.fromkeys(COLUMNS, 1.0)
    table = write(tmp_path / "t.csv", {"alexnet": perfect, "half": HALF})
    refused(command("score", "imagenet-c", str(table)), "alexnet=hendrycks")


def test_alexnet_that_corruption_makes_no_worse_has_no_relative_mce(tmp_path):
    clean = {"alexnet": 0.1, "half": 0.1}
    table = write(tmp_path / "t.csv", {"alexnet": OWN, "half": HALF}, clean=clean)
    found = command("score", "imagenet-c", str(table), "--json").json
    assert found["models"]["half"]["mce"] == pytest.approx(50)
    assert found["models"]["half"]["relative_mce"] is None
    assert "AlexNet is no worse under" in found["not_computed"]["half/relative_mce"]


def test_what_the_scorer_does_not_take_is_refused(tmp_path):
    table = write(tmp_path / "t.csv", {"half": HALF})
    score = ("score", "imagenet-c", str(table))
    refused(command(*score, "-T", "alexnet=table"), "the table has no model AlexNet")
    refused(command(*score, "-T", "alexnet=mine"), "alexnet")
    refused(command(*score, "--reference", str(table)), "takes no --reference")


@pytest.mark.mirror
def test_recorded_accuracies_of_robustbench():
    folder = os.environ.get("HARNESS_DATA")
    table = Path(folder or "") / "imagenet_c" / "unaggregated_accuracy.csv"
    if not folder or not table.is_file():
        pytest.skip("HARNESS_DATA has no imagenet_c/unaggregated_accuracy.csv")
    found = scored(table)["models"]
    # RobustBench @fe235fb, model_info/imagenet/corruptions: corruptions_acc and corruptions_mce.
    published = {
        "AlexNet": (21.12, 100.0),
        "Standard_R50": (39.48, 76.38),
        "Hendrycks2020AugMix": (49.33, 64.17),
    }
    rounded = {
        name: (round(one["accuracy"], 2), round(one["mce"], 2)) for name, one in found.items()
    }
    assert rounded == published
