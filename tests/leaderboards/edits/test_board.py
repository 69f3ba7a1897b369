"""The board of TOFU: real runs of three seeds, and made-up ones whose figures are known."""

from __future__ import annotations

import io
import json
import shutil
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest
from edits import WORLD, command, run
from rich.console import Console

from harness.results.schema import SCHEMA_VERSION, SampleRecord, Status
from harness.results.store import ResultsStore
from harness.statistics.tradeoff import Crossing, Point, area_between, first_crossing
from harness_leaderboards.boards import board_named, detailed
from harness_leaderboards.edits.build import build_edits
from harness_leaderboards.render.markdown import markdown
from harness_leaderboards.render.terminal import print_leaderboard

MUSE = detailed(board_named("muse"))
TOFU = detailed(board_named("tofu"))
WMDP = detailed(board_named("wmdp"))

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


class Made:
    """A results folder with made-up edit runs."""

    def __init__(self, root, board=TOFU):
        self.root, self.store, self.count, self.board = root, ResultsStore(root), 0, board
        self.store.prepare()

    def run(
        self,
        method,
        seed,
        points,
        *,
        n_failed=0,
        missing=None,
        attacks=None,
        reference=None,
        error=("Diverged", "diverged: the loss is nan"),
        truth_ratios=(0.5,),
        **row,
    ):
        """Publish a run whose trajectory is (checkpoint, step, metrics) or less of it.

        Failed runs fail with `error`, its type and text; `reference` is a run id.
        """
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
            "task": self.board.task,
            "task_version": f"{self.board.task}-1",
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
            "reference_run_id": reference,
            **row,
        }
        records = [
            SampleRecord(
                *(f"s{number}", "h", "a", "forget", 0, "forget"),
                *(Status.FAILED if n_failed else Status.OK, None if n_failed else 0.5),
                metrics={} if n_failed else {"truth_ratio": ratio},
                checkpoint="final",
                error_type=error[0] if n_failed else "",
                error=error[1] if n_failed else "",
            )
            for number, ratio in enumerate(truth_ratios)
        ]
        self.store.write_tables(run_id, self.board.task, records)
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
        (section,) = build_edits(self.board, self.store).sections
        return {row.method: row for row in section.rows}, section

    def printed(self, *more):
        done = command("leaderboard", self.board.name, "--results", self.root, *more)
        assert done.code == 0, done.err
        return done.out


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
        own = made.run("retrain", seed, [("final", 4, at(0.2 + 0.1 * seed, 0.85))])
        points = falling((0.9, 0.9), (0.5, 0.6 + 0.1 * seed), (0.1, 0.2))
        made.run("graddiff", seed, points, reference=own)
        made.run("graddiff+gu", seed, falling((0.9, 0.9), (0.6, 0.9), (0.1, 0.5)), reference=own)
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
    assert [(one.seed, one.diverged) for one in rows["npo"].failures] == [(1, True), (2, True)]
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


def test_own_level_is_that_of_the_run_it_was_compared_with(made):
    points = falling((0.9, 0.9), (0.1, 0.1))
    named = made.run("retrain", 0, [("final", 4, at(0.5, 0.9))])
    made.run("retrain:model=hf:other", 0, [("final", 4, at(0.2, 0.9))])
    made.run("graddiff", 0, points, reference=named)
    made.run("npo", 0, points)
    made.run("simnpo", 0, points, reference="01GONE")
    rows, section = made.section()
    assert level(rows["graddiff"], None).kept[0] == pytest.approx(0.5)
    for name in ("npo", "simnpo"):
        assert None not in {one.level for one in rows[name].levels}
        assert any(note.startswith(f"{name}, seed 0: compared with no") for note in section.notes)


def test_reference_on_other_data_gives_no_level(made):
    own = made.run("retrain", 0, [("final", 4, at(0.5, 0.9))], content_hash="other")
    made.run("graddiff", 0, falling((0.9, 0.9), (0.1, 0.1)), reference=own)
    for section in build_edits(TOFU, made.store).sections:
        for row in section.rows:
            assert None not in {one.level for one in row.levels}


