"""A report's text as words, numbers and signs, each with its place in the text."""

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

HYPHENS = frozenset("-\u2010\u2011\u2013\u2014\u2212")
"""Hyphens, dashes, and the sign of a negative number: texts use one for the other."""


COLUMN = "\t"
"""The text of a token that sets two columns of a table apart."""


class Sort(StrEnum):
    """What a token is."""

    WORD = "word"
    NUMBER = "number"
    DATE = "date"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text without white space in it; what sets the columns of a table apart is a sign of its own.

    A tabulator, three spaces and more within a line, and a semicolon that is written to both its neighbours are one:
    "LVEF;54 %", "Impella      no".
    """

    sort: Sort
    text: str
    """Folded: lower case, without accents."""
    start: int
    end: int
    """The characters of the source text: [start, end)."""
    lines: int
    """How many line ends stand between it and the token before."""
    is_shouted: bool
    """Of a word: whether it is in capitals throughout."""
    is_capital: bool
    """Whether it begins with a capital letter or a digit, as sentences and list entries do."""

    @property
    def number(self) -> float:
        """Of a number: "62,5" is 62.5."""
        return float(self.text.replace(",", "."))


_SAME = str.maketrans(
    {
        **{chr(0xFF01 + at): chr(0x21 + at) for at in range(94)},
        "\u3000": " ", "\u2267": "\u2265", "\u2a7e": "\u2265", "\u2266": "\u2264",
        "\u2a7d": "\u2264", "\u301c": "-", "\u2053": "-", "\uff5e": "-", "\ufe55": ":", "\u066a": "%", "\ufe6a": "%",
    }
)  # fmt: skip
"""Signs, letters and digits that other keyboards and PDFs have for ours, each one for one, so that places stay."""
_UNSEEN = "\u0300-\u036f\u00ad\u200b-\u200d\u2060\ufeff"
"""Within a word: an accent by itself, a hyphen that is seen at line ends alone, and blanks without width."""
_TOKEN = re.compile(
    r"(?P<date>[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}(?![0-9])|[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9])"
    r"|[0-9]{1,2}/[0-9]{4}(?![0-9]))"
    r"|(?P<number>[0-9]{1,12}(?:[.,][0-9]{1,6}(?![0-9]))?+)(?P<glued>[^\W\d_]*)"
    rf"|(?P<word>[^\W\d_]{{2,}}+(?=[0-9]{{1,2}}(?:[-\u2013][0-9]{{1,2}})? ?%)|[^\W_](?:[^\W_]|[{_UNSEEN}])*+)"
    r"|(?P<column>(?<=\S)(?: {3,}|(?<!\d);)(?=[^\s;]))|(?P<sign>[^\s\w]|_|\t)|(?P<line>\n|\r\n?)"
)
"""Digits are those of ASCII; each alternative is bounded or possessive, so the time is linear."""


_WITHOUT_WIDTH = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff")


def folded(text: str) -> str:
    """Lower case and without accents: "Fracción" and "fraccion" are the same word."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter) and letter not in _WITHOUT_WIDTH)


def tokens_of(text: str, units: Collection[str] = ()) -> list[Token]:
    """All of them, in order; letters right after a number are a unit ("35mmHg") or make it a word ("3D").

    Letters right before a number are one with it ("A4C", "HM3"), but not before one in percent ("EF60%").
    """
    found: list[Token] = []
    lines = 0
    text = text.translate(_SAME)
    for match in _TOKEN.finditer(text):
        if match["line"] is not None:
            lines += 1
            continue
        for sort, start, end in _pieces(match, units):
            piece = COLUMN if match.lastgroup == "column" else text[start:end]
            found.append(
                Token(
                    sort=sort,
                    text=folded(piece) if sort is Sort.WORD else piece,
                    start=start,
                    end=end,
                    lines=lines,
                    is_shouted=piece.isupper(),
                    is_capital=piece[0].isupper() or piece[0].isdigit(),
                )
            )
            lines = 0
    return found


def _pieces(match: re.Match[str], units: Collection[str]) -> Iterator[tuple[Sort, int, int]]:
    start, end = match.span()
    if match["number"] is None:
        sort = Sort.SIGN if match.lastgroup == "column" else Sort(match.lastgroup or Sort.WORD)
        yield sort, start, end
        return
    letters = match.start("glued")
    if letters == end:
        yield Sort.NUMBER, start, end
    elif folded(match["glued"]) in units or "." in match["number"] or "," in match["number"]:
        yield Sort.NUMBER, start, letters
        yield Sort.WORD, letters, end
    else:
        yield Sort.WORD, start, end
