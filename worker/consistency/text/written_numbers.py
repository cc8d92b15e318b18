"""Numbers with their units and signs, as they stand in a sentence: "55-60 %", "> 70", "48 ± 5 %"."""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.consistency.text.lexicon import Cue, Join, RangeWord
from worker.consistency.text.tokens import HYPHENS, Sort, Token
from worker.consistency.text.vocabulary import Mark, Vocabulary

_RISES_AND_FALLS = frozenset("\u2191\u2193\u2197\u2198")
_SPACERS = frozenset("|\t")
_ABOVE, _BELOW = frozenset(">≥"), frozenset("<≤")
_LOWER = {RangeWord.ABOVE, RangeWord.AT_LEAST}
_UPPER = {RangeWord.BELOW, RangeWord.AT_MOST}


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number, or a range of them; an open end is None."""

    first: int
    last: int
    """Tokens, both included."""
    low: float | None
    high: float | None
    unit: str | None
    is_from: bool = False
    """The "30" of "improved from 30 to 45 %"."""


class Surroundings:
    """What stands around the values of one sentence."""

    def __init__(self, tokens: Sequence[Token], marks: Sequence[Mark], vocabulary: Vocabulary) -> None:
        self.tokens, self.vocabulary = tokens, vocabulary
        self.begins = {mark.first: mark for mark in marks}
        self.ends = {mark.last: mark for mark in marks}
        # A number within a phrase, as of "HeartMate 3", is none by itself.
        self._taken = {at for mark in marks if not mark.range_words for at in range(mark.first, mark.last + 1)}
        is_said = any(Cue.CHANGED in mark.cues for mark in marks)
        self.is_change = is_said or any(token.text in _RISES_AND_FALLS for token in tokens)

    def text(self, at: int) -> str:
        """Of the token there; a blank beyond the ends."""
        return self.tokens[at].text if 0 <= at < len(self.tokens) else " "

    def is_number(self, at: int) -> bool:
        """One that is part of no phrase."""
        return at < len(self.tokens) and self.tokens[at].sort is Sort.NUMBER and at not in self._taken

    def is_arrow(self, at: int) -> bool:
        """Between two values, as in "20 % -> 45 %"."""
        after = at + 1 if self.text(at) == "→" else at + 2
        is_arrow = after == at + 1 or (self.text(at) in HYPHENS | {"="} and self.text(at + 1) == ">")
        mark = self.begins.get(after)
        is_value = after < len(self.tokens) and self.tokens[after].sort is Sort.NUMBER
        return is_arrow and (is_value or (mark is not None and mark.degree is not None))

    def words_before(self, at: int) -> set[RangeWord]:
        """Of ranges, right before a value or with one small word or sign between."""
        words: set[RangeWord] = set()
        mark = self.ends.get(at - 1)
        if mark is None and (self.text(at - 1) in self.vocabulary.common or self.text(at - 1) in "~≈="):
            mark = self.ends.get(at - 2)
        while mark is not None and mark.range_words:
            words |= mark.range_words
            mark = self.ends.get(mark.first - 1)
        return words


class Numbers:
    """Reads them, each where it begins."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def read(self, at: int) -> tuple[Number | None, int]:
        """And the token after it; None for what is no quantity, as both parts of "140/80"."""
        low = high = self._around.tokens[at].number
        end, unit = self._unit_after(at + 1)
        if self._is_difference(at):
            return None, end
        before = self._around.words_before(at)
        is_from = (self._around.is_change and RangeWord.FROM in before) or self._around.is_arrow(end)
        second = self._second(end, is_between=RangeWord.BETWEEN in before, is_from=is_from)
        if second is not None and self._around.tokens[second].number > low:
            high = self._around.tokens[second].number
            end, unit_of_both = self._unit_after(second + 1)
            unit = unit_of_both or unit
        elif (deviation := self._deviation(end)) is not None:
            end, unit_of_both = self._unit_after(deviation + 1)
            unit = unit_of_both or unit
        elif self._around.text(end) == "/" and self._around.is_number(end + 1):
            return None, end + 2
        if self._is_negative(at):
            return None, end
        signs = self._signs_before(at)
        signs = set() if self._around.is_arrow(at - 2) else signs
        is_open = before & _LOWER or signs & _ABOVE or self._is_added_to(end)
        is_below = before & _UPPER or signs & _BELOW
        if self._is_turned_over(at):
            is_open, is_below = is_below, is_open
        return (
            Number(
                first=at, last=end - 1, low=None if is_below else low, high=None if is_open else high, unit=unit,
                is_from=is_from,
            ),
            end,
        )  # fmt: skip

    def _signs_before(self, at: int) -> set[str]:
        """ ">", ">=", ">/=" """
        found = {self._around.text(at - 1)}
        if self._around.text(at - 1) == "=":
            found.add(self._around.text(at - 3 if self._around.text(at - 2) == "/" else at - 2))
        return found

    def _second(self, at: int, *, is_between: bool, is_from: bool) -> int | None:
        """The token of a range's second number, if one follows."""
        mark = self._around.begins.get(at)
        if mark is not None:
            joins = (RangeWord.TO in mark.range_words and not is_from) or (is_between and mark.join is Join.AND)
            at = mark.last + 1 if joins else len(self._around.tokens)
        else:
            at = at + 1 if self._around.text(at) in HYPHENS else len(self._around.tokens)
        return at if at < len(self._around.tokens) and self._around.tokens[at].sort is Sort.NUMBER else None

    def _deviation(self, at: int) -> int | None:
        """The token of the "5" of "50 ± 5 %"."""
        for sign in (("±",), ("+", "/", "-")):
            after = at + len(sign)
            is_sign = tuple(map(self._around.text, range(at, after))) == sign
            if is_sign and after < len(self._around.tokens) and self._around.tokens[after].sort is Sort.NUMBER:
                return after
        return None

    def _unit_after(self, at: int) -> tuple[int, str | None]:
        spaced = at + 1 if self._around.text(at) in _SPACERS else at
        found = self._around.vocabulary.unit_at(self._around.tokens, spaced)
        return (at, None) if found is None else (found[1], found[0])

    def _is_negative(self, at: int) -> bool:
        """As of "-18 %": a hyphen that is written to the number alone."""
        if at < 1 or self._around.text(at - 1) not in HYPHENS:
            return False
        hyphen = self._around.tokens[at - 1]
        is_apart = at < 2 or self._around.tokens[at - 2].end < hyphen.start
        return is_apart and hyphen.end == self._around.tokens[at].start

    def _is_difference(self, at: int) -> bool:
        """The 10 of "decreased by 10 % to 30 %"."""
        mark = self._around.ends.get(at - 1)
        if mark is None and self._around.text(at - 1) in self._around.vocabulary.common:
            mark = self._around.ends.get(at - 2)
        return self._around.is_change and mark is not None and Cue.DIFFERENCE in mark.cues

    def _is_turned_over(self, at: int) -> bool:
        """ "Not below 50 %", "not > 35 %"."""
        at -= 1
        while (mark := self._around.ends.get(at)) is not None and mark.range_words:
            at = mark.first - 1
        while self._around.text(at) in _ABOVE | _BELOW | {"="}:
            at -= 1
        mark = self._around.ends.get(at)
        return mark is not None and Cue.NEGATION_BEFORE in mark.cues and not mark.range_words

    def _is_added_to(self, at: int) -> bool:
        """ "30 mmHg plus right atrial pressure": something named is still to be added."""
        mark = self._around.begins.get(at)
        if mark is not None and RangeWord.PLUS in mark.range_words:
            return mark.last + 1 < len(self._around.tokens) and self._around.tokens[mark.last + 1].sort is Sort.WORD
        return (
            self._around.text(at) == "+"
            and at + 1 < len(self._around.tokens)
            and self._around.tokens[at + 1].sort is Sort.WORD
        )
