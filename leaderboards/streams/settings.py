"""Settings of streams that belong together though an option of theirs differs.

A run with wrong feedback, with inherited memories or in another order is of another setting than
its plain counterpart, and never ranked with it. The measures that need both find them here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from harness_leaderboards.model import Setting
from harness_leaderboards.runs import Run

Groups = Mapping[Setting, Mapping[str, Sequence[Run]]]
"""The runs of each method (by label) in each setting."""

FLIPS = ("flip", "flip_until")
INHERITED = ("memory_from", "frozen")
PROBES = ("checkpoints", "holdout", "revisit")


def options_of(setting: Setting) -> dict[str, Any]:
    """The task's options; none where what was recorded cannot be read."""
    try:
        found: Any = json.loads(setting.task_options or "{}")
    except ValueError:
        return {}
    return dict(cast("Mapping[str, Any]", found)) if isinstance(found, dict) else {}


def without(setting: Setting, options: Iterable[str] = ()) -> Setting:
    """A setting without some options, and without names, which identify nothing."""
    left_out = set(options)
    kept = {name: value for name, value in options_of(setting).items() if name not in left_out}
    return replace(setting, model="", task_options=json.dumps(kept, sort_keys=True))


def counterparts(
    groups: Groups, setting: Setting, options: Iterable[str]
) -> dict[str, Sequence[Run]]:
    """The runs of each method in the setting that lacks some options and is equal otherwise.

    A method that uses no embedder is a counterpart whatever the embedder.
    """
    wanted = without(setting, options)
    found = dict[str, Sequence[Run]]()
    for embedder in dict.fromkeys(("", wanted.embedder)):
        for other, methods in groups.items():
            if without(other) == replace(wanted, embedder=embedder):
                found |= methods
    return found
