"""The board of adapt tasks on made-up runs whose figures are known by hand."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest
from edits import command
from rich.console import Console

from harness.results.schema import SCHEMA_VERSION, SampleRecord, Status
from harness.results.store import ResultsStore
from harness_leaderboards.adapt.build import build_adapt
from harness_leaderboards.boards import board_named, detailed
from harness_leaderboards.render.markdown import markdown
from harness_leaderboards.render.terminal import print_leaderboard

IMAGENET_C = detailed(board_named("imagenet-c"))

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


class Made:
    """A results folder with made-up runs of imagenet-c."""

    def __init__(self, root):
        self.root, self.store, self.count = root, ResultsStore(root), 0
        self.store.prepare()

    def run(self, method, scores, *, seed=0, metrics=None, bytes_of="b", parts=None, **row):
        """Publish a run; `scores` are (photograph, corruption, score or status)."""
        self.count += 1
        run_id = f"01RUN{self.count:021d}"
        attempt = self.store.claim(f"key-{self.count}", "code", fresh=True)
        attempt.journal.delete()
        journal = type(attempt.journal)(self.root / "journal" / f"{run_id}.jsonl")
        records = [self.record(*one, f"{bytes_of}{seed}") for one in scores]
        adapter, _, wrapper = method.partition("+")
        named = [{"name": adapter, "options": {}}, {"name": wrapper or "none", "options": {}}]
        values = {
            "run_id": run_id,
            "work_key": f"key-{method}-{seed}",
            "code_hash": "code",
            "schema_version": SCHEMA_VERSION,
            "protocol": "adapt",
            "task": "imagenet-c",
            "task_version": "imagenet-c-1",
            "subset": "severity-5",
            "task_options": '{"batch_size": 4, "workers": 1}',
            "method": method,
            "method_parts": json.dumps(parts or named),
            "model": "tiny",
            "model_id": "tiny",
            "model_revision": "1",
            "embedder": "",
            "sampling": "{}",
            "order": "native",
            "data_seed": 0,
            "sample_seed": seed,
            "content_hash": "c",
            "n_planned": len(records),
            "n_done": len(records),
            "n_failed": sum(one.status is Status.FAILED for one in records),
            "n_invalid": sum(one.status is Status.INVALID for one in records),
            "n_error": 0,
            "status": "complete",
            "started_at": WHEN,
            "finished_at": WHEN,
            "metrics": list((metrics or {}).items()),
            "protocol_settings": json.dumps(
                {
                    "order": "predict-then-adapt",
                    "adapts": "norm affine",
                    "missing": {"mce": "needs all five severities"},
                }
            ),
            **row,
        }
        self.store.write_tables(run_id, "imagenet-c", records)
        self.store.commit(values, journal)
        return run_id

    @staticmethod
    def record(photograph, corruption, score, content):
        status = {"failed": Status.FAILED, "invalid": Status.INVALID}.get(score, Status.OK)
        value = {"failed": 0.0, "invalid": None}.get(score, score)
        return SampleRecord(
            *(f"{corruption}/5/{photograph}", f"{content}/{corruption}/{photograph}"),
            *(photograph, corruption, 0, corruption, status, value),
            error="no luck" if status is Status.FAILED else "",
        )

    def board(self):
        return build_adapt(IMAGENET_C, ResultsStore(self.root))


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path / "r")


def table(scores, corruptions=("fog", "snow")):
    """Rows of photographs p0, p1, ... with a score for each corruption."""
    return [
        (f"p{number}", corruption, score)
        for number, given in enumerate(scores)
        for corruption, score in zip(corruptions, given, strict=True)
    ]


def rows(board):
    (section,) = board.sections
    return {row.method: row for row in section.rows}


def test_accuracy_and_gain_are_by_photograph(made):
    made.run("source", table([(0, 0), (1, 0), (0, 0), (1, 1)]))
    made.run("tent", table([(1, 0), (1, 1), (0, 0), (1, 1)]))
    found = rows(made.board())
    assert found["source"].accuracy.mean == 3 / 8
    assert found["source"].gain is None
    tent = found["tent"]
    assert tent.accuracy.mean == 5 / 8
    assert (tent.gain.n, tent.gain.clusters, tent.gain.unpaired) == (8, 4, 0)
    assert tent.gain.difference == 1 / 4
    assert (tent.gain.low, tent.gain.high) == (None, None)  # four photographs are too few for one
    # Two of four photographs changed: the smallest p of swapping them is 1/2.
    assert tent.gain.p == 0.5
    assert str(tent.gain.verdict) == "inconclusive"
    assert list(found) == ["source", "tent"]


def test_failed_images_are_wrong_and_invalid_ones_left_out(made):
    made.run("source", table([(1, 1), (1, "invalid")]))
    made.run("tent", table([(1, "failed"), ("failed", "invalid")]))
    found = rows(made.board())
    assert found["source"].accuracy.mean == 1.0
    assert (found["source"].n_scored, found["source"].n_invalid) == (3, 1)
    tent = found["tent"]
    assert (tent.n_failed, tent.n_invalid, tent.reason) == (2, 1, "no luck")
    assert tent.accuracy.mean == pytest.approx(1 / 3)
    assert tent.gain.n == 3
    assert tent.gain.difference == pytest.approx(-2 / 3)
    assert "tent: 2 images failed: no luck" in made.board().sections[0].notes


def test_seeds_are_paired_with_themselves_and_other_bytes_with_nothing(made):
    for seed, scores in ((0, [(0, 0), (1, 1)]), (1, [(1, 0), (1, 1)])):
        made.run("source", table(scores), seed=seed, metrics={"ece": 0.1 + seed, "mce": 0.5})
    made.run("tent", table([(1, 1), (1, 1)]), seed=0, metrics={"ece": 0.2})
    made.run("lame", table([(1, 1), (1, 1)]), seed=0, bytes_of="other")
    found = rows(made.board())
    assert found["source"].seeds == (0, 1)
    assert found["source"].figures == {"ece": pytest.approx(0.6), "mce": 0.5}
    assert (found["tent"].gain.n, found["tent"].gain.unpaired) == (4, 4)
    assert found["tent"].gain.difference == 0.5
    assert found["lame"].gain is None
    assert found["lame"].accuracy.mean == 1.0


def test_metric_of_some_seeds_only_is_left_out(made):
    made.run("source", table([(1, 1)]), seed=0, metrics={"mce": 0.5, "ece": 0.1})
    made.run("source", table([(1, 1)]), seed=1, metrics={"ece": 0.3})
    assert rows(made.board())["source"].figures == {"ece": pytest.approx(0.2)}


def test_newest_run_counts_and_other_settings_stand_apart(made):
    made.run("source", table([(0, 0)]))
    made.run("source", table([(1, 1)]))
    made.run("source", table([(0, 1)]), task_options='{"batch_size": 8}')
    made.run("source", table([(0, 1)]), content_hash="d")
    # How many processes made the images is no setting.
    made.run("tent", table([(1, 1)]), task_options='{"batch_size": 4, "workers": 0}')
    sections = made.board().sections
    assert len(sections) == 3
    (both,) = [one for one in sections if len(one.rows) == 2]
    assert both.rows[0].accuracy.mean == 1.0
    assert "severity-5, tiny, batch size 4" in print_text(made)


def test_without_the_baseline_there_is_no_gain_and_a_note(made):
    made.run("tent", table([(1, 0)]))
    (section,) = made.board().sections
    assert section.rows[0].gain is None
    assert "no complete run of source here" in section.notes[0]


def print_text(made, details=False):
    out = io.StringIO()
    console = Console(file=out, width=200, markup=False, highlight=False, emoji=False)
    print_leaderboard(made.board(), console, details=details)
    return out.getvalue()


def test_tables_show_figures_cells_and_costs(made):
    metrics = {
        *(("accuracy/fog/5", 0.25), ("accuracy/snow/5", 0.75), ("ece", 0.125), ("mce", 0.764)),
        *(("overhead", 1.08), ("forwards_per_image", 1.1), ("peak_memory_bytes", 5e8)),
        ("ce/fog", 0.912),
    }
    made.run("source", table([(0, 1), (1, 0)]), metrics=dict(metrics))
    made.run("tent+panda", table([(1, 1), (1, 0)]), metrics=dict(metrics))
    text = print_text(made, details=True)
    for word in ("tent+panda", "mCE", ".76", "1.08", "predict-then-adapt", "norm affine", "500"):
        assert word in text
    assert "95 % t interval over 2 photographs" in text
    assert "Accuracy by corruption at severity 5" in text
    assert "Corruption errors (CE)" in text
    assert "mce: needs all five severities" in text
    assert ".91" in text
    assert "| tent+panda |" in markdown(made.board())


def test_command_writes_parquet_markdown_and_json(made, tmp_path):
    made.run("source", table([(0, 1), (1, 0)]), metrics={"accuracy/fog/5": 0.5, "ece": 0.1})
    made.run("tent", table([(1, 1), (1, 0)]), metrics={"accuracy/fog/5": 1.0, "ece": 0.2})
    out = tmp_path / "out"
    words = ("leaderboard", "imagenet-c", "--results", str(made.root), "--out", str(out))
    done = command(*words, "--json")
    assert done.code == 0, done.err
    assert [one["method"] for one in done.json[0]["details"]["sections"][0]["rows"]] == [
        "source",
        "tent",
    ]
    first = (out / "imagenet-c.md").read_bytes()
    found = {
        one["method"]: one for one in pq.read_table(out / "imagenet-c.details.parquet").to_pylist()
    }
    assert found["tent"]["accuracy"] == 0.75
    assert found["tent"]["gain_difference"] == 0.25
    assert dict(found["tent"]["cells"]) == {"fog/5": 1.0}
    assert dict(found["source"]["figures"]) == {"ece": 0.1}
    assert command(*words).code == 0
    assert (out / "imagenet-c.md").read_bytes() == first


def test_unfinished_runs_are_listed(made):
    made.run("source", table([(1, 1)]))
    made.run("tent", table([(1, 1)]), status="incomplete")
    board = made.board()
    assert [one.method for one in board.unranked] == ["tent"]
    assert list(rows(board)) == ["source"]


def test_one_failed_image_lets_no_other_bytes_be_paired(made):
    made.run("source", table([(0, 0), (1, 1)]))
    made.run("tent", table([("failed", 1), (1, 1)]), bytes_of="other")
    gain = rows(made.board())["tent"].gain
    assert (gain.n, gain.unpaired) == (1, 3)
