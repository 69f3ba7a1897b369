"""The texts that a zero-shot classifier compares images with: templates and class names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.data import content_hash
from harness.errors import UsageError
from harness.models.vision.classes import imagenet

IMAGENET = "imagenet"
_PLACE = "{}"
"""Where the class's name goes in a template."""


@dataclass(frozen=True)
class Prompts:
    """Templates and class names.

    Attributes:
        templates: texts with one ``{}`` each.
        ids: of the classes, which labelled images are matched by.
        names: of the classes, in words.
    """

    templates: tuple[str, ...]
    ids: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def read(cls, templates: str, classes: str) -> Prompts:
        """Read what a user typed.

        Args:
            templates: one, or several with ``|`` between them.
            classes: ``imagenet``; a file with a name, or an id, a tab and a name, on each line; or
                names with commas between them.

        Raises:
            UsageError: a template has no place for the name, the file is not there, or a class is
                named twice.
        """
        found = tuple(one.strip() for one in templates.split("|") if one.strip())
        if not found or any(one.count(_PLACE) != 1 for one in found):
            raise UsageError(
                f"template='{templates}' needs one {_PLACE} for the class's name in each template, "
                "as in 'a photo of a {}.'; several are split at '|'."
            )
        listed = imagenet() if classes == IMAGENET else _classes(classes)
        return cls(found, tuple(listed), tuple(listed.values()))

    def texts(self, template: str) -> list[str]:
        """A text for each class."""
        return [template.replace(_PLACE, one) for one in self.names]

    def context(self) -> str:
        """The words before the class's name.

        Raises:
            UsageError: there is not one template, or it does not begin with words.
        """
        words, _, _ = self.templates[0].partition(_PLACE)
        if len(self.templates) > 1 or not words.strip() or not words.endswith(" "):
            raise UsageError(
                f"template='{'|'.join(self.templates)}' has no context to tune: that takes one "
                "template with words before the class's name, as in 'a photo of a {}.'."
            )
        return words.strip()

    @property
    def hash(self) -> str:
        """Of everything that decides the texts and what they stand for."""
        return content_hash(self.templates, self.ids, self.names)


def _classes(given: str) -> dict[str, str]:
    """Name of each class by its id.

    Raises:
        UsageError: there are not two classes or more, or one is named twice.
    """
    path = Path(given).expanduser()
    if os.path.isfile(path):  # a list of names can be longer than a file's name may be
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} cannot be read as a list of classes ({error}).") from error
    elif "," in given:
        lines = given.split(",")
    else:
        raise UsageError(
            f"classes={given} is no file; name a file with a class on each line, the classes "
            f"themselves with commas between them, or {IMAGENET}."
        )
    pairs = [_pair(one) for one in lines if one.strip()]
    _refuse_unusable(pairs, given)
    return dict(pairs)


def _pair(line: str) -> tuple[str, str]:
    """Id and name of a class."""
    known, tab, name = line.strip().partition("\t")
    return (known.strip(), name.strip()) if tab else (known, known)


def _refuse_unusable(pairs: Sequence[tuple[str, str]], given: str) -> None:
    if len(pairs) < 2:
        raise UsageError(f"classes={given} names {len(pairs)}; a classifier needs two or more.")
    name, times = Counter(one for one, _ in pairs).most_common(1)[0]
    if times > 1:
        raise UsageError(f"classes={given} names '{name}' {times} times; name each class once.")
