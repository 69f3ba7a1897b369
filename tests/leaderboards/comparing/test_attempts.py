"""Two attempts of one command of the stream task: no regression more often than alpha."""

from __future__ import annotations

from benchmarks.statistics.attempts import alarms


def test_attempts_of_one_command_are_called_different_as_often_as_alpha_says():
    found = alarms(pairs=12, streams=8, items=3)
    assert found.pairs == 12
    assert found.significant <= 4  # more has a chance of 1 in 4,000
    assert found.regressed <= found.significant
