"""HL7 v2 as text: delimiters and what stands for them within values (HL7 v2.5.1 sections 2.5.4 and 2.7)."""

import re
from collections.abc import Sequence

APPLICATION = "ECHOWORKER"
"""MSH-3 of our messages."""
SEGMENT_END = "\r"
FIELD = "|"
ENCODING_CHARACTERS = "^~\\&"
"""Component, repetition, escape, subcomponent."""
CHARACTER_SET = "UNICODE UTF-8"
"""HL7 table 0211."""

_ESCAPED = {
    "\\": "\\E\\",
    "|": "\\F\\",
    "^": "\\S\\",
    "&": "\\T\\",
    "~": "\\R\\",
    "\n": "\\.br\\",
}
_ESCAPES = str.maketrans(
    {**{chr(code): f"\\X{code:02X}\\" for code in (*range(0x20), 0x7F)}, **_ESCAPED}  # a bare \r ends the segment
)
_LINE_END = re.compile(r"\r\n|\r")


def escaped(text: str) -> str:
    """A value with nothing in it that HL7 takes for a delimiter; a line break of any kind becomes HL7's own."""
    return _LINE_END.sub("\n", text).translate(_ESCAPES)


def composite(*parts: str, separator: str = "^") -> str:
    """A field of these components, each a plain value; empty ones at its end are left out."""
    return separator.join(escaped(part) for part in parts).rstrip(separator)


def segment(name: str, fields: dict[int, str]) -> str:
    """A segment of fields that are encoded already, by their numbers in HL7; those not given are empty."""
    return FIELD.join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))]).rstrip(FIELD)


def message_header(fields: dict[int, str]) -> str:
    """MSH, whose first field is the delimiter between fields itself, and whose second are the others."""
    return segment("MSH", {number - 1: value for number, value in {2: ENCODING_CHARACTERS, **fields}.items()})


def joined(segments: Sequence[str]) -> bytes:
    """Segments as they travel: each ended by a carriage return, in UTF-8."""
    return "".join(line + SEGMENT_END for line in segments).encode()
