"""Which grade and which number belongs to which mention."""

from collections.abc import Iterator, Sequence

from worker.consistency.statements import Quantity
from worker.consistency.text.clauses import Boundary, Clauses
from worker.consistency.text.fields import Category, Concept, Degree
from worker.consistency.text.lexicon import Cue
from worker.consistency.text.mentions import Mention
from worker.consistency.text.references import References
from worker.consistency.text.tokens import Sort
from worker.consistency.text.values import Grade
from worker.consistency.text.written_numbers import Number

SEPARATORS = frozenset(":|\t=")
"""Between the name and the value, as a table or a template has them."""


def quantity_of(concept: Concept, number: Number) -> Quantity | None:
    """In the field's own unit; None where the unit is another's, or the number not plausible."""
    ends = [end for end in (number.low, number.high) if end is not None]
    for measure in concept.measures:
        if measure.unit == (number.unit or "1") and all(measure.low <= end <= measure.high for end in ends):
            low, high = (None if end is None else round(end * measure.factor, 4) for end in (number.low, number.high))
            return Quantity(low=low, high=high, unit=concept.unit)
    return None


class Binding:
    """Gives the values of one sentence to its mentions."""

    def __init__(self, clauses: Clauses, mentions: Sequence[Mention]) -> None:
        self._clauses, self._mentions = clauses, mentions
        self._references = References(clauses, mentions)
        for grade in clauses.values.grades:
            self._bind_grade(grade)
        for number in clauses.values.numbers:
            self._bind_number(number)

    # Grades

    def _bind_grade(self, grade: Grade) -> None:
        mention = None if self._references.is_grade(grade) else self._owner(grade)
        if mention is not None:
            for same in self._mentions:
                if (same.first, same.head) == (mention.first, mention.head) and same.concept.takes_grades:
                    same.grades.append(grade)

    def _owner(self, grade: Grade) -> Mention | None:
        clause = self._clauses.clause_of(grade.first)
        inside = [each for each in self._mentions if each.clause == clause and each.concept.takes_grades]
        for mention in inside:
            if mention.first <= grade.first and grade.last <= mention.last:
                return mention
        right = next((each for each in inside if each.first > grade.last), None)
        left = next((each for each in reversed(inside) if each.last < grade.first), None)
        if right is not None and self._is_separated(grade.last, right.first):
            right = None
        if left is not None and self._names_something_else(grade):
            left = None
        if right is None or left is None:
            return right or left or self._owner_before(grade, clause)
        # "MR mild TR moderate", as against "mild MR moderate TR".
        is_ours = left.concept.category is not Category.NOTHING or right.concept.category is Category.NOTHING
        is_after = (
            is_ours and left.is_bare and not self._is_negated(left) and inside[0].first < self._first_grade(clause)
        )
        return left if is_after else right

    def _owner_before(self, grade: Grade, clause: int) -> Mention | None:
        """Of a clause without a mention of its own: the last one before it in the sentence."""
        is_named = any(mark.structures for mark in self._clauses.marks if self._clauses.clause_of(mark.first) == clause)
        is_named = is_named or any(each.clause == clause for each in self._mentions)
        if is_named or self._names_something_else(grade):
            return None
        following = self._owner_behind(grade, clause)
        if following is not None:
            return following
        before = [each for each in self._mentions if each.clause < clause and each.concept.takes_grades]
        if len(before) > 1 and self._is_measurement(before[-1]) and before[-2].concept.category is Category.VALVE:
            # "Mitral regurgitation, orifice area 0.25 cm2, moderate"
            before.pop()
        last = before[-1] if before else None
        # "Right ventricle dilated, pulmonary artery normal": it is of something that we have no word for.
        is_of_another = last is not None and last.concept.is_abnormal and grade.degree is Degree.NORMAL
        return None if is_of_another else last

    def _is_measurement(self, mention: Mention) -> bool:
        """Of none of our fields, with a number behind it in its clause."""
        numbers = self._clauses.values.numbers
        behind = any(n.first > mention.last and self._clauses.clause_of(n.first) == mention.clause for n in numbers)
        return mention.concept.category is Category.NOTHING and behind

    def _owner_behind(self, grade: Grade, clause: int) -> Mention | None:
        """Of "severe, eccentric mitral regurgitation": the grade ends its clause, and nothing before lacks one."""
        clauses = self._clauses
        is_last = grade.last + 1 < len(clauses.tokens) and self._clauses.clause_of(grade.last + 1) != clause
        boundaries = clauses.boundaries[clause + 1 : clause + 2]
        inside = [each for each in self._mentions if each.clause == clause + 1 and each.concept.takes_grades]
        graded = any(self._clauses.clause_of(each.first) == clause + 1 for each in clauses.values.grades)
        waits = any(each.clause < clause and each.is_bare and each.concept.takes_grades for each in self._mentions)
        if not is_last or boundaries != [Boundary.COMMA] or not inside or graded or waits:
            return None
        return inside[0]

    def _names_something_else(self, grade: Grade) -> bool:
        """ "Moderate image quality": the word behind it is none that we know."""
        at = grade.last + 1
        tokens = self._clauses.tokens
        return at < len(tokens) and self._clauses.are_together(at, grade.last) and self._clauses.is_unknown(at)

    def _is_separated(self, first: int, last: int) -> bool:
        return any(token.text in SEPARATORS for token in self._clauses.tokens[first + 1 : last])

    def _is_negated(self, mention: Mention) -> bool:
        cues = self._clauses.cues_in(mention.clause, Cue.NEGATION_BEFORE)
        return any(cue.first < mention.head for cue in cues)

    def _first_grade(self, clause: int) -> int:
        return min(each.first for each in self._clauses.values.grades if self._clauses.clause_of(each.first) == clause)

    # Numbers

    def _bind_number(self, number: Number) -> None:
        if self._is_denied(number) or self._references.is_threshold(number):
            return
        for candidate in self._candidates(number):
            mention = self._waiting(number, candidate) or candidate
            if not mention.concept.measures:
                return
            if quantity_of(mention.concept, number) is None:
                continue
            if number.unit is None and not self._may_stand_alone(number, mention):
                return
            if self._references.is_number(number, has_value=bool(mention.numbers)):
                return
            if number.unit is None and self._is_counted(number, mention):
                return
            bare = [each for each in mention.numbers if each.unit is None and not each.is_from]
            if number.unit is not None and bare and not self._is_of_another_time(number, bare[-1]):
                mention.numbers.remove(bare[-1])
            mention.numbers.append(number)
            return

    def _waiting(self, number: Number, owner: Mention) -> Mention | None:
        """The RVSP of "RVSP (assuming RAP 10): 45", "RVSP, with an RAP of 5 is 30 mmHg": the RAP has its number."""
        clause = self._clauses.clause_of(number.first)
        is_closed = self._clauses.boundaries[clause] is Boundary.CLOSED
        has_own = any(is_closed or self._clauses.clause_of(each.first) == clause for each in owner.numbers)
        told = self._clauses.cues_in(clause, Cue.PAST, Cue.PAST_STUDY, Cue.COMPARED, Cue.NOW)
        if not has_own or told or owner.concept.category is not Category.PRESSURE:
            return None
        waiting = [each for each in self._mentions if each.head < owner.head and each.is_bare and each.concept.measures]
        return next((each for each in reversed(waiting) if quantity_of(each.concept, number) is not None), None)

    def _is_of_another_time(self, number: Number, bare: Number) -> bool:
        """ "55, previously 35 %": the first has its unit from the second; not so in "12 beats, 45 %"."""
        clause = self._clauses.clause_of(number.first)
        told = self._clauses.cues_in(clause, Cue.PAST, Cue.PAST_STUDY, Cue.COMPARED, Cue.NOW, Cue.PAST_TENSE)
        return bool(told) and clause != self._clauses.clause_of(bare.first)

    def _is_denied(self, number: Number) -> bool:
        """ "45 %, not 55 %"."""
        mark = self._clauses.ends.get(number.first - 1)
        return mark is not None and Cue.NEGATION_BEFORE in mark.cues and not mark.range_words

    def _candidates(self, number: Number) -> Iterator[Mention]:
        """The mention before it in the clause, that behind it, or the last one of the clauses before."""
        clause = self._clauses.clause_of(number.first)
        takers = [each for each in self._mentions if each.concept.takes_numbers]
        inside = [each for each in takers if each.clause == clause]
        before = next((each for each in reversed(inside) if each.last < number.first), None)
        behind = next((each for each in inside if each.first > number.last), None)
        if before is not None:
            yield before
        if behind is not None and not behind.numbers:
            yield behind
        if before is None:
            earlier = [each for each in reversed(takers) if each.clause < clause]
            if self._is_resumed(clause):
                earlier = [each for each in earlier if each.concept.measures]
            # "RVSP, by the tricuspid regurgitation velocity, is 31 mmHg": the unit tells which.
            yield from earlier if number.unit is not None else earlier[:1]

    def _is_resumed(self, clause: int) -> bool:
        """ "The pressure, judged from the vena cava, is 8 mmHg": the last clause goes on with a small word."""
        clauses = self._clauses
        first = clauses.tokens_in(clause).start
        is_comma = clauses.boundaries[clause] in (Boundary.COMMA, Boundary.CLOSED)
        after = [token.text for token in clauses.tokens[first : first + 2] if token.sort is Sort.WORD]
        return is_comma and bool(after) and after[0] in clauses.vocabulary.common

    def _may_stand_alone(self, number: Number, mention: Mention) -> bool:
        """A number without a unit: the only one of its mention, or told apart by time; and not of "12 beats"."""
        at = number.last + 1
        clauses = self._clauses
        if at < len(clauses.tokens) and self._clauses.is_unknown(at) and not number.is_from:
            return False
        clause = self._clauses.clause_of(number.first)
        told = clauses.cues_in(clause, Cue.PAST, Cue.PAST_STUDY, Cue.COMPARED, Cue.NOW, Cue.PAST_TENSE)
        return not mention.numbers or bool(told) or any(each.is_from for each in mention.numbers)

    def _is_counted(self, number: Number, mention: Mention) -> bool:
        """ "45 % in 12 beats": without the unit that another number of the clause has, and no earlier value."""
        same = [each for each in mention.numbers if self._clauses.are_together(each.first, number.first)]
        return any(each.unit is not None and not each.is_from for each in same) and not number.is_from


def strongest(grades: Sequence[Grade]) -> list[Grade]:
    """Without "reduced" and the like where it is also said how much."""
    said = [grade for grade in grades if grade.degree is not Degree.ABNORMAL]
    return said or list(grades)
