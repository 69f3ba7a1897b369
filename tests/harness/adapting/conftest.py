from __future__ import annotations

import pytest
from adapt import adapt_cache, write_pictures  # noqa: F401


@pytest.fixture(autouse=True)
def _world(adapt_cache):  # noqa: F811
    """Every test here has the cache."""


@pytest.fixture
def pictures():
    """Writes digits into folders of their classes."""
    return write_pictures
