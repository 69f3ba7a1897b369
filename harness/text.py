"""Foreign texts made safe to show.

Names of methods, models and files come from plug-ins and data: control characters (colour codes,
line feeds, right-to-left marks) are shown as escapes, so that no name can rewrite a table.
"""

from __future__ import annotations

from urllib.parse import quote


def clean(text: str) -> str:
    """Show what a terminal would obey, break or reorder as an escape."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def safe_name(text: str) -> str:
    """A file name that no other text has."""
    return quote(text, safe="").replace(".", "%2E")
