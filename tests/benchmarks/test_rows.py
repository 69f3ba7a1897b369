"""Medians, ratios and targets of the benchmark table."""

from __future__ import annotations

import math
import resource
import sys
from dataclasses import replace

import pytest

from benchmarks.driver import Run
from benchmarks.processes import CommandFailed, cpu_of_tree, run_measured
from benchmarks.prompts import write_prompts
from benchmarks.rows import Table, bounded
from benchmarks.table import table_text
from benchmarks.vllm_serving import ratio_interval

LABELS = {"floor": "floor", "harness": "harness", "lm-eval": "lm-eval 1"}
"""A table of three tools."""


def run(tool, work, repeat, samples, cpu_s, *, killed=False, wall_s=1.0):
    return Run(
        tool=tool,
        work=work,
        repeat=repeat,
        samples=samples,
        wall_s=wall_s,
        cpu_s=cpu_s,
        peak_mb=100.0,
        killed=killed,
        requests=samples,
        most_in_flight=1,
        first_cpu_s=0.5,
        span_s=0.5,
        server_cpu_s=0.1,
    )


def slopes(*runs):
    table = Table(runs, LABELS, {"floor": "left out"})
    return table.compare("cost", table.slope_ms("small", "large"), list(LABELS), {"lm-eval": 0.33})


def two_sizes(tool, small, large, repeat=1, *, killed=False):
    return [
        run(tool, "small", repeat, 500, small),
        run(tool, "large", repeat, 10_500, large, killed=killed),
    ]


def test_ratio_is_of_the_medians_and_the_target_of_the_ratio():
    runs = [one for n in (1, 2, 3) for one in two_sizes("harness", 1.0, 1.0 + 2 * n, n)]
    left_out, mine, other = slopes(*runs, *two_sizes("lm-eval", 10.0, 30.0))
    assert mine.values == pytest.approx((0.2, 0.4, 0.6))
    assert other.ratio == pytest.approx(0.4 / 2.0)
    assert other.met is True
    assert left_out.text == "left out"
    assert left_out.met is None


def test_a_target_that_is_missed_is_said():
    *_, other = slopes(*two_sizes("harness", 1.0, 11.0), *two_sizes("lm-eval", 10.0, 30.0))
    assert other.met is False
    assert "NOT MET" in table_text([other])


def test_a_cost_that_drowns_in_noise_has_no_ratio():
    *_, other = slopes(*two_sizes("harness", 2.0, 1.0), *two_sizes("lm-eval", 10.0, 30.0))
    assert other.ratio is None
    assert other.met is None


def test_a_killed_command_gives_a_lower_bound_of_its_cost():
    runs = [*two_sizes("harness", 1.0, 2.0), *two_sizes("lm-eval", 10.0, 310.0, killed=True)]
    *_, other = slopes(*runs)
    assert other.at_least
    assert other.met is True
    assert "> 30.0" in table_text([other])
    assert "< 0.003" in table_text([other])


def test_a_lower_bound_of_the_other_leaves_a_missed_target_open():
    runs = [*two_sizes("harness", 1.0, 11.0), *two_sizes("lm-eval", 10.0, 12.0, killed=True)]
    *_, other = slopes(*runs)
    assert other.met is None
    assert "not known" in table_text([other])


def test_a_killed_harness_meets_no_target():
    killed = two_sizes("harness", 1.0, 2.0, killed=True)
    *_, other = slopes(*killed, *two_sizes("lm-eval", 10.0, 310.0))
    assert other.met is None
    mine = slopes(*killed)[1]
    assert bounded([mine], "harness", 200.0)[0].met is None
    assert bounded([mine], "harness", 0.05)[0].met is False


def test_a_tool_that_was_killed_too_early_is_not_said_to_lack_something():
    small = run("lm-eval", "small", 1, 500, 10.0, killed=True)
    _, mine, other = slopes(*two_sizes("lm-eval", 10.0, 30.0)[1:], small)
    assert mine.text == "cannot express it"
    assert (other.text, other.values) == ("killed too early", ())


def test_interval_of_paired_ratios_matches_a_hand_calculation():
    # log-ratios -.1, 0, .1: mean 0, standard error .1 / sqrt(3), t(.975, 2) = 4.302653.
    middle, low, high = ratio_interval([math.exp(-0.1), 1.0, math.exp(0.1)])
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert (middle, low, high) == pytest.approx((1.0, math.exp(-half), math.exp(half)), rel=1e-6)
    assert ratio_interval([0.9]) == (pytest.approx(0.9), 0.0, math.inf)


def test_prompts_are_the_same_and_a_longer_file_begins_alike(tmp_path):
    short = write_prompts(tmp_path / "short", 10).read_text()
    assert write_prompts(tmp_path / "long", 20).read_text().startswith(short)
    assert write_prompts(tmp_path / "again", 10).read_text() == short


def measured(tmp_path, code, **options):
    options = {"env": {}, "cwd": tmp_path, "patience_s": 60, "log": tmp_path / "log", **options}
    return run_measured([sys.executable, "-c", code], **options)


def test_a_command_is_charged_for_its_children_and_its_memory(tmp_path):
    burn = "import time\nwhile time.process_time() < .3: pass"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}], check=True)"
    assert measured(tmp_path, child).cpu_s >= 0.3
    # A child starts as a copy of its parent, whose memory the system counts as its own.
    parent_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    peak_mb = measured(tmp_path, "x = bytearray(400 * 2**20)").peak_mb
    assert 400 < peak_mb < max(450, parent_mb + 50)


def test_a_command_past_the_patience_is_killed_with_its_children(tmp_path):
    sleep = "import time; time.sleep(99)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleep!r}])"
    cost = measured(tmp_path, child, patience_s=0.5)
    assert cost.killed
    assert cost.wall_s < 50


def test_a_command_that_fails_says_what_it_printed(tmp_path):
    with pytest.raises(CommandFailed, match="out of order"):
        measured(tmp_path, "raise SystemExit('out of order')")


def test_processor_time_of_a_process_tree_grows_with_use(tmp_path):
    seen = []
    code = "import time\nwhile time.process_time() < .5: pass\ntime.sleep(.5)"
    cost = measured(tmp_path, code, started=lambda pid: seen.append((pid, cpu_of_tree(pid))))
    pid, at_start = seen[0]
    assert at_start < cost.cpu_s
    assert cpu_of_tree(pid) == 0.0


def test_rows_keep_what_they_were_made_of():
    (row, *_) = slopes(*two_sizes("floor", 1.0, 2.0))
    assert replace(row, values=()).median is None
    assert row.median == pytest.approx(0.1)
