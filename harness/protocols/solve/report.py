"""A run of a solve task as one HTML page: its metrics, and every puzzle drawn beside its truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from harness.protocols.solve.drawing import Picture, svg
from harness.text import clean

_STYLE = """\
body { font-family: sans-serif; margin: 2em; max-width: 80em }
table { border-collapse: collapse } td, th { padding: .1em .8em; text-align: left }
td + td { text-align: right; font-variant-numeric: tabular-nums }
details { margin: .3em 0 } svg { max-width: 100%; height: auto }
.solved > summary { color: #1a7f37 } .unsolved > summary { color: #b42318 }"""


def page(
    title: str, metrics: Mapping[str, float], samples: Iterable[tuple[Mapping[str, Any], Picture]]
) -> str:
    """A standalone HTML document.

    Args:
        title: of the run.
        metrics: of the run.
        samples: rows of samples with their pictures, in order.
    """
    lines = [
        "<!doctype html>",
        f'<html lang="en"><meta charset="utf-8"><title>{_text(title)}</title>',
        f"<style>{_STYLE}</style>",
        f"<h1>{_text(title)}</h1>",
        "<table>",
        *(
            f"<tr><td>{_text(name)}</td><td>{value:.6g}</td></tr>"
            for name, value in metrics.items()
        ),
        "</table>",
        "<h2>Test inputs</h2>",
    ]
    for row, picture in samples:
        solved = row["score"] == 1
        said = "solved" if solved else f"unsolved{', ' + row['status'] if row['error'] else ''}"
        lines += [
            f'<details class="{"solved" if solved else "unsolved"}">',
            f"<summary>{_text(row['sample_id'])}: {_text(said)}</summary>",
            f"<p>{_text(row['error'])}</p>" if row["error"] else "",
            svg(picture),
            "</details>",
        ]
    return "\n".join([*lines, "</html>", ""])


def _text(text: Any) -> str:
    return escape(clean(str(text)))
