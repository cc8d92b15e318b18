"""Text put together of parts, each with where it came from."""

import re
from dataclasses import dataclass, field

LONGEST = 200_000
"""Characters of one report; a long one has some thousands."""
_BLANKS = re.compile(r"[ \t\f\v\u00a0]+")
_COLUMN_BLANKS = 3
_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, kw_only=True)
class Part:
    """A stretch of the text that came as one."""

    start: int
    end: int
    """The characters of the text: [start, end)."""
    heading: str = field(repr=False)
    """Of the section that it stands in, "" where there is none."""
    origin: str
    """Where in the source it stands, as "item 1.3.1", "page 2" or "OBX 4"."""


@dataclass(repr=False)
class TextBuilder:
    """Adds headings and paragraphs one below the other, up to a length."""

    parts: list[Part] = field(default_factory=list)
    is_cut: bool = False
    _text: str = ""
    _heading: str = ""
    _is_apart: bool = False

    @property
    def text(self) -> str:
        """What was added so far."""
        return self._text

    def heading(self, words: str) -> None:
        """Begin a section: a line of its own, with an empty one before it."""
        words = tidy(words).replace("\n", " ")
        if words:
            self._heading = words
            self._add(words, gap="\n\n")

    def gap(self) -> None:
        """End the section: an empty line before the paragraph that comes next, which has no heading."""
        self._heading, self._is_apart = "", True

    def paragraph(self, words: str, *, origin: str) -> None:
        """Add lines as they are; blanks at their ends, and rows of empty lines, are left out."""
        words = tidy(words)
        if not words:
            return
        start = self._add(words, gap="\n\n" if self._is_apart else "\n")
        if start < len(self._text):
            self.parts.append(Part(start=start, end=len(self._text), heading=self._heading, origin=origin))

    def notes(self) -> list[str]:
        """What had to be left out."""
        return [_is_cut()] if self.is_cut else []

    def _add(self, words: str, *, gap: str) -> int:
        if self.is_cut:
            return LONGEST
        before = self._text + (gap if self._text else "")
        self._text, self._is_apart = before + words, False
        if len(self._text) > LONGEST:
            self._text, self.is_cut = self._text[:LONGEST], True
        return min(len(before), LONGEST)


def cut(text: str) -> tuple[str, list[str]]:
    """As much of a text as is read, and a note where that is not all."""
    return text[:LONGEST], [_is_cut()] if len(text) > LONGEST else []


def tidy(text: str) -> str:
    """Text with one kind of line end, and without what no reader sees.

    A tabulator, or three blanks and more, stay one tabulator: they set the columns of a table apart, and what stands in
    the next may be what is normal, and no second value.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    lines = (_BLANKS.sub(_blank, line).strip() for line in text.split("\n"))
    return _EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip("\n")


def _blank(run: re.Match[str]) -> str:
    return "\t" if "\t" in run[0] or len(run[0]) >= _COLUMN_BLANKS else " "


def _is_cut() -> str:
    return f"the text has more than {LONGEST} characters: those behind were not read"
