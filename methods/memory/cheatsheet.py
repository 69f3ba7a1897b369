"""What the two forms of Dynamic Cheatsheet share: one sheet, which a curator rewrites whole.

The sheet is the entry ``sheet``; agents are shown it as text, not as items that they could prune.
"""

from __future__ import annotations

from typing import ClassVar, TypeVar

from pydantic import Field

from harness.options import Options
from harness.protocols.stream import Entry
from harness_methods.memory.model_text import is_closed, tagged
from harness_methods.memory.writing import WriterOptions, WritingMemory

SHEET = "sheet"
TAG = "cheatsheet"
SOURCE = "Dynamic Cheatsheet, arXiv 2504.07952"


class SheetOptions(WriterOptions):
    """Options of both forms."""

    sheet_chars: int = Field(default=2000, ge=1)
    """Most characters of the sheet; the curator is told, and what is beyond is cut and counted."""


AnySheet = TypeVar("AnySheet", bound=SheetOptions)


class SheetMemory(WritingMemory[AnySheet]):
    """Holds one sheet, and is told of no outcome: its curator judges answers itself."""

    Options: ClassVar[type[Options]] = SheetOptions
    counted: ClassVar[tuple[str, ...]] = ("cut",)

    @property
    def unaided(self) -> bool:
        """The curator is given no feedback."""
        return True

    @property
    def sheet(self) -> str:
        """The sheet as it is remembered; empty before it was first written."""
        held = self._entries.get(SHEET)
        return held.text if held else ""

    def keep_sheet(self, sheet: str, sample_id: str, step: int) -> None:
        """Remember a sheet in place of the last one."""
        if sheet != self.sheet:
            self.put(Entry(SHEET, sheet, "", sample_id, step))

    def read_sheet(self, answer: str) -> str | None:
        """The sheet in a curator's answer; None, and counted, where there is none."""
        sheet = tagged(answer, TAG)
        if sheet is None:
            self.count("unreadable")
            return None
        self.count("cut", len(sheet) > self.options.sheet_chars or not is_closed(answer, TAG))
        return sheet[: self.options.sheet_chars]
