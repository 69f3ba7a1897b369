from __future__ import annotations

from edits import edit_cache, folder_model  # noqa: F401
