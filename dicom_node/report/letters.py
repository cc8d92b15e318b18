"""Which font a letter of the page is in, so that none is dropped in silence.

Helvetica, which every viewer has, for the letters of Windows-1252. Noto Sans, which is embedded, for the rest of Latin,
for Greek and for Cyrillic. STSong-Light of Adobe's collection for Chinese, on Chinese pages alone: it is not in the
file, and where the viewer has no letters for it they stay blank. All others cannot be written: they need fonts of many
megabytes, or shaping.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from itertools import groupby

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

LATIN, LATIN_BOLD, CHINESE = "Helvetica", "Helvetica-Bold", "STSong-Light"
EMBEDDED = "NotoSans"
UNWRITABLE = "\N{REPLACEMENT CHARACTER}"
"""What stands for a letter that no font has; Noto Sans has it."""
_SCRIPTS = ("LATIN ", "GREEK ", "CYRILLIC ", "MODIFIER LETTER ", "REPLACEMENT ")
"""Of the names of letters; Noto Sans has Devanagari as well, which nobody here would shape."""


def is_writable(said: str, *, is_chinese: bool = False) -> bool:
    """Whether each letter has a font on a page in Chinese, or in another language."""
    return all(_font_of(letter, is_chinese) for letter in unicodedata.normalize("NFC", said))


def runs_of(said: str, *, is_chinese: bool = False, is_bold: bool = False) -> list[tuple[str, str]]:
    """A line as runs of one font each: the font's name, and the letters; an unwritable letter as `UNWRITABLE`."""
    composed = unicodedata.normalize("NFC", said)
    fonts = [_font_of(letter, is_chinese) for letter in composed]
    letters = [letter if font else UNWRITABLE for letter, font in zip(composed, fonts, strict=True)]
    placed = [(font or _embedded(), letter) for font, letter in zip(fonts, letters, strict=True)]
    return [
        (LATIN_BOLD if is_bold and font == LATIN else font, "".join(letter for _, letter in run))
        for font, run in groupby(placed, key=lambda pair: pair[0])
    ]


@dataclass(frozen=True, kw_only=True)
class WrittenName:
    """A patient's name as a page can have it; of several scripts the first, and the one of ideograms."""

    text: str
    """Empty where none of it can be written."""
    is_legible: bool
    """Whether it shows in every viewer in one script at least."""
    is_whole: bool
    """Whether all of it does."""


def written_name(name: object, *, is_chinese: bool = False) -> WrittenName:
    """Family name first, as lists of patients have it.

    A component group is written in full or left out: half of its letters may be another person's name.
    """
    names = [said for group in str(name or "").split("=")[:2] if (said := _in_order(group))]
    certain = [said for said in names if is_writable(said)]
    written = [said for said in names if said in certain or is_writable(said, is_chinese=is_chinese)]
    return WrittenName(
        text="  ".join(written),
        is_legible=bool(certain) or not names,
        is_whole=len(certain) == len(names),
    )


def _in_order(group: str) -> str:
    family, *given = (part.strip() for part in group.split("^"))
    parts = [part for part in (family, " ".join(filter(None, given))) if part]
    # Ideograms have no comma and no space: both would be in another font.
    return "".join(parts).replace(" ", "") if any(map(_is_ideogram, group)) else ", ".join(parts)


def _is_ideogram(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith("CJK UNIFIED")


def register_chinese() -> None:
    """Make STSong-Light known to reportlab."""
    if CHINESE not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(CHINESE))


def _font_of(letter: str, is_chinese: bool) -> str | None:
    if _has(letter, "cp1252"):
        return LATIN
    if unicodedata.name(letter, "").startswith(_SCRIPTS) and ord(letter) in _letters_embedded():
        return _embedded()
    return CHINESE if is_chinese and _has(letter, "gbk") else None


def _has(letter: str, encoding: str) -> bool:
    try:
        letter.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


@cache
def _embedded() -> str:
    """Noto Sans, regular, registered when a page first needs it: to read it takes a fifth of a second."""
    with as_file(files("fontpkg_noto_sans") / "files" / "NotoSans[wdth,wght].ttf") as file:
        pdfmetrics.registerFont(TTFont(EMBEDDED, str(file)))
    return EMBEDDED


@cache
def _letters_embedded() -> frozenset[int]:
    return frozenset(pdfmetrics.getFont(_embedded()).face.charToGlyph)
