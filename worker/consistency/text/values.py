"""Numbers with their units, and grades, as they stand in a sentence: "55-60 %", "mild to moderate", "2+"."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from worker.consistency.text.fields import MOST, STEPS, Degree
from worker.consistency.text.lexicon import Cue, Join, RangeWord
from worker.consistency.text.tokens import HYPHENS, Sort, Token
from worker.consistency.text.vocabulary import Mark, Vocabulary
from worker.consistency.text.written_numbers import Number, Numbers, Surroundings

_BETWEEN_CHOICES = frozenset("/,|\t")
_FEWEST_CHOICES = 3
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4}


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
        self._around = Surroundings(tokens, marks, vocabulary)
        self._numbers = Numbers(self._around)
        self.grades: list[Grade] = []
        self.numbers: list[Number] = []
        at = 0
        while at < len(tokens):
            at = self._read(at)
        self.choices = [(first, self._with_word_behind(last)) for first, last in self._choices()]
        """Tokens, both included, of lists that nobody has chosen from: none of their grades is one."""
        for first, last in self.choices:
            self.grades = [grade for grade in self.grades if not first <= grade.first <= last]

    def _with_word_behind(self, last: int) -> int:
        """With the "reduced" of "normal / mildly / severely reduced"."""
        following = self._around.begins.get(last + 1)
        return following.last if following is not None and following.degree is Degree.ABNORMAL else last

    def _choices(self) -> Iterator[tuple[int, int]]:
        """The tokens of each "none / mild / moderate / severe", a list that nobody has chosen from."""
        steps: list[Mark] = []
        for mark in sorted(self._around.begins.values(), key=lambda each: each.first):
            if mark.degree is Degree.ABNORMAL:
                continue
            is_next = bool(steps) and mark.degree is not None and self._goes_on(steps[-1], mark)
            if not is_next:
                yield from _open_choice(steps)
                steps = []
            if mark.degree is not None:
                steps.append(mark)
        yield from _open_choice(steps)

    def _goes_on(self, one: Mark, other: Mark) -> bool:
        """Nothing stands between two steps but signs, and the "reduced" of "mildly reduced"."""
        between = range(one.last + 1, other.first)
        signs = [at for at in between if self._around.tokens[at].text in _BETWEEN_CHOICES]
        others = [self._around.begins.get(at) for at in between if at not in signs]
        return bool(signs) and all(mark is not None and mark.degree is Degree.ABNORMAL for mark in others)

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
        if self._around.is_number(at):
            number, end = self._numbers.read(at)
            if number is not None:
                self.numbers.append(number)
            return end
        return at + 1

    # Grades

    def _one_grade(self, at: int) -> Grade | None:
        mark = self._around.begins.get(at)
        is_grade = mark is not None and not self._is_changing(mark) and not self._is_index(at)
        if mark is not None and mark.degree is not None and is_grade:
            low, high = STEPS[mark.degree]
            return Grade(first=at, last=mark.last, low=low, high=high, degree=mark.degree)
        return self._signed_grade(at)

    def _is_index(self, at: int) -> bool:
        """The "MOD", for method of discs, of "EF(MOD)": in capitals, in a bracket that is written to a name."""
        bracket, name = self._around.tokens[max(at - 1, 0)], self._around.tokens[max(at - 2, 0)]
        is_glued = bracket.text == "(" and name.sort is Sort.WORD and name.end == bracket.start
        token = self._around.tokens[at]
        return at > 1 and is_glued and token.is_shouted and len(token.text) == len("MOD")

    def _is_changing(self, mark: Mark) -> bool:
        """ "Increased from 40 to 60", as against "increased at 60"; and the "markedly" of "markedly improved"."""
        following = self._around.begins.get(mark.last + 1)
        if following is not None and Cue.TREND in following.cues and following.degree is None:
            return True
        if following is None or Cue.CHANGED not in mark.cues:
            return False
        # "Decreased by 10 %" says how much, and not from where.
        return bool(following.range_words & {RangeWord.FROM, RangeWord.TO}) or Cue.DIFFERENCE in following.cues

    def _signed_grade(self, at: int) -> Grade | None:
        """ "2+", "II°", "grade 3", "2/4" after "grade", "1-2+"."""
        begin = self._around.begins.get(at)
        is_named = begin is not None and begin.is_grade_word
        first = begin.last + 1 if begin is not None and is_named else at
        if self._around.text(at) == "+" and self._is_regurgitation(self._named_before(at)):
            # "MR +2"
            is_named, first = True, at + 1
        low = self._step(first)
        if low is None:
            return None
        high, last = low, first
        if self._around.text(first + 1) in HYPHENS and (upper := self._step(first + 2)) is not None:
            high, last = upper, first + 2
        if (
            self._around.text(last + 1) in ("+", "°", "º")
            and self._around.tokens[last].end == self._around.tokens[last + 1].start
        ):
            is_named, last = True, last + 1
        elif (named := self._grade_word_after(last + 1)) is not None:
            is_named, last = True, named
        elif self._around.text(last + 1) == "/" and self._step(last + 2) is not None:
            # "III/IV"; "3/4" of what is graded like that.
            is_of_four = self._around.text(last + 2) == "4" and self._is_regurgitation(self._named_before(at))
            is_named, last = is_named or is_of_four or self._around.text(last + 2) == "iv", last + 2
        elif self._is_regurgitation(self._around.ends.get(at - 1)):
            is_named = is_named or self._around.tokens[first].is_shouted or self._ends_clause(last + 1)
            if low == 0 and is_named:
                return Grade(first=at, last=last, low=0, high=0, degree=Degree.NONE)
        signs = self._around.vocabulary.grade_signs
        if not is_named or not 1 <= low <= high <= len(signs):
            return None
        (degree, _), (_, to) = signs[low - 1], signs[high - 1]
        return Grade(first=at, last=last, low=STEPS[degree][0], high=STEPS[to][1], degree=degree)

    def _named_before(self, at: int) -> Mark | None:
        return self._around.ends.get(at - 2 if self._around.text(at - 1) in (":", "=") else at - 1)

    def _ends_clause(self, at: int) -> bool:
        """ "TR 1, AI 0": nothing that is counted follows."""
        return at >= len(self._around.tokens) or self._around.text(at) in ",;.)|\t"

    @staticmethod
    def _is_regurgitation(mark: Mark | None) -> bool:
        """What is graded by a Roman number alone: "Insuffizienz I"."""
        if mark is None:
            return False
        return mark.attribute == "regurgitation" or any(name.endswith("_regurgitation") for name in mark.concepts)

    def _grade_word_after(self, at: int) -> int | None:
        """The last token of the "Grades" of "II. Grades"."""
        mark = self._around.begins.get(at + 1 if self._around.text(at) == "." else at)
        return mark.last if mark is not None and mark.is_grade_word else None

    def _step(self, at: int) -> int | None:
        """A small number, in digits or Roman."""
        if at >= len(self._around.tokens):
            return None
        text = self._around.tokens[at].text
        return int(text) if text in ("0", "1", "2", "3", "4") else _ROMAN.get(text)

    def _grade_range(self, grade: Grade) -> Grade:
        """With what goes before and after it: "at least moderate", "mild to moderate"."""
        before = self._around.words_before(grade.first)
        at = grade.last + 1
        is_from = (self._around.is_change and RangeWord.FROM in before) or self._around.is_arrow(at)
        connected = 0
        while connected < 3 and not is_from and self._connects(at):
            mark = self._around.begins.get(at)
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
        elif RangeWord.AT_MOST in before:
            grade = replace(grade, low=0)
        elif RangeWord.BELOW in before:
            grade = replace(grade, low=0, high=max(grade.low - 1, 0))
        return replace(grade, is_from=is_from)

    def _degree(self, at: int) -> Degree | None:
        mark = self._around.begins.get(at)
        return None if mark is None else mark.degree

    def _connects(self, at: int) -> bool:
        mark = self._around.begins.get(at)
        if mark is not None:
            return RangeWord.TO in mark.range_words or mark.join is Join.OR
        return self._around.text(at) in HYPHENS or self._around.text(at) == "/"


def _open_choice(steps: Sequence[Mark]) -> Iterator[tuple[int, int]]:
    """From none to severe, with one at least between: no heart is all of it."""
    known = [STEPS[mark.degree] for mark in steps if mark.degree is not None]
    if len(known) >= _FEWEST_CHOICES and {0, MOST} <= {low for low, _ in known}:
        yield steps[0].first, steps[-1].last
