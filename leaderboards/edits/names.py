"""Names of methods in a table: what all editors are given stands under it, not in every line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness import composition
from harness_leaderboards.edits.boards import EditBoard
from harness_leaderboards.edits.model import EditSection


@dataclass(frozen=True)
class ShortNames:
    """Labels of a section's methods without the options that its editors share.

    Attributes:
        shared: these options, as they are written; empty if there are none.
        by_label: the name of each label.
    """

    shared: str
    by_label: Mapping[str, str]

    @classmethod
    def of(cls, board: EditBoard, section: EditSection) -> ShortNames:
        """Names for a section; the labels themselves where shorter ones would not be unique."""
        labels = [row.method for row in section.rows]
        parts = {label: composition.parse(label) for label in labels}
        editors = [one[0] for one in parts.values()]
        given = [
            set(one.options.items())
            for one in editors
            if one.name not in (board.baseline, board.reference)
        ]
        shared = set[tuple[str, str]].intersection(*given) if len(given) > 1 else set()
        names = dict[str, str]()
        for label, (editor, *surgery) in parts.items():
            rest = {
                name: value for name, value in editor.options.items() if (name, value) not in shared
            }
            names[label] = "+".join(map(str, (replace(editor, options=rest), *surgery)))
        if not shared or len(set(names.values())) < len(labels):
            return cls("", {label: label for label in labels})
        return cls(",".join(f"{name}={value}" for name, value in sorted(shared)), names)

    def name(self, label: str) -> str:
        """The name of a method."""
        return self.by_label[label]

    def caption(self) -> tuple[str, ...]:
        """What stands under the table."""
        return (f"All editors have the options {self.shared}.",) if self.shared else ()
