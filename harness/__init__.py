"""The engine: knows no particular task and no particular method."""

from __future__ import annotations

__version__ = "0.1.0"
