"""Numbers with their units, and grades, as they stand in a sentence: "55-60 %", "mild to moderate", "2+"."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from worker.consistency.fields import MOST, STEPS, Degree
from worker.consistency.lexicon import Cue, Join, RangeWord
from worker.consistency.tokens import HYPHENS, Sort, Token
from worker.consistency.vocabulary import Mark, Vocabulary

_SPACERS = frozenset("|\t")
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4}
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


@dataclass(frozen=True, kw_only=True)
class Grade:
    """A severity: steps from and to, of `fields.STEPS`."""

    first: int
    last: int
    low: int
    high: int
    degree: Degree
    is_from: bool = False


class Values:
    """All numbers and grades of one sentence, from left to right."""

    def __init__(self, tokens: Sequence[Token], marks: Sequence[Mark], vocabulary: Vocabulary) -> None:
        self._tokens, self._vocabulary = tokens, vocabulary
        self._begins = {mark.first: mark for mark in marks}
        self._ends = {mark.last: mark for mark in marks}
        # A number within a phrase, as of "HeartMate 3", is none by itself.
        self._taken = {at for mark in marks if not mark.range_words for at in range(mark.first, mark.last + 1)}
        self._is_change = any(Cue.CHANGED in mark.cues for mark in marks)
        self.grades: list[Grade] = []
        self.numbers: list[Number] = []
        at = 0
        while at < len(tokens):
            at = self._read(at)

    @property
    def all(self) -> list[Number | Grade]:
        """In order."""
        found: list[Number | Grade] = [*self.numbers, *self.grades]
        return sorted(found, key=lambda value: (value.first, value.last))

    def _read(self, at: int) -> int:
        grade = self._one_grade(at)
        if grade is not None:
            grade = self._grade_range(grade)
            self.grades.append(grade)
            return grade.last + 1
        if self._tokens[at].sort is Sort.NUMBER and at not in self._taken:
            number, end = self._number(at)
            if number is not None:
                self.numbers.append(number)
            return end
        return at + 1

    # Grades

    def _one_grade(self, at: int) -> Grade | None:
        mark = self._begins.get(at)
        is_grade = mark is not None and not self._is_changing(mark) and not self._is_index(at)
        if mark is not None and mark.degree is not None and is_grade:
            low, high = STEPS[mark.degree]
            return Grade(first=at, last=mark.last, low=low, high=high, degree=mark.degree)
        return self._signed_grade(at)

    def _is_index(self, at: int) -> bool:
        """The "MOD", for method of discs, of "EF(MOD)": in capitals, in a bracket that is written to a name."""
        bracket, name = self._tokens[max(at - 1, 0)], self._tokens[max(at - 2, 0)]
        is_glued = bracket.text == "(" and name.sort is Sort.WORD and name.end == bracket.start
        token = self._tokens[at]
        return at > 1 and is_glued and token.is_shouted and len(token.text) == len("MOD")

    def _is_changing(self, mark: Mark) -> bool:
        """ "Increased from 40 to 60", as against "increased at 60"; and the "markedly" of "markedly improved"."""
        following = self._begins.get(mark.last + 1)
        if following is not None and Cue.TREND in following.cues and following.degree is None:
            return True
        leads_on = following is not None and following.range_words & {RangeWord.FROM, RangeWord.TO}
        return Cue.CHANGED in mark.cues and bool(leads_on)

    def _signed_grade(self, at: int) -> Grade | None:
        """ "2+", "II°", "grade 3", "2/4" after "grade", "1-2+"."""
        begin = self._begins.get(at)
        is_named = begin is not None and begin.is_grade_word
        first = begin.last + 1 if begin is not None and is_named else at
        low = self._step(first)
        if low is None:
            return None
        high, last = low, first
        if self._text(first + 1) in HYPHENS and (upper := self._step(first + 2)) is not None:
            high, last = upper, first + 2
        if self._text(last + 1) in ("+", "°", "º") and self._tokens[last].end == self._tokens[last + 1].start:
            is_named, last = True, last + 1
        elif (named := self._grade_word_after(last + 1)) is not None:
            is_named, last = True, named
        elif self._text(last + 1) == "/" and self._step(last + 2) is not None:
            is_named, last = is_named or self._text(last + 2) == "iv", last + 2
        elif self._is_regurgitation(self._ends.get(at - 1)):
            is_named = is_named or self._tokens[first].is_shouted or self._ends_clause(last + 1)
            if low == 0 and is_named:
                return Grade(first=at, last=last, low=0, high=0, degree=Degree.NONE)
        signs = self._vocabulary.grade_signs
        if not is_named or not 1 <= low <= high <= len(signs):
            return None
        (degree, _), (_, to) = signs[low - 1], signs[high - 1]
        return Grade(first=at, last=last, low=STEPS[degree][0], high=STEPS[to][1], degree=degree)

    def _ends_clause(self, at: int) -> bool:
        """ "TR 1, AI 0": nothing that is counted follows."""
        return at >= len(self._tokens) or self._text(at) in ",;.)|\t"

    @staticmethod
    def _is_regurgitation(mark: Mark | None) -> bool:
        """What is graded by a Roman number alone: "Insuffizienz I"."""
        if mark is None:
            return False
        return mark.attribute == "regurgitation" or any(name.endswith("_regurgitation") for name in mark.concepts)

    def _grade_word_after(self, at: int) -> int | None:
        """The last token of the "Grades" of "II. Grades"."""
        mark = self._begins.get(at + 1 if self._text(at) == "." else at)
        return mark.last if mark is not None and mark.is_grade_word else None

    def _step(self, at: int) -> int | None:
        """A small number, in digits or Roman."""
        if at >= len(self._tokens):
            return None
        text = self._tokens[at].text
        return int(text) if text in ("0", "1", "2", "3", "4") else _ROMAN.get(text)

    def _grade_range(self, grade: Grade) -> Grade:
        """With what goes before and after it: "at least moderate", "mild to moderate"."""
        before = self._words_before(grade.first)
        at = grade.last + 1
        is_from = (self._is_change and RangeWord.FROM in before) or self._is_arrow(at)
        connected = 0
        while connected < 3 and not is_from and self._connects(at):
            mark = self._begins.get(at)
            at = at + 1 if mark is None else mark.last + 1
            connected += 1
        is_doubled = grade.degree is Degree.MODERATE and self._degree(at) is Degree.SEVERE  # "moderately severe"
        upper = self._one_grade(at) if (connected or is_doubled) and grade.degree is not Degree.ABNORMAL else None
        if upper is not None and upper.degree is not Degree.ABNORMAL and upper.high >= grade.low:
            grade = replace(grade, last=upper.last, high=upper.high)
        if RangeWord.AT_LEAST in before:
            grade = replace(grade, high=MOST)
        elif RangeWord.ABOVE in before:
            grade = replace(grade, low=min(grade.high + 1, MOST), high=MOST)
        elif RangeWord.BELOW in before:
            grade = replace(grade, low=0, high=max(grade.low - 1, 0))
        return replace(grade, is_from=is_from)

    def _degree(self, at: int) -> Degree | None:
        mark = self._begins.get(at)
        return None if mark is None else mark.degree

    def _connects(self, at: int) -> bool:
        mark = self._begins.get(at)
        if mark is not None:
            return RangeWord.TO in mark.range_words or mark.join is Join.OR
        return self._text(at) in HYPHENS or self._text(at) == "/"

    # Numbers

    def _number(self, at: int) -> tuple[Number | None, int]:
        """And the token after it; None for what is no quantity, as both parts of "140/80"."""
        low = high = self._tokens[at].number
        end, unit = self._unit_after(at + 1)
        before = self._words_before(at)
        is_from = (self._is_change and RangeWord.FROM in before) or self._is_arrow(end)
        second = self._second(end, is_between=RangeWord.BETWEEN in before, is_from=is_from)
        if second is not None and self._tokens[second].number > low:
            high = self._tokens[second].number
            end, unit_of_both = self._unit_after(second + 1)
            unit = unit_of_both or unit
        elif (deviation := self._deviation(end)) is not None:
            end, unit_of_both = self._unit_after(deviation + 1)
            unit = unit_of_both or unit
        elif self._text(end) == "/" and self._is_number(end + 1):
            return None, end + 2
        if self._is_negative(at):
            return None, end
        signs = {self._text(at - 1), self._text(at - 2) if self._text(at - 1) == "=" else ""}
        signs = set() if self._is_arrow(at - 2) else signs
        is_open = before & _LOWER or signs & _ABOVE or self._is_added_to(end)
        is_below = before & _UPPER or signs & _BELOW
        return (
            Number(
                first=at, last=end - 1, low=None if is_below else low, high=None if is_open else high, unit=unit,
                is_from=is_from,
            ),
            end,
        )  # fmt: skip

    def _is_number(self, at: int) -> bool:
        return at < len(self._tokens) and self._tokens[at].sort is Sort.NUMBER and at not in self._taken

    def _is_arrow(self, at: int) -> bool:
        """Between two values, as in "20 % -> 45 %"."""
        after = at + 1 if self._text(at) == "→" else at + 2
        is_arrow = after == at + 1 or (self._text(at) in HYPHENS | {"="} and self._text(at + 1) == ">")
        mark = self._begins.get(after)
        is_value = after < len(self._tokens) and self._tokens[after].sort is Sort.NUMBER
        return is_arrow and (is_value or (mark is not None and mark.degree is not None))

    def _second(self, at: int, *, is_between: bool, is_from: bool) -> int | None:
        """The token of a range's second number, if one follows."""
        mark = self._begins.get(at)
        if mark is not None:
            joins = (RangeWord.TO in mark.range_words and not is_from) or (is_between and mark.join is Join.AND)
            at = mark.last + 1 if joins else len(self._tokens)
        else:
            at = at + 1 if self._text(at) in HYPHENS else len(self._tokens)
        return at if at < len(self._tokens) and self._tokens[at].sort is Sort.NUMBER else None

    def _deviation(self, at: int) -> int | None:
        """The token of the "5" of "50 ± 5 %"."""
        for sign in (("±",), ("+", "/", "-")):
            after = at + len(sign)
            is_sign = tuple(map(self._text, range(at, after))) == sign
            if is_sign and after < len(self._tokens) and self._tokens[after].sort is Sort.NUMBER:
                return after
        return None

    def _unit_after(self, at: int) -> tuple[int, str | None]:
        spaced = at + 1 if self._text(at) in _SPACERS else at
        found = self._vocabulary.unit_at(self._tokens, spaced)
        return (at, None) if found is None else (found[1], found[0])

    def _is_negative(self, at: int) -> bool:
        """As of "-18 %": a hyphen that is written to the number alone."""
        if at < 1 or self._text(at - 1) not in HYPHENS:
            return False
        hyphen = self._tokens[at - 1]
        is_apart = at < 2 or self._tokens[at - 2].end < hyphen.start
        return is_apart and hyphen.end == self._tokens[at].start

    def _is_added_to(self, at: int) -> bool:
        """ "30 mmHg plus right atrial pressure": something named is still to be added."""
        mark = self._begins.get(at)
        if mark is not None and RangeWord.PLUS in mark.range_words:
            return mark.last + 1 < len(self._tokens) and self._tokens[mark.last + 1].sort is Sort.WORD
        return self._text(at) == "+" and at + 1 < len(self._tokens) and self._tokens[at + 1].sort is Sort.WORD

    def _words_before(self, at: int) -> set[RangeWord]:
        """Of ranges, right before a value or with one small word or sign between."""
        words: set[RangeWord] = set()
        mark = self._ends.get(at - 1)
        if mark is None and (self._text(at - 1) in self._vocabulary.common or self._text(at - 1) in "~≈="):
            mark = self._ends.get(at - 2)
        while mark is not None and mark.range_words:
            words |= mark.range_words
            mark = self._ends.get(mark.first - 1)
        return words

    def _text(self, at: int) -> str:
        return self._tokens[at].text if 0 <= at < len(self._tokens) else " "
