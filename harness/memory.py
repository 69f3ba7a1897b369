"""The most memory that a run had in use: of the GPU where there is one, else of the process."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


def forget_peak() -> None:
    """Begin anew, so that a run does not answer for the one before it.

    Linux forgets the peak of a process on request; where it does not, a run's figure holds those of
    the runs before it in the same process.
    """
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return
    with contextlib.suppress(OSError):
        _CLEAR.write_text("5")


def peak_bytes() -> int:
    """Most memory since `forget_peak`."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    with contextlib.suppress(OSError):
        found = _PEAK.search(_STATUS.read_text())
        if found:
            return int(found.group(1)) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
