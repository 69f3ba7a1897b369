"""The report as JSON, and its files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.errors import ResultsError
from harness_leaderboards.comparing.markdown import sample_link
from harness_leaderboards.comparing.model import Report
from harness_leaderboards.comparing.texts import cut
from harness_leaderboards.export import replace_file

_MOST = 10_000


def as_json(report: Report, site: str = "") -> str:
    """A report as one JSON document; texts of more than 10,000 letters are cut."""
    values = asdict(report)
    values["rules"]["allow"] = sorted(report.rules.allow)
    values["counts"] = report.counts
    for comparison in values["comparisons"]:
        for change in comparison["changes"]:
            for side in ("baseline", "candidate") if site else ():
                link = sample_link(site, change[f"{side}_run"], cut(change["sample_id"], 500))
                change[f"{side}_link"] = link
    return json.dumps(_whole(values), indent=2, allow_nan=False)


def _whole(value: Any) -> Any:
    """Plain values with whole texts, and None for what is no number."""
    if isinstance(value, dict):
        return {str(key): _whole(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(one) for one in value]
    if isinstance(value, str):
        return cut(value, _MOST).encode("utf-8", "replace").decode()
    if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))):
        return None
    return value


def write(path: Path, text: str, option: str) -> None:
    """Write a file under a temporary name and rename it.

    Raises:
        ResultsError: it cannot be written.
    """
    if path.is_dir():
        raise ResultsError(f"{path} is a folder; name a file with {option}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode("utf-8", errors="replace"))
    except OSError as error:
        raise ResultsError(
            f"cannot write {path} ({error.strerror}); choose another file with {option}."
        ) from error
