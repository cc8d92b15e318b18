"""HL7 v2 messages as senders really write them: segments, fields, character sets and escapes (HL7 v2.5.1 chapter 2).

The few rules that there are stand here, for the libraries take too little of what is met. Tried: python-hl7 0.4.5 and
hl7apy 1.3.5 both fail on segments that end in line feeds, and on any character set but UTF-8 that MSH-18 names; the
first was last released in 2022, the second takes fifty times as long. hl7apy builds messages for the tests of this.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from config.errors import UnreadableReportError

LONGEST_MESSAGE = 64 << 20
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_HEADER = re.compile(rb"MSH[^A-Za-z0-9\s]")
_BLANKS, _LINE_ENDS = b" \t\f", b"\r\n"
_ENVELOPES = {"FHS", "BHS", "BTS", "FTS"}
"""Of a batch (HL7 v2.5.1 section 2.10.3); what is between them are messages."""
_CHARACTER_SETS = {
    "": "", "ASCII": "cp1252", "UNICODE": "utf-8", "UNICODE UTF-8": "utf-8", "UTF-8": "utf-8", "UTF8": "utf-8",
    "UNICODE UTF-16": "utf-8", "8859/1": "cp1252", "ISO-8859-1": "cp1252", "ISO8859-1": "cp1252", "LATIN1": "cp1252",
    "WINDOWS-1252": "cp1252", "CP1252": "cp1252", "WINDOWS-1250": "cp1250", "WINDOWS-1251": "cp1251",
    "ISO IR14": "shift_jis", "ISO IR87": "iso2022_jp", "ISO IR159": "iso2022_jp_1", "ISO IR6": "cp1252",
    "GB 18030-2000": "gb18030", "GB18030": "gb18030", "BIG-5": "big5", "KS X 1001": "euc_kr",
}  # fmt: skip
"""HL7 table 0211 and what is written in its place; ISO 8859/1 as the superset that Windows sends under its name."""
_PART_OF_8859 = re.compile(r"(?:ISO[- ]?)?8859[/-](\d{1,2})")


_LAYOUT = re.compile(r"\.(sp|sk|in|ti) ?[+-]?(\d{0,3})")
"""Lines and blanks of FT (section 2.7.6)."""
_WITHOUT_TEXT = re.compile(r"[CM][0-9A-Fa-f]{4,6}|Z[0-9A-Fa-f]{0,8}")
"""Another character set for a moment (section 2.7.2), and what a site has made up for itself."""


@dataclass(frozen=True, kw_only=True)
class Delimiters:
    """What separates what, as MSH-1 and MSH-2 say it; "" for one that the sender does without."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A segment; fields are counted as in HL7, and are not unescaped yet."""

    name: str
    fields: tuple[str, ...] = field(repr=False)
    delimiters: Delimiters = field(repr=False)
    encoding: str = field(repr=False)

    def raw(self, number: int) -> str:
        """A field as it was sent, "" where it is missing."""
        return self.fields[number - 1] if 0 < number <= len(self.fields) else ""

    def repetitions(self, number: int) -> list[list[str]]:
        """Each repetition of a field as its components, unescaped; subcomponents stay together."""
        return [self.components(part) for part in _split(self.raw(number), self.delimiters.repetition) if part.strip()]

    def components(self, raw: str) -> list[str]:
        """The components of a raw value, unescaped."""
        return [self.unescaped(part).strip() for part in _split(raw, self.delimiters.component)]

    def first(self, number: int, component: int = 1) -> str:
        """A component of the first repetition, "" where it is missing."""
        repetitions = self.repetitions(number)
        return repetitions[0][component - 1] if repetitions and component <= len(repetitions[0]) else ""

    def unescaped(self, raw: str) -> str:
        """A value with every escape sequence replaced (HL7 v2.5.1 section 2.7)."""
        return _unescaped(raw, self.delimiters, self.encoding)


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message as its segments, MSH first."""

    segments: tuple[Segment, ...] = field(repr=False)
    encoding: str
    notes: tuple[str, ...] = ()

    @property
    def header(self) -> Segment:
        """MSH; its field 1 is the delimiter, as HL7 counts."""
        return self.segments[0]

    def named(self, name: str) -> Iterator[Segment]:
        """The segments of this name."""
        return (segment for segment in self.segments if segment.name == name)


def messages_in(content: bytes) -> list[bytes]:
    """The messages of a file: one, several one behind the other, or a batch; frames of MLLP are taken off."""
    content = _as_bytes_of_one_kind(content).replace(b"\x0b", b"\r").replace(b"\x1c", b"\r")
    starts = [found.start() for found in _HEADER.finditer(content) if _begins_line(content, found.start())]
    if not starts:  # none at all: for whoever reads it to say so
        return [content.strip()] if content.strip() else []
    return [content[start:end].strip() for start, end in zip(starts, [*starts[1:], len(content)], strict=True)]


def _begins_line(content: bytes, at: int) -> bool:
    """Whether nothing but white space stands before it on its line. Looked for backwards: a pattern that goes forwards
    from every line end takes hours for a message that ends in some thousands of them."""
    while at > 0 and content[at - 1] in _BLANKS:
        at -= 1
    return at == 0 or content[at - 1] in _LINE_ENDS


def messages_of_frame(content: bytes) -> list[bytes]:
    """The messages of one frame of MLLP: one as a rule, byte for byte; but some senders put a batch into a frame.

    Of a frame that begins with neither a message nor a batch, all as one, for whoever reads it to refuse.
    """
    begin = _as_bytes_of_one_kind(content).lstrip()[:3].decode("latin-1")
    messages = messages_in(content) if begin in {"MSH", *_ENVELOPES} else []
    return messages if len(messages) > 1 or begin in _ENVELOPES else [content]


def parse(content: bytes) -> Message:
    """Take a message apart.

    Raises
    ------
    UnreadableReportError
        It does not begin with an MSH whose delimiters can be told, or is far too long.
    """
    if len(content) > LONGEST_MESSAGE:
        raise UnreadableReportError(f"an HL7 message of more than {LONGEST_MESSAGE >> 20} MiB: it was not read")
    content = _as_bytes_of_one_kind(content).strip(b"\x0b\x1c\r\n\t ")
    delimiters = _delimiters(content)
    text, encoding, notes = _decoded(content, delimiters)
    segments = []
    for line in _lines(text, delimiters):
        name, fields = line[:3], _split(line[4:], delimiters.field)
        if name == "MSH":
            fields = [delimiters.field, *fields]
        if name not in _ENVELOPES:
            segments.append(Segment(name=name, fields=tuple(fields), delimiters=delimiters, encoding=encoding))
    return Message(segments=tuple(segments), encoding=encoding, notes=tuple(notes))


def _as_bytes_of_one_kind(content: bytes) -> bytes:
    """UTF-16, which begins with its mark, as UTF-8; and no mark in front of that."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", "replace").encode()
    return content.removeprefix(codecs.BOM_UTF8)