def test_runs_of_a_seed_on_other_data_stand_apart_and_are_never_paired(made):
    for seed in (0, 1):
        made.run("graddiff", seed, falling((0.9, 0.9), (0.1, 0.5)), content_hash=f"old-{seed}")
    made.run("graddiff", 1, falling((0.9, 0.9), (0.1, 0.4)), content_hash="new-1")
    for seed in (0, 1):
        hashed = "old-0" if seed == 0 else "new-1"
        made.run("graddiff+gu", seed, falling((0.9, 0.9), (0.1, 0.7)), content_hash=hashed)
    board = build_edits(TOFU, made.store)
    assert [dict(one.data) for one in board.sections] == [{0: "old-0", 1: "new-1"}, {1: "old-1"}]
    first, second = board.sections
    gain = level({row.method: row for row in first.rows}["graddiff+gu"], 0.5).gain
    assert gain.seeds == 2
    (row,) = second.rows
    assert (row.method, row.seeds) == ("graddiff", (1,))
    assert any("seed 1 is on data new-1" in note and "old-1" in note for note in first.notes)
    out = made.printed()
    assert "seed 1 on data new-1: at the end" in out
    assert "seed 1 on data old-1: at the end" in out


def test_data_that_seeds_share_stay_in_one_section(made):
    for hashed, seeds in (("old", (0, 1)), ("new", (0,))):
        for seed in seeds:
            made.run("graddiff", seed, falling((0.9, 0.9), (0.1, 0.5)), content_hash=hashed)
    board = build_edits(TOFU, made.store)
    assert [dict(one.data) for one in board.sections] == [{0: "new"}, {0: "old", 1: "old"}]


def test_levels_that_hold_before_the_edit_enter_nothing(made):
    for seed in (0, 1):
        start = (0.4, 0.9) if seed == 0 else (0.9, 0.9)
        made.run("graddiff", seed, falling(start, (0.1, 0.5)))
        made.run("graddiff+gu", seed, falling(start, (0.1, 0.7)))
    rows, _ = made.section()
    found = level(rows["graddiff+gu"], 0.5)
    assert (found.below, found.reached, found.seeds) == ((0,), 1, 2)
    assert found.over is found.gain is found.steps is None
    assert 0 not in found.kept
    assert rows["graddiff+gu"].area is None
    assert level(rows["graddiff+gu"], 0.3).gain.seeds == 2
    out = " ".join(made.printed().split())
    assert "at .50 (graddiff, graddiff+gu): 1 of 2 seeds start below this level" in out


def test_spread_leaves_out_what_compares_with_the_reference_itself(made):
    for seed in (0, 1):
        metrics = {"forget_quality_ks_distance": 0.0, "privleak": 0.0, **at(0.2 + 0.1 * seed, 0.9)}
        made.run("retrain", seed, [("final", 4, metrics)], content_hash=f"c{seed}")
    _, section = made.section()
    assert set(section.reference_spread) == {"forget_Q_A_Prob", "held_Q_A_Prob"}
    assert "n/a under KS, PrivLeak: these compare with the retrained model" in made.printed()


def test_spread_of_ks_is_between_retrained_models_on_the_same_data(made):
    for seed, ratios in enumerate([(0.1, 0.2, 0.3, 0.4), (0.3, 0.4, 0.5, 0.6)]):
        metrics = {"forget_quality_ks_distance": 0.0, **at(0.2, 0.9)}
        made.run("retrain", seed, [("final", 4, metrics)], truth_ratios=ratios)
    _, section = made.section()
    # Half of one sample lies below all of the other.
    assert section.reference_spread["forget_quality_ks_distance"] == pytest.approx(0.5)
    assert "Under KS it is the largest distance between two retrained models" in made.printed()


