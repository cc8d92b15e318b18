"""Coded concepts as reports have them, brought to one form: SNOMED's retired identifiers, and schemes mixed up."""

import re
import unicodedata
from dataclasses import dataclass

from pydicom.sr._snomed_dict import mapping as snomed_mapping

_SCHEMES = {
    "SRT": "SRT", "SNM3": "SRT", "99SDM": "SRT", "SNOMED-RT": "SRT",
    "SCT": "SCT", "SNOMED": "SCT", "SNOMED-CT": "SCT", "2.16.840.1.113883.6.96": "SCT",
    "LN": "LN", "LOINC": "LN",
    "DCM": "DCM", "DICOM": "DCM",
    "UCUM": "UCUM",
}  # fmt: skip
"""The names that one scheme goes by (PS3.16 section 8); SNM3 and 99SDM are SNOMED's oldest (PS3.16 section 8.1)."""
_RETIRED_IDENTIFIER = re.compile(r"[A-Z][0-9]?-[0-9A-Z]{1,7}")
"""As T-32600 or D3-10800."""
_LOINC = re.compile(r"\d{1,7}-\d")
_STANDARD_VALUE = re.compile(r"[A-Z0-9][0-9A-Z-]{0,17}")
_NO_WORD = re.compile(r"[^0-9a-z%]+")


@dataclass(frozen=True, kw_only=True)
class Concept:
    """A code with its meaning; equal codes are equal concepts, whatever words go with them."""

    value: str
    scheme: str
    meaning: str = ""
    equivalents: tuple["Concept", ...] = ()
    """Codes of other schemes for the same (Equivalent Code Sequence, PS3.3 section 8.9)."""

    @property
    def code(self) -> tuple[str, str]:
        """Scheme and value."""
        return self.scheme, self.value

    @property
    def codes(self) -> tuple[tuple[str, str], ...]:
        """Its own code first, then its equivalents."""
        return (self.code, *(other.code for other in self.equivalents))

    @property
    def speakable(self) -> str:
        """The code as it may be logged: quoted where it is of a standard's form, which no patient's name has."""
        if self.scheme in {"DCM", "LN", "SCT", "SRT"} and _STANDARD_VALUE.fullmatch(self.value) and _digits(self.value):
            return f"({self.value}, {self.scheme})"
        return "of a private code"

    def __str__(self) -> str:
        return self.meaning or self.value


def concept(value: str, scheme: str, meaning: str = "", equivalents: tuple[Concept, ...] = ()) -> Concept:
    """A code in its one form: SCT where SNOMED has both kinds of identifier, whichever scheme was named with it.

    The table of retired identifiers is that of PS3.16 annex O, as pydicom has it; one that is not in it stays SRT.
    """
    value, scheme = value.strip(), scheme.strip()
    if _LOINC.fullmatch(scheme) and value.upper() in _SCHEMES:  # value and scheme in each other's place
        value, scheme = scheme, value
    scheme = _SCHEMES.get(scheme.upper(), scheme)
    if scheme in {"SRT", "SCT"}:
        if _RETIRED_IDENTIFIER.fullmatch(value):
            current = snomed_mapping["SRT"].get(value)
            value, scheme = (value, "SRT") if current is None else (str(current), "SCT")
        elif value.isdigit():
            scheme = "SCT"
    return Concept(value=value, scheme=scheme, meaning=plain(meaning), equivalents=equivalents)


def plain(text: str, *, longest: int = 200) -> str:
    """Text on one line, without control characters, no longer than `longest`."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * longest]).split())[:longest]


def folded(text: str) -> str:
    """The words of a meaning, in lower case, without accents and punctuation, one blank between them."""
    bare = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return _NO_WORD.sub(" ", bare).strip()


def _digits(value: str) -> bool:
    return any(character.isdigit() for character in value)
