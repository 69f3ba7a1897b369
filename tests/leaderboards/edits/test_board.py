"""The board of TOFU: real runs of three seeds, and made-up ones whose figures are known."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest
from edits import WORLD, command, run

from harness.results.schema import SCHEMA_VERSION, SampleRecord, Status
from harness.results.store import ResultsStore
from harness.statistics.tradeoff import Point, area_between, first_crossing
from harness_leaderboards.edits.boards import TOFU
from harness_leaderboards.edits.build import build_edits

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


class Made:
    """A results folder with made-up edit runs."""

    def __init__(self, root):
        self.root, self.store, self.count = root, ResultsStore(root), 0
        self.store.prepare()

    def run(self, method, seed, points, *, n_failed=0, missing=None, attacks=None, **row):
        """Publish a run whose trajectory is (checkpoint, step, forgetting, kept) or less of it."""
        self.count += 1
        run_id = f"01RUN{self.count:021d}"
        editor, _, surgery = method.partition("+")
        parts = [{"name": editor, "options": {}}, {"name": surgery or "none", "options": {}}]
        attempt = self.store.claim(f"key-{self.count}", "code", fresh=True)
        attempt.journal.delete()
        journal = type(attempt.journal)(self.root / "journal" / f"{run_id}.jsonl")
        values = {
            "run_id": run_id,
            "work_key": f"key-{method}-{seed}",
            "code_hash": "code",
            "schema_version": SCHEMA_VERSION,
            "protocol": "edit",
            "task": "tofu",
            "task_version": "tofu-1",
            "subset": "drawn",
            "task_options": '{"steps": 4}',
            "method": method,
            "method_parts": json.dumps(parts),
            "model": "tiny",
            "model_id": "tiny",
            "model_revision": "1",
            "embedder": "",
            "sampling": "{}",
            "order": "native",
            "data_seed": 0,
            "sample_seed": 0,
            "train_seed": seed,
            "content_hash": "c",
            "n_planned": 1,
            "n_done": 1,
            "n_failed": n_failed,
            "n_error": 0,
            "status": "complete",
            "started_at": WHEN,
            "finished_at": WHEN,
            "metrics": [],
            **row,
        }
        record = SampleRecord("s", "h", "a", "g", 0, "g", Status.OK, 0.5, checkpoint="final")
        self.store.write_tables(run_id, "tofu", [record])
        looks = [
            {
                "run_id": run_id,
                "checkpoint": checkpoint,
                "request": 0,
                "step": step,
                "seconds": 2.0 * step,
                "peak_memory_bytes": 10**9,
                "metrics": list(metrics.items()),
                "missing": json.dumps(missing or {}),
            }
            for checkpoint, step, metrics in [*points, *(attacks or [])]
        ]
        self.store.write_checkpoints(run_id, looks)
        self.store.commit(values, journal)
        journal.close()
        return run_id

    def section(self):
        (section,) = build_edits(TOFU, self.store).sections
        return {row.method: row for row in section.rows}, section


def at(forgetting, kept):
    return {"forget_Q_A_Prob": forgetting, "held_Q_A_Prob": kept}


def falling(*pairs):
    """A trajectory of steps 0, 2, 4, ..."""
    names = ["start", *(f"step-{2 * n:05d}" for n in range(1, len(pairs) - 1)), "final"]
    return [(name, 2 * n, at(*pair)) for n, (name, pair) in enumerate(zip(names, pairs))]  # noqa: B905


def level(row, value, measure="forget_Q_A_Prob"):
    return next(one for one in row.levels if (one.measure, one.level) == (measure, value))


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path / "r")


def test_matched_forgetting_by_hand(made):
    for seed in (0, 1):
        made.run("retrain", seed, [("final", 4, at(0.2 + 0.1 * seed, 0.85))])
        made.run("graddiff", seed, falling((0.9, 0.9), (0.5, 0.6 + 0.1 * seed), (0.1, 0.2)))
        made.run("graddiff+gu", seed, falling((0.9, 0.9), (0.6, 0.9), (0.1, 0.5)))
    rows, section = made.section()
    assert section.kept_metric == "held_Q_A_Prob"
    plain, gu = rows["graddiff"], rows["graddiff+gu"]
    assert (plain.base, gu.base) == ("", "graddiff")
    half = level(plain, 0.5)
    assert dict(half.kept) == {0: pytest.approx(0.6), 1: pytest.approx(0.7)}
    assert half.over.mean == pytest.approx(0.65)
    assert (half.steps, half.seconds) == (pytest.approx(2), pytest.approx(4))
    # .1 of .5 on the way from .9 to .5
    assert level(gu, 0.5).over.mean == pytest.approx(0.9 - 0.2 * 0.4)
    gain = level(gu, 0.5).gain
    assert (gain.mean, gain.seeds) == (pytest.approx((0.22 + 0.12) / 2), 2)
    # t interval of two differences .22 and .12: half width 12.706 * .05
    assert gain.high - gain.mean == pytest.approx(12.706 * 0.05, rel=1e-3)
    # The reference's own level is another for each seed: .2 and .3
    own = level(plain, None)
    assert own.kept[0] == pytest.approx(0.2 + 0.4 * 0.1 / 0.4)
    assert own.kept[1] == pytest.approx(0.2 + 0.5 * 0.2 / 0.4)
    points = [Point(0, 0, 0.9, 0.9), Point(2, 4, 0.5, 0.6), Point(4, 8, 0.1, 0.2)]
    areas = [area_between(points, 0.15, 0.5)]
    points[1] = Point(2, 4, 0.5, 0.7)
    areas.append(area_between(points, 0.15, 0.5))
    assert plain.area.mean == pytest.approx(sum(areas) / 2)
    assert section.reference_spread["forget_Q_A_Prob"] == pytest.approx(0.1)


def test_censored_seeds_enter_no_mean(made):
    for seed in range(3):
        low = 0.4 if seed == 1 else 0.1
        made.run("graddiff", seed, falling((0.9, 0.9), (low, 0.5)))
        made.run("graddiff+gu", seed, falling((0.9, 0.9), (0.1, 0.7)))
    rows, _ = made.section()
    found = level(rows["graddiff"], 0.3)
    assert (found.reached, found.seeds) == (2, 3)
    assert found.over is found.steps is found.seconds is None
    assert set(found.kept) == {0, 2}
    assert rows["graddiff"].area is None
    assert level(rows["graddiff+gu"], 0.3).over is not None
    assert level(rows["graddiff+gu"], 0.3).gain is None  # its plain twin is censored
    assert level(rows["graddiff"], 0.5).over is not None
    done = command("leaderboard", "tofu", "--results", made.root)
    assert "2 of 3" in done.out


def test_edit_that_diverged_at_once_is_censored_and_not_forgotten(made):
    """It has a start alone; without it the mean would be that of the survivors."""
    for seed in range(3):
        made.run("graddiff", seed, falling((0.9, 0.9), (0.1, 0.5)))
    lost = [("start", 0, at(0.9, 0.9)), ("final", 2, {"model_utility": 0.0, "score": 0.0})]
    made.run("npo", 0, falling((0.9, 0.9), (0.1, 0.5)))
    made.run("npo", 1, lost, n_failed=1)
    made.run("npo", 2, [(name, step, {"model_utility": 0.0}) for name, step, _ in lost], n_failed=2)
    rows, _ = made.section()
    found = level(rows["npo"], 0.5)
    assert (found.reached, found.seeds, found.over) == (1, 3, None)
    assert rows["npo"].diverged == 2
    assert rows["npo"].area is None
    out = command("leaderboard", "tofu", "--results", made.root).out
    assert "2 diverged" in out
    assert ".10 (1 of 3)" in out  # the mean at the end is of one that survived


def test_methods_without_a_trajectory_have_no_level(made):
    made.run("identity", 0, [("final", 4, at(0.9, 0.9))])
    made.run("retrain", 0, [("final", 4, at(0.2, 0.9))])
    made.run("graddiff", 0, falling((0.9, 0.9), (0.1, 0.5)))
    rows, _ = made.section()
    assert not rows["identity"].levels
    assert not rows["retrain"].levels
    assert list(rows) == ["identity", "retrain", "graddiff"]


def test_newest_attempt_of_a_seed_counts_and_others_settings_stand_apart(made):
    made.run("graddiff", 0, falling((0.9, 0.9), (0.1, 0.1)))
    newest = made.run("graddiff", 0, falling((0.9, 0.9), (0.1, 0.5)))
    rows, _ = made.section()
    assert rows["graddiff"].run_ids == (newest,)
    assert rows["graddiff"].end["held_Q_A_Prob"].mean == 0.5
    made.run("graddiff", 0, falling((0.9, 0.9), (0.1, 0.3)), task_options='{"steps": 8}')
    made.run("graddiff", 1, falling((0.9, 0.9), (0.1, 0.3)), status="incomplete", n_error=1)
    board = build_edits(TOFU, made.store)
    assert len(board.sections) == 2
    assert [one.status for one in board.unranked] == ["incomplete"]


def test_attacks_do_not_enter_the_trajectory(made):
    attacks = [("quantise4", 2, at(0.8, 0.4)), ("relearn", 2, at(0.7, 0.45))]
    made.run("graddiff", 0, falling((0.9, 0.9), (0.2, 0.5)), attacks=attacks)
    rows, _ = made.section()
    assert rows["graddiff"].attacks["quantise4"]["forget_Q_A_Prob"] == 0.8
    assert [step for step, _, _ in rows["graddiff"].curve] == [0, 2]
    out = command("leaderboard", "tofu", "--results", made.root, "--json").out
    assert "relearn" in out


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    shape = ("layers=1", "hidden=32", "vocabulary=300", "epochs=10", "lr=3e-2")
    model = ("--model", "tiny-tofu", *(word for one in shape for word in ("--model-arg", one)))
    budget = ("-T", "steps=6", "-T", "checkpoint_every=2", "--limit", "8")
    words = (*WORLD, *model, *budget, "--seeds", "0,1,2")
    rate = "lr=3e-2"
    methods = ("--method", f"graddiff:{rate}", "--method", f"graddiff:{rate}+gu", "--method")
    done = run(folder, *methods, "identity", world=words)
    assert done.code == 0, done.err
    return folder


def test_board_of_real_runs_agrees_with_their_tables(real):
    store = ResultsStore(real)
    board = build_edits(TOFU, store)
    (section,) = board.sections
    rows = {row.method: row for row in section.rows}
    assert [row.seeds for row in section.rows] == [(0, 1, 2)] * 4
    trajectories = dict[str, dict[int, list[Point]]]()
    finals = dict[str, dict[int, dict]]()
    for one in store.runs():
        row, looks = store.row(one.run_id), store.checkpoints(one.run_id).to_dict("records")
        points = [
            Point(
                look["step"],
                look["seconds"],
                look["metrics"]["forget_Q_A_Prob"],
                look["metrics"]["held_Q_A_Prob"],
            )
            for look in looks
        ]
        trajectories.setdefault(one.method, {})[row["train_seed"]] = points
        finals.setdefault(one.method, {})[row["train_seed"]] = looks[-1]["metrics"]
    plain, gu = (name for name in rows if name.startswith("graddiff"))
    for name in (plain, gu):
        for measure in (0.5, 0.3, 0.15, None):
            found = level(rows[name], measure)
            crossings = {}
            for seed, points in trajectories[name].items():
                own = finals["retrain"][seed]["forget_Q_A_Prob"] if measure is None else measure
                crossings[seed] = first_crossing(points, own)
            reached = {seed: one.kept for seed, one in crossings.items() if one}
            assert dict(found.kept) == pytest.approx(reached)
            assert (found.reached, found.seeds) == (len(reached), 3)
            assert (found.over is None) == (len(reached) < 3)
            if found.over is not None:
                assert found.over.mean == pytest.approx(sum(reached.values()) / 3)
            if name == gu and found.gain is not None:
                other = level(rows[plain], measure).kept
                gains = [reached[seed] - other[seed] for seed in reached]
                assert found.gain.mean == pytest.approx(sum(gains) / 3)
    assert any(level(rows[gu], one).gain is not None for one in (0.5, 0.3, 0.15, None))
    for name, row in rows.items():
        values = [one["model_utility"] for one in finals[name].values()]
        assert row.end["model_utility"].mean == pytest.approx(sum(values) / 3)
    assert trajectories[plain][0][0] == trajectories[gu][0][0]  # the same target


def test_board_is_printed_exported_and_repeatable(real, tmp_path):
    done = command("leaderboard", "tofu", "--results", real)
    assert done.code == 0, done.err
    assert "at the end of the edit" in done.out
    assert "held probability at matched forget probability" in done.out
    found = command("leaderboard", "tofu", "--results", real, "--json")
    assert "graddiff" in json.dumps(found.json)
    written = []
    for name in ("one", "two"):
        results = shutil.copytree(real, tmp_path / f"r-{name}")
        folder = tmp_path / name
        done = command("leaderboard", "tofu", "--results", results, "--out", folder)
        assert done.code == 0, done.err
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        written.append({path.relative_to(folder): path.read_bytes() for path in files})
    assert written[0] == written[1]
    suffixes = {path.suffix for path in written[0]}
    assert {".parquet", ".md"} <= suffixes
    (table,) = [path for path in written[0] if path.suffix == ".parquet"]
    exported = pq.read_table(tmp_path / "one" / table).to_pylist()
    assert len(exported) == 4
    levels = {row["method"]: json.loads(row["levels"]) for row in exported}
    assert any(one["gain"] for name, found in levels.items() if "+gu" in name for one in found)
    (text,) = [path for path in written[0] if path.suffix == ".md"]
    assert "matched" in written[0][text].decode()
