"""Dates that name their month: "3 March 2020", "March 3, 2020", "01-Mar-2020", "3. M\u00e4rz 2020", "marzo de 2020"."""

import re
from collections.abc import Mapping, Sequence

from worker.consistency.text.tokens import HYPHENS, Sort, Token

_DAY = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)?")
_YEARS = range(1900, 2101)
_BETWEEN = HYPHENS | frozenset("./,")
_JOINS = frozenset({"of", "de", "del", "the"})


def with_dates(tokens: Sequence[Token], months: Mapping[str, int]) -> list[Token]:
    """The tokens with each date that names its month as one, written in numbers: "3.3.2020", or "3/2020"."""
    found: list[Token] = []
    at = 0
    while at < len(tokens):
        month = months.get(tokens[at].text) if tokens[at].sort is Sort.WORD else None
        date = None if month is None else _date(tokens, at, month, least=at - _taken(found, tokens, at))
        if date is None:
            found.append(tokens[at])
            at += 1
            continue
        first, last, text = date
        del found[len(found) - (at - first) :]
        begin, end = tokens[first], tokens[last]
        found.append(
            Token(
                sort=Sort.DATE, text=text, start=begin.start, end=end.end, lines=begin.lines, is_shouted=False,
                is_capital=True,
            )
        )  # fmt: skip
        at = last + 1
    return found


def _taken(found: Sequence[Token], tokens: Sequence[Token], at: int) -> int:
    """How many tokens before it are still to be had: none that is of another date."""
    count = 0
    while count < min(len(found), at) and found[-1 - count] is tokens[at - 1 - count] and count < 3:
        count += 1
    return count


def _date(tokens: Sequence[Token], month_at: int, month: int, *, least: int) -> tuple[int, int, str] | None:
    """First and last token, and the date in numbers; None where no year follows."""
    before = _passed_over(tokens, month_at - 1, -1, least=least)
    day = _day(tokens[before]) if before >= least else None
    at = _passed_over(tokens, month_at + 1, 1, least=0)
    first = month_at if day is None else before
    if day is None and at < len(tokens) and not tokens[at].lines and (day := _day(tokens[at])) is not None:
        at = _passed_over(tokens, at + 1, 1, least=0)
    year = _year(tokens, at, is_short=any(token.text in HYPHENS for token in tokens[month_at + 1 : at]))
    if year is None or any(token.lines for token in tokens[first + 1 : at + 1]):
        return None
    return first, at, f"{month}/{year}" if day is None else f"{day}.{month}.{year}"


def _passed_over(tokens: Sequence[Token], at: int, step: int, *, least: int) -> int:
    """The next token that is no sign and no "of"; two at most are passed over."""
    for _ in range(2):
        if least <= at < len(tokens) and (tokens[at].text in _BETWEEN or tokens[at].text in _JOINS):
            at += step
    return at


def _day(token: Token) -> int | None:
    said = _DAY.fullmatch(token.text)
    return int(said[1]) if said is not None and 1 <= int(said[1]) <= 31 else None


def _year(tokens: Sequence[Token], at: int, *, is_short: bool) -> int | None:
    """In full; of "01-Mar-20" the last two digits."""
    if at >= len(tokens) or not tokens[at].text.isdigit():
        return None
    year = int(tokens[at].text)
    if is_short and len(tokens[at].text) == 2:
        return 2000 + year
    return year if year in _YEARS else None