def test_terminal_tells_sections_limits_and_counts(made):
    for limit in (None, 4):
        points = falling((0.9, 0.9), (0.1, 0.5))
        made.run("graddiff", 0, points, sample_limit=limit, truth_ratios=(0.1, 0.2, 0.3))
    made.run("graddiff", 0, points, task_options='{"steps": 8}')
    out = made.printed()
    assert "drawn, tiny, first 4 of each set, steps 4: at the end" in out
    assert "drawn, tiny, steps 8: at the end" in out
    assert "Evaluated examples of each set (--limit 4): forget 3." in out
    assert "Evaluated examples of each set: forget 1." in out
    assert "Intervals are not cut" in out


def test_main_measure_is_the_first_that_the_runs_have(tmp_path):
    made = Made(tmp_path / "wmdp", WMDP)
    points = [
        (name, step, {"wmdp_cyber": value, "mmlu": kept, "wmdp_cyber_format_broken": broken})
        for name, step, value, kept, broken in (
            ("start", 0, 0.5, 0.6, 0.0),
            ("final", 4, 0.25, 0.5, 1.0),
        )
    ]
    made.run("rmu", 0, points, subset="cyber")
    rows, section = made.section()
    assert section.main == "wmdp_cyber"
    assert level(rows["rmu"], 0.3, "wmdp_cyber").over.mean == pytest.approx(0.52)
    assert rows["rmu"].area.mean == pytest.approx((0.56 + 0.52) / 2)
    assert [point[1] for point in rows["rmu"].curve] == [0.5, 0.25]
    out = made.printed()
    assert "MMLU at matched WMDP cyber" in out
    assert "WMDP bio" not in out
    assert "rmu, seed 0: wmdp_cyber is at chance in letters" in out


def test_muse_is_matched_by_probabilities_where_no_text_was_written(tmp_path):
    made = Made(tmp_path / "muse", MUSE)
    quick = [{"forget_verbmem_Prob": one, "retain_knowmem_Prob": 0.8} for one in (0.9, 0.2)]
    full = {**quick[1], "forget_verbmem_ROUGE": 0.3, "retain_knowmem_ROUGE": 0.7}
    made.run("graddiff", 0, [("start", 0, quick[0]), ("final", 2, full)])
    rows, section = made.section()
    assert (section.main, section.kept_metric) == ("forget_verbmem_Prob", "retain_knowmem_Prob")
    assert level(rows["graddiff"], 0.5, "forget_verbmem_Prob").over.mean == pytest.approx(0.8)
    assert "KnowMem r prob at matched VerbMem prob" in made.printed()


def test_board_without_measures_along_the_edit_says_what_gives_them(tmp_path):
    made = Made(tmp_path / "muse", MUSE)
    full = {"forget_verbmem_ROUGE": 0.3, "retain_knowmem_ROUGE": 0.7}
    made.run("graddiff", 0, [("start", 0, {}), ("final", 2, full)])
    _, section = made.section()
    assert section.main == ""
    assert "-T trajectory=full" in made.printed()


def test_trajectory_of_a_later_request_begins_where_the_one_before_ended(made):
    made.run("graddiff", 0, falling((0.9, 0.9), (0.6, 0.8)))
    run_id = made.run("npo", 0, falling((0.9, 0.9), (0.6, 0.8)))
    looks = made.store.checkpoints(run_id).to_dict("records")
    last = {**looks[-1], "request": 1, "metrics": at(0.2, 0.4)}
    between = {**looks[-1], "checkpoint": "request-1/end"}
    looks = [looks[0], between, last]
    looks = [{**one, "metrics": list(dict(one["metrics"]).items())} for one in looks]
    made.store.write_checkpoints(run_id, looks)
    rows, _ = made.section()
    assert [point[:2] for point in rows["npo"].curve] == [(0, 0.6), (2, 0.2)]
    assert level(rows["npo"], 0.5).kept[0] == pytest.approx(0.7)


