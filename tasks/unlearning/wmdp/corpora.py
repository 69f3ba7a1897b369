"""The passages that an edit sees: a corpus of what is to be forgotten, and one to be retained.

Sources: Li et al. 2024, "The WMDP Benchmark", arXiv 2403.03218; corpora cais/wmdp-corpora, for
biology cais/wmdp-bio-forget-corpus, which is gated. RMU retains wikitext, since corpora of the same
field hold what is to be forgotten. Chemistry has no published corpus. No text is shipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.data import DataSource
from harness.errors import MissingData, UsageError
from harness.protocols.edit import Example
from harness_tasks.published import Published, Row

FOLDER = "wmdp"
"""Of the mirror."""


class Retain(StrEnum):
    """Which passages are retained."""

    WIKITEXT = "wikitext"
    """The test split of wikitext-2, as RMU takes it."""
    FIELD = "field"
    """Passages of the same field: cais/wmdp-corpora, ``SUBSET-retain-corpus``."""


@dataclass(frozen=True)
class Lengths:
    """Which passages are taken.

    Attributes:
        least: passages of so many characters or fewer are left out.
        most: characters that are kept of a passage.
        count: how many passages; None: all.
    """

    least: int
    most: int
    count: int | None


@dataclass(frozen=True)
class Corpora:
    """What the edit sees, and where it is from."""

    forget: tuple[Example, ...]
    retain: tuple[Example, ...]
    sources: tuple[DataSource, ...]


def published(subset: str, retain: Retain, lengths: Lengths) -> Corpora:
    """Both corpora, from the mirror or the hub.

    Raises:
        MissingData: one of them is not at hand.
        UsageError: one is damaged, or has no passage of that length.
    """
    forget = _corpus(*_forget_place(subset), lengths)
    kept = _corpus(*_retain_place(subset, retain), lengths)
    return Corpora(forget[0], kept[0], (forget[1], kept[1]))


def files(subset: str, retain: Retain) -> tuple[str, str]:
    """Names of both in the mirror, without ending."""
    return _forget_place(subset)[1], _retain_place(subset, retain)[1]


Place = tuple[str, str, str, str]
"""Repository, name in the mirror, configuration and split on the hub."""


def _forget_place(subset: str) -> Place:
    if subset == "bio":
        return "cais/wmdp-bio-forget-corpus", "bio_forget", "default", "train"
    return "cais/wmdp-corpora", f"{subset}_forget", f"{subset}-forget-corpus", "train"


def _retain_place(subset: str, retain: Retain) -> Place:
    if retain is Retain.WIKITEXT:
        return "Salesforce/wikitext", "wikitext_retain", "wikitext-2-raw-v1", "test"
    return "cais/wmdp-corpora", f"{subset}_retain", f"{subset}-retain-corpus", "train"


def _corpus(
    repository: str, name: str, configuration: str, split: str, lengths: Lengths
) -> tuple[tuple[Example, ...], DataSource]:
    place = Published(repository, FOLDER, ("text",), known={})
    if name.startswith("chem") and place.path(name) is None:
        raise MissingData(
            f"WMDP has no published corpus for chemistry: put your own passages into a mirror as "
            f'{FOLDER}/{name}.jsonl, one {{"text": ...}} a line, and name its folder with '
            "HARNESS_DATA; or take -T subset=cyber, or -T data=synthetic, which needs no data."
        )
    try:
        rows = place.rows(name, (), split, configuration)  # wikitext has empty lines
    except MissingData as error:
        if name != "bio_forget":
            raise
        raise MissingData(
            f"{error} The corpus is gated: ask for access at huggingface.co/datasets/{repository} "
            "and set HF_TOKEN."
        ) from error
    return passages(name, rows, lengths), place.source(name, rows)


def passages(name: str, rows: Sequence[Row], lengths: Lengths) -> tuple[Example, ...]:
    """Rows cut to passages.

    Raises:
        UsageError: a row has no text, or no passage is long enough.
    """
    found = list[Example]()
    for number, row in enumerate(rows):
        text = row.get("text")
        if not isinstance(text, str):
            raise UsageError(
                f"the corpus {name} has no 'text' in row {number + 1}; each row must be "
                '{"text": ...}.'
            )
        if len(text) > lengths.least and text.strip():
            example_id = f"{name}/{number}"
            found.append(Example(example_id, example_id, "", text[: lengths.most].strip()))
        if len(found) == lengths.count:
            break
    if not found:
        raise UsageError(
            f"the corpus {name} has no passage of more than {lengths.least} characters; lower "
            "-T min_length."
        )
    return tuple(found)
