from __future__ import annotations

from browsing import browser, tab, tabs

__all__ = ["browser", "tab", "tabs"]
