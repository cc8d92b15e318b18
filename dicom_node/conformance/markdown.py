"""Markdown of tables and sections, for the documents that are made from tables of the code."""

import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 120
_KEPT_AS_IT_IS = ("|", "#", "-")
"""Tables, headings and lists."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; a bar in a cell is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in line)} |" for line in lines)


def facts(rows: Iterable[Sequence[object]]) -> str:
    """A table of names and what holds of them, without a head."""
    return table(("", ""), rows)


def document(*parts: str) -> str:
    """Parts with a blank line between them, paragraphs in lines of the usual width, and a line end at the end."""
    return "\n\n".join(_filled(part.strip()) for part in parts if part.strip()) + "\n"


def _filled(part: str) -> str:
    if part.startswith(_KEPT_AS_IT_IS):
        return part
    return textwrap.fill(part, WIDTH, break_long_words=False, break_on_hyphens=False)


def code_pattern(mask: int, code: int) -> str:
    """Such as A7xx of 0xFF00, 0xA700."""
    return "".join("x" if held == "0" else digit for digit, held in zip(f"{code:04X}", f"{mask:04X}", strict=True))
