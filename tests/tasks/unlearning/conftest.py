from __future__ import annotations

from edits import edit_cache  # noqa: F401
