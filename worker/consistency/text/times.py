"""Which time a value or a mention is about: this study's, or an earlier one."""

import re
from dataclasses import dataclass
from datetime import date

from worker.consistency.statements import When
from worker.consistency.text.clauses import Boundary, Clauses
from worker.consistency.text.lexicon import Cue, RangeWord
from worker.consistency.text.mentions import Mention
from worker.consistency.text.tokens import Sort, Token
from worker.consistency.text.values import Grade
from worker.consistency.text.vocabulary import Mark
from worker.consistency.text.written_numbers import Number

_YEARS = range(1900, 2101)
_ADJACENT = 3
"""Tokens between a value and the "on the prior study" that is said of it."""


@dataclass(frozen=True, kw_only=True)
class _Introduced:
    """What a clause without a finding of its own says of those that follow: "On the previous study, ..."."""

    is_past: bool = False
    is_study: bool = False


class Times:
    """Of one sentence."""

    def __init__(self, clauses: Clauses, mentions: list[Mention], study_day: date | None = None) -> None:
        """`study_day`: of the study that the report is about; its own date sets nothing apart."""
        self._clauses, self._mentions, self._study_day = clauses, mentions, study_day
        self._values = clauses.values.all
        self._is_contrasted = bool(clauses.cues[Cue.NOW])
        self._dates = self._dated()
        self._introduced = self._introductions()

    def of_value(self, value: Number | Grade, mention: Mention) -> When:
        """Of a number or a grade."""
        if self._clauses.passage.when is When.HISTORY or value.is_from:
            return When.HISTORY
        clause = self._clauses.clause_of(value.first)
        if self._is_elsewhere(clause) or self._is_of_dated_study(mention):
            return When.HISTORY
        if self._is_reached(value, mention) or self._is_same(value, mention, clause):
            return When.CURRENT
        said = self._said_before(value, clause, mention)
        if said is None:
            said = self._said_behind(value, clause)
        if said is None and self._clauses.cues_in(clause, Cue.NOW):
            said = When.CURRENT
        if said is None and (self._was(value, clause, mention) or self._is_of_year(value, clause, mention)):
            said = When.HISTORY
        if said is None and any(
            mention.last < first and last < value.first and self._clauses.are_together(first, value.first)
            for first, last in self._dates
        ):
            # "EF on 1/2/2020: 60 %"
            said = When.HISTORY
        if said is None and self._follows_a_study(clause):
            said = When.HISTORY
        if said is None:
            said = When.HISTORY if self._introduced[clause].is_past else When.CURRENT
        return said

    def of_mention(self, mention: Mention, *, is_device: bool) -> When:
        """Of something that is there or not, or whose grade is not given."""
        if self._clauses.passage.when is When.HISTORY:
            return When.HISTORY
        if not is_device and (self._is_elsewhere(mention.clause) or self._is_of_dated_study(mention)):
            return When.HISTORY
        cues = (Cue.PAST_STUDY,) if is_device else (Cue.PAST_STUDY, Cue.PAST)
        before = [
            cue
            for cue in self._clauses.cues_in(mention.clause, *cues)
            if cue.first < mention.head and not (is_device and Cue.AGO in cue.cues)
        ]
        compared = self._clauses.cues_in(mention.clause, Cue.COMPARED)
        introduced = self._introduced[mention.clause]
        if (before and not compared) or (introduced.is_study if is_device else introduced.is_past):
            return When.HISTORY
        return When.CURRENT

    def _is_elsewhere(self, clause: int) -> bool:
        """By another method, or not at rest: "MRI EF 42 %", "at peak exercise 70 %"; not where that is yet to be."""
        elsewhere = self._clauses.cues_in(clause, Cue.ELSEWHERE)
        if not elsewhere and self._is_only_told(clause - 1, Cue.ELSEWHERE):
            # "On cardiac MRI, the EF is 42 %"
            elsewhere = self._clauses.cues_in(clause - 1, Cue.ELSEWHERE)
        is_with = self._clauses.boundaries[clause + 1 : clause + 2] == [Boundary.WITH]
        if not elsewhere and is_with and self._is_only_told(clause + 1, Cue.ELSEWHERE):
            # "Rising to 60 mmHg with exercise"
            elsewhere = self._clauses.cues_in(clause + 1, Cue.ELSEWHERE)
        return bool(elsewhere) and not self._clauses.cues_in(clause, Cue.PLANNED_BEFORE, Cue.PLANNED_AFTER, Cue.NOW)

    def _is_of_dated_study(self, mention: Mention) -> bool:
        """ "Echo of 2020: EF 60 %", "on 1/2/2020, EF 60 %": a date begins the sentence, and no "today" follows."""
        for first, last in self._dates:
            clause = self._clauses.clause_of(first)
            is_near = mention.clause == clause or (mention.clause == clause + 1 and self._is_only_told(clause))
            if last < mention.first and is_near and all(self._is_small(at) for at in range(first)):
                return not self._is_contrasted
        return False

    def _is_only_told(self, clause: int, *cues: Cue) -> bool:
        """The clause has words of time and small words alone; with any of these cues, where some are given."""
        if clause < 0 or (cues and not self._clauses.cues_in(clause, *cues)):
            return False
        dates = {last for _, last in self._dates}
        return all(self._is_small(at) or at in dates for at in self._clauses.tokens_in(clause))

    def _is_small(self, at: int) -> bool:
        token = self._clauses.tokens[at]
        told = (Cue.STUDY, Cue.DATED, Cue.PAST, Cue.PAST_STUDY, Cue.ELSEWHERE)
        is_told = any(mark.first <= at <= mark.last for cue in told for mark in self._clauses.cues[cue])
        return is_told or token.sort is Sort.SIGN or self._clauses.is_small_word(at)

    def _follows_a_study(self, clause: int) -> bool:
        """ "35 %, in the previous study, 50 %": the clause before is of that study, and has no value of its own."""
        cues = self._clauses.cues_in(clause - 1, Cue.PAST, Cue.PAST_STUDY)
        compared = self._clauses.cues_in(clause - 1, Cue.COMPARED, Cue.NOW)
        occupied = {self._clause(value) for value in self._values} | {each.clause for each in self._mentions}
        own = {each.clause for each in self._mentions}
        return bool(cues) and not compared and clause - 1 not in occupied and clause not in own

    def _is_reached(self, value: Number | Grade, mention: Mention) -> bool:
        """The 40 of "the previous EF of 60 % has dropped to 40 %"."""
        to = self._clauses.ends.get(value.first - 1)
        if to is None or RangeWord.TO not in to.range_words:
            return False
        before = self._clauses.ends.get(to.first - 1)
        is_changed = any(mark is not None and Cue.CHANGED in mark.cues for mark in (to, before))
        same = [each for each in mention.numbers if self._clause(each) == self._clause(value)]
        earlier = [each for each in same if each.last < value.first]
        return any(is_changed or each.is_from for each in earlier)

    def _is_same(self, value: Number | Grade, mention: Mention, clause: int) -> bool:
        """ "35 %, unchanged from the previous study" """
        alike = mention.numbers if isinstance(value, Number) else mention.grades
        return len(alike) == 1 and bool(self._clauses.cues_in(clause, Cue.SAME))

    def _said_before(self, value: Number | Grade, clause: int, mention: Mention) -> When | None:
        """By the nearest word of time before the value in its clause."""
        cues = [
            cue
            for cue in self._clauses.cues_in(clause, Cue.NOW, Cue.PAST, Cue.PAST_STUDY, Cue.COMPARED)
            if cue.last < value.first and not (Cue.PAST_STUDY in cue.cues and self._value_right_before(cue) is not None)
        ]
        if not cues:
            return None
        cue = max(cues, key=lambda each: each.first)
        if Cue.NOW in cue.cues:
            return When.CURRENT
        compared = [each for each in cues if Cue.COMPARED in each.cues]
        # "Compared with the prior study the LVEF is 45 %", as against "45 %, compared with 30 %".
        if compared and compared[-1].first < mention.first:
            return None
        return When.HISTORY

    def _said_behind(self, value: Number | Grade, clause: int) -> When | None:
        compared = self._clauses.cues_in(clause, Cue.COMPARED)
        for cue in self._clauses.cues_in(clause, Cue.PAST, Cue.PAST_STUDY):
            # "40 %, since the last examination"
            if any(value.last < each.first < cue.first for each in compared):
                continue
            if self._value_right_before(cue) is value:
                return When.HISTORY
            is_last = not any(cue.last < each.first and self._clause(each) == clause for each in self._values)
            before = [each for each in self._values if each.last < cue.first and self._clause(each) == clause]
            if cue.first > value.last and is_last and before[-1] is value:
                return When.HISTORY
        for first, _ in self._dates:
            is_next = self._clauses.clause_of(first) == clause + 1 and value.last + 2 == first
            if is_next and self._clauses.boundaries[clause + 1] is Boundary.BRACKET:
                return When.HISTORY
            if value.last < first <= value.last + _ADJACENT and self._clauses.clause_of(first) == clause:
                return When.HISTORY
        return None

    def _value_right_before(self, cue: Mark) -> Number | Grade | None:
        near = [each for each in self._values if each.last < cue.first <= each.last + _ADJACENT]
        # "45 % | prior 50 %"
        tokens = self._clauses.tokens
        near = [each for each in near if not any(token.text in "|\t" for token in tokens[each.last + 1 : cue.first])]
        # "35 %  Prior: 50 %": it is of what follows.
        following = tokens[cue.last + 1 : cue.last + 2]
        if any(token.text == ":" or token.sort is Sort.NUMBER for token in following):
            return None
        same = [each for each in near if self._clause(each) == self._clauses.clause_of(cue.first)]
        return same[-1] if same else None

    def _is_of_year(self, value: Number | Grade, clause: int, mention: Mention) -> bool:
        """ "EF 2019 55 %", where another value is of now; "EF 40 %; the report of 2021 gave 55 %"."""
        before = [last for _, last in self._dates if last < value.first and self._clauses.clause_of(last) == clause]
        own: list[Number | Grade] = [*mention.numbers, *mention.grades]
        is_second = any(each.first < value.first and self._clause(each) != clause for each in own)
        return (self._is_contrasted or is_second) and bool(before)

    def _was(self, value: Number | Grade, clause: int, mention: Mention) -> bool:
        """ "Was", where a "now", a date, or a value before it sets it apart: many a report is written in the past."""
        tenses = self._clauses.cues_in(clause, Cue.PAST_TENSE)
        was = any(cue.first < value.first for cue in tenses)
        if self._clauses.boundaries[clause] is Boundary.BRACKET and mention.clause < clause:
            # "EF is lower (was 60 %)"
            return any(cue.last + 1 == value.first for cue in tenses)
        own: list[Number | Grade] = [*mention.numbers, *mention.grades]
        is_second = any(each.first < value.first and self._clause(each) != clause for each in own)
        return was and (self._is_contrasted or bool(self._dates) or is_second)

    def _clause(self, value: Number | Grade) -> int:
        return self._clauses.clause_of(value.first)

    def _dated(self) -> list[tuple[int, int]]:
        """ "In 2019", "of 03/2021"."""
        found = []
        tokens = self._clauses.tokens
        for mark in self._clauses.cues[Cue.DATED]:
            at = mark.last + 1
            if at >= len(tokens):
                continue
            if self._is_date(tokens[at]):
                found.append((mark.first, at))
        for study in self._clauses.cues[Cue.STUDY]:
            at = study.last + 1
            at += at < len(tokens) and tokens[at].text == ":"
            if at < len(tokens) and self._is_date(tokens[at]):
                found.append((study.first, at))
        # "EF 60 % (2020)"
        found += [(at, at) for at in range(1, len(tokens) - 1) if self._is_date(tokens[at])
                  and tokens[at - 1].text == "(" and tokens[at + 1].text == ")"]  # fmt: skip
        if self._is_contrasted:
            # "2019 55 %, now 40 %"
            known = {last for _, last in found}
            found += [(at, at) for at, token in enumerate(tokens) if at not in known and _is_year(token)]
        return found

    def _is_date(self, token: Token) -> bool:
        """Of another day than the study's."""
        if token.sort is Sort.DATE:
            return self._study_day is None or not may_be(token.text, self._study_day)
        return _is_year(token)

    def _is_dated(self, study: Mark) -> bool:
        """ "The previous study of 12.03.2021": of what stands in brackets behind it."""
        return any(study.last < first <= study.last + 2 for first, _ in self._dates)

    def _ends_with_date(self, clause: int) -> bool:
        """ "Compared with 2021 (EF 55 %), ..."."""
        last = self._clauses.tokens_in(clause + 1).start - 1
        compared = self._clauses.cues_in(clause, Cue.COMPARED)
        return bool(compared) and any(at in (last, last - 1) for _, at in self._dates)

    def _introductions(self) -> list[_Introduced]:
        """For each clause, what those before it leave."""
        found, state = [], _Introduced()
        first_said = min((each.head for each in self._mentions), default=len(self._clauses.tokens))
        for clause, boundary in enumerate(self._clauses.boundaries):
            # "Compared with the previous study (EF 50 %), ..."
            is_bracket = boundary is Boundary.BRACKET
            studies = self._clauses.cues_in(clause - 1, Cue.PAST, Cue.PAST_STUDY) if is_bracket else []
            if boundary is Boundary.BRACKET and self._ends_with_date(clause - 1):
                found.append(_Introduced(is_past=True))
                continue
            if studies and (self._clauses.is_last_of_clause(studies[-1]) or self._is_dated(studies[-1])):
                found.append(_Introduced(is_past=True, is_study=True))
                continue
            if boundary is Boundary.BUT or self._clauses.cues_in(clause, Cue.NOW):
                state = _Introduced()
            found.append(state)
            past = self._clauses.cues_in(clause, Cue.PAST, Cue.PAST_STUDY)
            if past and past[0].first < first_said and not self._clauses.cues_in(clause, Cue.COMPARED):
                is_study = any(Cue.PAST_STUDY in cue.cues and Cue.AGO not in cue.cues for cue in past)
                state = _Introduced(is_past=True, is_study=is_study)
        return found


def may_be(written: str, day: date) -> bool:
    """Whether a date is this day, whichever of day and month the site writes first."""
    year = f"{day.year}", f"{day.year % 100:02}"
    parts = re.split(r"[./-]", written)
    if len(parts) != 3:
        return False
    if len(parts[0]) == 4:
        parts = parts[::-1]
    return parts[2] in year and {int(parts[0]), int(parts[1])} == {day.day, day.month}


def _is_year(token: Token) -> bool:
    return token.sort is Sort.NUMBER and token.text.isdigit() and int(token.text) in _YEARS
