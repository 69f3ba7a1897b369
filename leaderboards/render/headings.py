"""What tells the sections of a board apart, in words for their headings.

Settings come in, phrases go out: only what differs is said, of options only those that differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from harness_leaderboards.model import LocalSetting, Setting

HASH = 8
"""Characters of a hash that a heading shows; the details hold all."""
_DETAILS = ("embedder", "task_version", "task_options", "sampling", "data_seed")


def distinctions(
    setting: Setting, others: Sequence[Setting], subsets: Mapping[str, str] | None = None
) -> list[str]:
    """Say what differs between a setting and others, beyond subset, model, order and limit.

    What makes a stream a special one (an inherited memory, wrong feedback, probes) is always said.

    The hash of the data is said only where nothing else tells two settings apart, because most
    other differences change the data too.

    Args:
        setting: whose heading it is.
        others: the settings to tell it from; it may be among them.
        subsets: the subset of each run whose memory another began with, by its id.
    """
    options = [plain_options(one.task_options) for one in others]
    parts = [
        *special_words(setting.task_options, subsets or {}),
        *differing("task version", setting.task_version, [one.task_version for one in others]),
        *differing_options(plain_options(setting.task_options), options),
        *differing("model", setting.model_id, _of_model(setting, others)),
        *differing("revision", _short(setting), [_short(one) for one in others]),
        *differing("embedder", setting.embedder, [one.embedder for one in others]),
        *differing_options(setting.sampling, [one.sampling for one in others]),
        *differing("data seed", str(setting.data_seed), [str(one.data_seed) for one in others]),
    ]
    if any(_only_data_differ(setting, one) for one in others):
        parts.append(f"data {setting.content_hash[:HASH]}")
    return parts


def local_heading(setting: LocalSetting, others: Iterable[LocalSetting], limited: str) -> str:
    """The setting in a few words, and what tells it from others of the same subset and model.

    Args:
        setting: whose heading it is.
        others: the settings of the board; it may be among them.
        limited: what a limit means, with its place as ``{}``.
    """
    parts = [one for one in (setting.subset, setting.model) if one]
    if setting.sample_limit is not None:
        parts.append(limited.format(setting.sample_limit))
    alike = [one for one in others if (one.subset, one.model) == (setting.subset, setting.model)]
    data = setting.content_hash[:HASH]
    parts += [
        *differing_options(setting.task_options, [one.task_options for one in alike]),
        *differing("model", setting.model_id, [one.model_id for one in alike]),
        *differing("revision", _short(setting), [_short(one) for one in alike]),
        *differing("task version", setting.task_version, [one.task_version for one in alike]),
        *differing("data", data, [one.content_hash[:HASH] for one in alike]),
    ]
    return ", ".join(parts)


def details_of(setting: Setting | LocalSetting) -> str:
    """What had to be equal, in full."""
    parts = {
        "model": "@".join(part for part in (setting.model_id, setting.model_revision) if part),
        **{name.replace("_", " "): str(vars(setting).get(name, "")) for name in _DETAILS},
        "data": setting.content_hash,
    }
    return "; ".join(f"{name} {value}" for name, value in parts.items() if value)


def differing(name: str, value: str, others: Sequence[str]) -> list[str]:
    """What is called `name`, if another has another value."""
    return [f"{name} {value or 'none'}"] if set(others) - {value} else []


def _of_model(setting: Setting, others: Sequence[Setting]) -> list[str]:
    """The models that go by the same name."""
    return [one.model_id for one in others if one.model == setting.model]


def _short(setting: Setting | LocalSetting) -> str:
    return setting.model_revision[:HASH]


SPECIAL = (*("memory_from", "frozen", "flip", "flip_until", "checkpoints", "holdout", "revisit"),)
"""Options of a stream that change what its score means, or what else was asked."""


def special_words(text: str, subsets: Mapping[str, str]) -> list[str]:
    """What is special about a stream, of its options in JSON."""
    options = _read(text)
    parts = list[str]()
    source = options.get("memory_from")
    if source:
        subset = subsets.get(str(source), "")
        parts.append(f"memory of run {source}" + (f" of {subset}" if subset else ""))
    if options.get("frozen"):
        parts.append("frozen" if source else "frozen from the start")
    if options.get("flip"):
        share = f"wrong feedback for {_share(options['flip'])} of the items"
        until = options.get("flip_until", 1.0)
        parts.append(share + (f" in the first {_share(until)}" if until != 1 else ""))
    if options.get("checkpoints"):
        asked = [f"{options['holdout']} of each stream held out"] if options.get("holdout") else []
        asked += ["earlier items asked again"] if options.get("revisit") else []
        parts.append(f"probed at {options['checkpoints']} points ({', '.join(asked)})")
    return parts


def plain_options(text: str) -> str:
    """Options without those that `special_words` tells."""
    options = {name: value for name, value in _read(text).items() if name not in SPECIAL}
    return json.dumps(options, sort_keys=True)


def _share(value: Any) -> str:
    return f"{100 * value:g} %" if isinstance(value, int | float) else str(value)


def differing_options(text: str, others: Sequence[str]) -> list[str]:
    """The options whose values are not the same everywhere."""
    own, rest = _read(text), [_read(other) for other in others]
    names = sorted({name for options in (own, *rest) for name in options})
    return [
        f"{name.replace('_', ' ')} {_shown(own, name)}".rstrip()
        for name in names
        if any(_shown(own, name) != _shown(options, name) for options in rest)
    ]


def _read(text: str) -> Mapping[str, Any]:
    """Options as they were recorded; a text that holds none is one by itself."""
    try:
        found: Any = json.loads(text or "{}")
    except ValueError:
        found = None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {"options": text}


def _shown(options: Mapping[str, Any], name: str) -> str:
    if name not in options:
        return "default"
    value = options[name]
    return value if isinstance(value, str) else json.dumps(value)


def _only_data_differ(one: Setting, other: Setting) -> bool:
    same = ("task_version", "task_options", "data_seed", "sample_limit", "order")
    return one.content_hash != other.content_hash and all(
        getattr(one, name) == getattr(other, name) for name in same
    )
