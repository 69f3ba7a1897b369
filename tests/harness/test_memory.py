"""The peak of a run does not hold those of the runs before it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from harness import memory

MANY = 20_000_000


def test_peak_is_of_what_was_in_use_since_it_was_forgotten():
    memory.forget_peak()
    before = memory.peak_bytes()
    held = np.ones(MANY)
    size = held.nbytes
    assert memory.peak_bytes() - before > 0.8 * size
    del held
    assert memory.peak_bytes() - before > 0.8 * size


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forgets the peak of a process")
def test_peak_is_forgotten():
    held = np.ones(MANY)
    size = held.nbytes
    during = memory.peak_bytes()
    del held
    memory.forget_peak()
    assert during - memory.peak_bytes() > 0.8 * size
