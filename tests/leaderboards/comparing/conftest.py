from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from comparing_support import Results


@pytest.fixture
def sides(tmp_path):
    """Two results folders."""
    return Results(tmp_path / "before"), Results(tmp_path / "after")
