"""The text of OBX segments, whatever type their values are of (HL7 v2.5.1 section 7.4.2)."""

import base64
import binascii
import re
from collections import Counter
from collections.abc import Container, Sequence

from worker.consistency.documents.pdf_text import add_pdf_text
from worker.consistency.documents.readable_text import TextBuilder
from worker.consistency.hl7.parsing import Segment

_LINES = {"TX", "FT", "", "ST"}
"""Types whose value is text as it stands: nothing in it is a component, whatever it looks like."""
_CODED = {"CE", "CWE", "CNE", "CF"}
_NUMBERS = {"NM", "SN"}
_BEGINS_AS_NUMBER = re.compile(r"\s*[<>~]?\s*\d")
"""A number that came as ST belongs on one line with its name, however often that comes."""
_MOST_WORDS = 6
"""Of an answer: "No", "Moderate", "55 %" are nothing without what they answer."""
_NOT_SHOWN = {"X", "D", "W"}
"""OBX-11: there is no result, it is deleted, or it was of another patient."""
_SECTIONS = {"GDT": "Findings", "IMP": "Impression", "REC": "Recommendation", "ADT": "Addendum", "CON": "Consultation"}
"""What the oldest senders put behind the code, as 93306&IMP (HL7 v2.3 section 7.1.4)."""


def add_observations(segments: Sequence[Segment], builder: TextBuilder) -> list[str]:
    """Add the text of the observations of one order; what was left out, as notes that quote nothing.

    What an observation is called is the heading of its text; of coded values, numbers, and texts that are an answer of
    few words to it, it is in front of them. What follows a text's section under a name of its own is set apart from it
    by an empty line. A PDF counts where there is no text beside it, which would say the same.
    """
    reader = _Reader(builder, _names_of_lines([segment for segment in segments if segment.name == "OBX"]))
    for segment in segments:
        if segment.name == "OBX":
            reader.observation(segment)
        elif segment.name == "NTE":
            reader.note(segment)
    return reader.finish()


class _Reader:
    def __init__(self, builder: TextBuilder, names_of_lines: Container[str]) -> None:
        self._builder = builder
        self._names_of_lines = names_of_lines
        self._heading = ""
        """The section that was begun last, and not ended by a value."""
        self._count = 0
        self._documents: list[tuple[bytes, int]] = []
        self._noticed: dict[str, int] = {}

    def observation(self, segment: Segment) -> None:
        self._count += 1
        if segment.first(11).upper() in _NOT_SHOWN:
            self._notice("observations were taken back (OBX-11): they are left out")
            return
        kind = segment.first(2).upper()
        if kind in _NUMBERS or kind in _CODED:
            self._value(segment, kind)
        elif kind in {"ED", "RP"}:
            self._document(segment, kind)
        elif kind in _LINES:
            self._text(segment)
        else:
            self._notice("observations are of a type that has no text: they are left out")

    def note(self, segment: Segment) -> None:
        self._builder.paragraph(_lines_of(segment, 3), origin="NTE")

    def finish(self) -> list[str]:
        notes = [f"{count} {what}" for what, count in self._noticed.items()]
        for content, number in self._documents:
            if self._builder.text:
                notes.append(f"the document of observation {number} was not read: there is text beside it")
            elif content.lstrip()[:5] == b"%PDF-":
                notes += add_pdf_text(content, self._builder)
            else:
                self._builder.paragraph(content.decode("utf-8", "replace"), origin=f"OBX {number}")
        return notes

    def _text(self, segment: Segment) -> None:
        lines, name = _lines_of(segment, 5), _name_of(segment)
        if not lines.strip():
            return
        if name and (_is_number(segment) or (name not in self._names_of_lines and _is_short(segment))):
            self._line(f"{name}: {lines.strip()} {segment.first(6)}")
            return
        if name and name != self._heading:
            self._heading = name
            self._builder.heading(name)
        self._builder.paragraph(lines, origin=f"OBX {self._count}")

    def _value(self, segment: Segment, kind: str) -> None:
        said = []
        for parts in segment.repetitions(5):
            if kind in _CODED:
                said.append(next((parts[place] for place in (8, 1, 4, 0) if place < len(parts) and parts[place]), ""))
            else:
                said.append("".join(parts))
        value = ", ".join(filter(None, said))
        if value:
            unit = (segment.first(6) or segment.first(6, 2)) if kind in _NUMBERS else ""
            name = _name_of(segment)
            self._line(f"{name}: {value} {unit}" if name else f"{value} {unit}")

    def _line(self, words: str) -> None:
        """A value with its name, which is of no section of text."""
        if self._heading:
            self._builder.gap()
            self._heading = ""
        self._builder.paragraph(words, origin=f"OBX {self._count}")

    def _document(self, segment: Segment, kind: str) -> None:
        """ED: source, type, subtype, encoding, data (section 2.A.24)."""
        if kind == "RP":
            self._notice("observations point at documents elsewhere: they were not fetched")
            return
        for parts in segment.repetitions(5):
            what = " ".join(parts[1:3]).lower()
            data = parts[4] if len(parts) > 4 else ""
            is_text = "plain" in what or (what.startswith("text") and "rtf" not in what and "html" not in what)
            if not is_text and "pdf" not in what and not data.startswith("JVBERi0"):
                self._notice("documents are neither PDF nor text: they were not read")
                continue
            content = _decoded(data, parts[3] if len(parts) > 3 else "")
            if content is None:
                self._notice("documents are not encoded as they say: they were not read")
            else:
                self._documents.append((content, self._count))

    def _notice(self, what: str) -> None:
        self._noticed[what] = self._noticed.get(what, 0) + 1


def _names_of_lines(observations: Sequence[Segment]) -> set[str]:
    """Names under which a text was sent line by line, an observation each: a short one of these is no answer."""
    named = Counter(map(_name_of, observations))
    texts = {_name_of(each) for each in observations if each.first(2).upper() != "ST" or not _is_short(each)}
    return {name for name in texts if named[name] > 1}


def _is_short(segment: Segment) -> bool:
    """Whether a text may be an answer: few words on one line, without a heading of its own."""
    lines = _lines_of(segment, 5).strip()
    return not {"\n", ":"} & set(lines) and len(lines.split()) <= _MOST_WORDS


def _is_number(segment: Segment) -> bool:
    return segment.first(2).upper() == "ST" and _BEGINS_AS_NUMBER.match(_lines_of(segment, 5)) is not None


def _lines_of(segment: Segment, number: int) -> str:
    """A text as it stands: its repetitions are lines, and nothing else in it separates."""
    raw = segment.raw(number)
    by = segment.delimiters.repetition
    return "\n".join(segment.unescaped(part) for part in (raw.split(by) if by else [raw]))


def _name_of(segment: Segment) -> str:
    """What OBX-3 calls the observation, in words; a bare code is no heading."""
    repetitions = segment.repetitions(3)
    if not repetitions:
        return ""
    parts = repetitions[0]
    behind = parts[0].split(segment.delimiters.subcomponent or "&")
    if len(behind) > 1 and behind[1] in _SECTIONS:
        return _SECTIONS[behind[1]]
    words = next((part for part in (*parts[1:2], *parts[4:5]) if part), "")
    return words if any(character.isalpha() for character in words) else ""


def _decoded(data: str, encoding: str) -> bytes | None:
    """Base64 with any white space in it, hexadecimal, or the text itself ("A")."""
    packed = "".join(data.split())
    try:
        match encoding.lower():
            case "base64" | "":
                return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
            case "hex":
                return bytes.fromhex(packed)
            case "a":
                return data.encode()
    except (binascii.Error, ValueError):
        return None
    return None
