"""What stands beside a value and was not measured: what is normal, and what a definition asks for."""

from collections.abc import Sequence

from worker.consistency.text.clauses import Boundary, Clauses
from worker.consistency.text.lexicon import Cue
from worker.consistency.text.mentions import Mention
from worker.consistency.text.values import Grade
from worker.consistency.text.written_numbers import Number

_BEFORE = frozenset(":=<>≤≥~")
_COLUMNS = frozenset("|\t")
_SIGNS = frozenset("<>≤≥=")


class References:
    """Of one sentence."""

    def __init__(self, clauses: Clauses, mentions: Sequence[Mention]) -> None:
        self._clauses, self._mentions = clauses, mentions

    def is_grade(self, grade: Grade) -> bool:
        """The "normal" of "54 % (normal 52-72 %)", or of "35 % Normal: 52-72 %"."""
        clauses = self._clauses
        clause = self._clauses.clause_of(grade.first)
        numbers = clauses.values.numbers
        behind = [each for each in numbers if grade.last < each.first and self._clauses.clause_of(each.first) == clause]
        if not behind or not clauses.cues_in(clause, Cue.REFERENCE):
            return False
        if clauses.boundaries[clause] is Boundary.BRACKET:
            named = any(each.clause == clause for each in self._mentions)
            return not named and (
                self._is_followed(clause) or any(self._clauses.clause_of(each.first) < clause for each in numbers)
            )
        # "35 %, normal 55-70 %"
        is_range = behind[0].low != behind[0].high and not any(each.clause == clause for each in self._mentions)
        clauses_before = (clause, clause - 1) if is_range else (clause,)
        before = any(
            each.last < grade.first and self._clauses.clause_of(each.first) in clauses_before for each in numbers
        )
        told = clauses.cues_in(clause, Cue.NOW, Cue.CHANGED) or clauses.cues_in(clause - 1, Cue.PAST, Cue.PAST_STUDY)
        return before and not told and self._is_named(behind[0].first)

    def is_number(self, number: Number, *, has_value: bool) -> bool:
        """ "54 % (normal 52-72 %)", "54 % (> 55 %)", "54 % | 52-72 %", "54 % 52-72 %", "(normal > 55 %): 48 %".

        `has_value`: what it would be of has a number already.
        """
        clauses = self._clauses
        clause = self._clauses.clause_of(number.first)
        if clauses.cues_in(clause, Cue.PAST, Cue.PAST_STUDY, Cue.NOW):
            return False
        is_bracket = clauses.boundaries[clause] is Boundary.BRACKET
        named = any(cue.last < number.first for cue in clauses.cues_in(clause, Cue.REFERENCE))
        if not has_value:
            return is_bracket and named and self._is_followed(clause)
        if is_bracket:
            return named or None in (number.low, number.high) or self._is_all(number, clause)
        # "Previously 35 %, normal 60 %"
        is_changed = clauses.cues_in(clause, Cue.CHANGED) or clauses.cues_in(clause - 1, Cue.PAST, Cue.PAST_STUDY)
        is_told = self._is_named(number.first) and not is_changed
        return is_told or self._is_column(number) or self._is_beside_value(number)

    def is_threshold(self, number: Number) -> bool:
        """The "< 40 %" of "defined as an EF < 40 %", "an EF < 35 % qualifies for an ICD"."""
        is_open = None in (number.low, number.high)
        return is_open and bool(self._clauses.cues_in(self._clauses.clause_of(number.first), Cue.THRESHOLD))

    def _is_followed(self, bracket: int) -> bool:
        """The value stands behind the bracket."""
        clauses = self._clauses
        is_closed = clauses.boundaries[bracket + 1 : bracket + 2] == [Boundary.CLOSED]
        named = any(each.clause == bracket + 1 for each in self._mentions)
        return (
            is_closed
            and not named
            and any(self._clauses.clause_of(n.first) == bracket + 1 for n in clauses.values.numbers)
        )

    def _is_named(self, at: int) -> bool:
        """The word "normal", or the like, stands right before it, with small words and signs between."""
        clauses = self._clauses
        before = self._before(at)
        while before > 0 and clauses.tokens[before].text in _COLUMNS:
            # "35 % | Normal | 52-72 %"
            before = self._before(before)
        mark = clauses.ends.get(before)
        return mark is not None and Cue.REFERENCE in mark.cues and clauses.are_together(before, at)

    def _before(self, at: int) -> int:
        """The last token before it that is no small word and no sign of a number."""
        clauses = self._clauses
        at -= 1
        while at >= 0 and at not in clauses.ends and (
            clauses.tokens[at].text in _BEFORE or clauses.is_small_word(at)
        ):  # fmt: skip
            at -= 1
        return at

    def _is_all(self, number: Number, clause: int) -> bool:
        """A range, with nothing else in its brackets: "25 % [55-70 %]"; and "normal (55-70 %)" behind a value."""
        if self._clauses.cues_in(clause - 1, Cue.PAST, Cue.PAST_STUDY, Cue.COMPARED, Cue.DATED, Cue.NOW):
            # "Decreased from prior (45-50 %)"
            return False
        inside = self._clauses.tokens_in(clause)
        signs = range(number.first, number.last + 1)
        return number.low != number.high and all(at in signs or self._clauses.tokens[at].text in "([" for at in inside)

    def _is_beside_value(self, number: Number) -> bool:
        """The "54-74 %" of "LVEF 38 % 54-74 %", as a PDF gives back the columns of a table: with nothing between."""
        if number.low == number.high:
            return False
        at = number.first - 1
        while at >= 0 and self._clauses.tokens[at].text in _SIGNS:
            at -= 1
        return any(each.last == at and each.low == each.high for each in self._clauses.values.numbers)

    def _is_column(self, number: Number) -> bool:
        """The "54-74 %" of "LVEF | 38 % | 54-74 %", the "> 52 %" of "LVEF | 35 % | > 52 %"."""
        before = self._before(number.first)
        return number.low != number.high and before >= 0 and self._clauses.tokens[before].text in "|\t"