def test_attacks_of_different_strength_stand_apart_and_newer_runs_hide_none(made):
    for steps, found in ((20, 0.5), (200, 0.8)):
        options = json.dumps({"steps": 4, "attacks": ["relearn"], "relearn_steps": steps})
        points = falling((0.9, 0.9), (0.1 + steps / 1000, 0.5))
        attacks = [("relearn", 2, at(found, 0.4))]
        made.run("graddiff", 0, points, attacks=attacks, task_options=options)
    options = json.dumps({"steps": 4, "attacks": [], "relearn_steps": 20})
    newest = made.run("graddiff", 0, falling((0.9, 0.9), (0.2, 0.5)), task_options=options)
    rows, _ = made.section()
    row = rows["graddiff"]
    assert row.run_ids == (newest,)
    after = {name: one["forget_Q_A_Prob"] for name, one in row.attacks.items()}
    assert after == {"relearn, 20 steps": 0.5, "relearn, 200 steps": 0.8}
    # Each figure before is of the run that was attacked.
    before = {name: one["forget_Q_A_Prob"] for name, one in row.unattacked.items()}
    assert before == pytest.approx({"relearn, 20 steps": 0.12, "relearn, 200 steps": 0.3})


def test_what_is_no_column_has_a_figure_before_the_attack(made):
    points = falling((0.9, 0.9), (0.2, 0.5))
    points[-1][2]["forget_Q_A_PARA_Prob"] = 0.33
    attacks = [("quantise4", 2, {**at(0.8, 0.4), "forget_Q_A_PARA_Prob": 0.66})]
    made.run("graddiff", 0, points, attacks=attacks)
    out = made.printed("--details")
    assert ".33 -> .66" in out
    assert ".20 -> .80" in out


def test_table_wider_than_the_terminal_keeps_its_names(made):
    more = {"extraction_strength": 0.3, "forget_Q_A_PARA_Prob": 0.4}
    attacks = [("quantise4", 2, {**at(0.8, 0.4), **more})]
    made.run("graddiff-long", 0, falling((0.9, 0.9), (0.2, 0.5)), attacks=attacks)
    out = io.StringIO()
    print_leaderboard(build_edits(TOFU, made.store), Console(file=out, width=40), details=True)
    attacked = out.getvalue().split("Attacks on the edited model")[1]
    assert "graddiff-" in attacked
    assert ".20 -> .80" in attacked


def test_failed_is_not_called_diverged_and_reasons_are_told(made):
    lost = [("start", 0, at(0.9, 0.9)), ("final", 2, {"score": 0.0})]
    made.run("npo", 0, lost, n_failed=1)
    made.run("npo", 1, lost, n_failed=1, error=("ValueError", "ValueError: lr is no number"))
    rows, section = made.section()
    assert [one.diverged for one in rows["npo"].failures] == [True, False]
    assert "npo, seed 0: diverged: the loss is nan" in section.notes
    assert "npo, seed 1: failed: ValueError: lr is no number" in section.notes
    assert "2, 1 diverged, 1 failed" in made.printed()
    assert "lr is no number" in markdown(build_edits(TOFU, made.store))


def test_lost_samples_are_named_and_the_board_is_still_built(made):
    run_id = made.run("graddiff", 0, falling((0.9, 0.9), (0.1, 0.5)))
    (path,) = made.root.rglob(f"samples/**/{run_id}.parquet")
    path.unlink()
    board = build_edits(TOFU, made.store)
    assert len(board.sections) == 1
    assert any("is missing" in one for one in board.problems)


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
            reached = {s: one.kept for s, one in crossings.items() if isinstance(one, Crossing)}
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
    (table,) = [path for path in written[0] if path.name == "tofu.details.parquet"]
    exported = pq.read_table(tmp_path / "one" / table).to_pylist()
    assert len(exported) == 4
    levels = {row["method"]: json.loads(row["levels"]) for row in exported}
    assert any(one["gain"] for name, found in levels.items() if "+gu" in name for one in found)
    (text,) = [path for path in written[0] if path.suffix == ".md"]
    assert "matched" in written[0][text].decode()