def _delimiters(content: bytes) -> Delimiters:
    head = content[:16].decode("latin-1")
    if not head.startswith("MSH") or len(head) < 8 or head[3].isalnum() or not head[3].isprintable():
        raise UnreadableReportError("what came is no HL7 message: it does not begin with MSH and its delimiters")
    separator = head[3]
    others = head[4:].split(separator)[0][:5]
    if not others or any(character.isalnum() for character in others):
        raise UnreadableReportError("what came is no HL7 message: MSH-2 has no encoding characters")
    named = [others[place] if place < len(others) else "" for place in range(4)]
    return Delimiters(field=separator, component=named[0], repetition=named[1], escape=named[2], subcomponent=named[3])


def _decoded(content: bytes, delimiters: Delimiters) -> tuple[str, str, list[str]]:
    """The text, its encoding, and a note where that had to be guessed."""
    header = re.split(rb"[\r\n]", content, maxsplit=1)[0].decode("latin-1").split(delimiters.field)
    said = header[17].split(delimiters.repetition or "~")[0].strip().upper() if len(header) > 17 else ""
    known = _python_encoding(said)
    notes = []
    if known is None:
        notes.append("MSH-18 names a character set that is not known: it was guessed")
    for encoding in [known] if known else ["utf-8", "cp1252"]:
        try:
            return content.decode(encoding), encoding, notes
        except (UnicodeDecodeError, LookupError):
            continue
    if known:
        notes.append("the message is not in the character set of its MSH-18: what does not fit was replaced")
    return content.decode(known or "latin-1", "replace"), known or "latin-1", notes


def _python_encoding(said: str) -> str | None:
    if (part := _PART_OF_8859.fullmatch(said)) is not None and part[1] != "1":
        try:
            return codecs.lookup(f"iso8859-{part[1]}").name
        except LookupError:
            return None
    return _CHARACTER_SETS.get(said)


def _lines(text: str, delimiters: Delimiters) -> list[str]:
    """Segments: a line that does not begin as one goes on with the one before, as in a text with line breaks."""
    segments: list[list[str]] = []
    for line in re.split(r"\r\n|\r|\n", text):
        begins = _SEGMENT.match(line) is not None and (len(line) == 3 or line[3] == delimiters.field)
        if begins or not segments:
            segments.append([line])
        else:  # a PDF in Base64 has a hundred thousand of these
            segments[-1].append(line)
    return ["\n".join(lines).rstrip("\n") for lines in segments]


def _split(text: str, by: str) -> list[str]:
    return text.split(by) if by else [text]


def _unescaped(raw: str, delimiters: Delimiters, encoding: str) -> str:
    escape = delimiters.escape
    if not escape or escape not in raw:
        return raw
    known: dict[str, str] = {
        "F": delimiters.field, "S": delimiters.component, "R": delimiters.repetition, "E": escape,
        "T": delimiters.subcomponent, "H": "", "N": "", ".br": "\n", ".ce": "\n", ".fi": "", ".nf": "",
    }  # fmt: skip
    mark = re.escape(escape)
    sequence = re.compile(rf"{mark}([A-Za-z.][^{mark}\r\n]{{0,4000}}?){mark}")
    return sequence.sub(_replacing(known, encoding), raw)


def _replacing(known: dict[str, str], encoding: str) -> Callable[[re.Match[str]], str]:
    def replace(found: re.Match[str]) -> str:
        said = found[1]
        if said in known:
            return known[said]
        if said.startswith("X"):
            return _from_hexadecimal(said[1:], encoding, found[0])
        if (layout := _LAYOUT.fullmatch(said)) is not None:
            return "\n" * max(1, min(9, int(layout[2] or 1))) if layout[1] == "sp" else " "
        return "" if _WITHOUT_TEXT.fullmatch(said) else found[0]

    return replace


def _from_hexadecimal(digits: str, encoding: str, otherwise: str) -> str:
    try:
        text = bytes.fromhex(digits).decode(encoding, "replace")
    except (ValueError, LookupError):
        return otherwise
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
