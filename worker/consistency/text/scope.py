"""What negation, doubt and plans make of each mention, within its clause and along a list."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from worker.consistency.text.at_device import AtDevice
from worker.consistency.text.binding import SEPARATORS, strongest
from worker.consistency.text.clauses import Boundary, Clauses
from worker.consistency.text.fields import MOST, Category, Degree
from worker.consistency.text.forms import answer_to, is_denied_behind, is_left_open
from worker.consistency.text.lexicon import Cue
from worker.consistency.text.mentions import Mention
from worker.consistency.text.values import Grade
from worker.consistency.text.vocabulary import Mark
from worker.consistency.text.written_numbers import Number

_LISTED_AS = {category: category for category in Category} | {
    Category.FUNCTION: Category.SIZE,
    Category.NOTHING: Category.SIZE,
}


@dataclass(frozen=True, kw_only=True)
class Left:
    """A grade, with the steps that a negation leaves of it: of "not severe", none to moderate."""

    grade: Grade
    low: int
    high: int


@dataclass(kw_only=True)
class Said:
    """What is said of one mention."""

    is_negated: bool = False
    is_over: bool = False
    """By what stands behind it: "has resolved", "was removed"."""
    is_uncertain: bool = False
    is_planned: bool = False
    is_unsaid: bool = False
    """It is named, and no more: "not assessed", "n/a"."""
    grades: list[Left] = field(default_factory=list)
    is_before: bool = False
    """Said before the mention: it then goes on to the next of a list."""
    is_within: bool = False
    """Between structure and attribute, as in "mitral valve: no regurgitation": it goes on to an attribute alone."""
    is_behind: bool = False
    """Said behind it: it then goes back to the one before."""
    is_own: bool = False
    """Anything is said of this very mention."""


class Scopes:
    """Of one sentence."""

    def __init__(self, clauses: Clauses, mentions: Sequence[Mention]) -> None:
        self._clauses, self._mentions = clauses, mentions
        self._device = AtDevice(clauses)
        self._said = {id(mention): self._own(mention) for mention in mentions}
        pairs = list(_listed_pairs(clauses, mentions))
        for one, other in pairwise(mentions):
            self._negate_alternative(one, other)
            self._plan_together(one, other)
        for one, other in pairs:
            self._hand_on(one, other, is_forward=True)
        for one, other in reversed(pairs):
            self._hand_on(other, one, is_forward=False)

    def of(self, mention: Mention) -> Said:
        """What is said of it."""
        return self._said[id(mention)]

    def _own(self, mention: Mention) -> Said:
        negations = self._open(mention.clause, Cue.NEGATION_BEFORE)
        negations += [cue for cue in self._before(mention, Cue.NEGATION_BEFORE) if self._reaches(cue, mention)]
        doubts = self._open(mention.clause, Cue.UNCERTAIN_BEFORE) + self._before(mention, Cue.UNCERTAIN_BEFORE)
        negations, doubts = (
            [cue for cue in cues if not self._device.is_beside(mention, cue)] for cues in (negations, doubts)
        )
        plans = self._plans(mention)
        is_device = mention.concept.category is Category.DEVICE
        is_removal = is_device and bool(plans) and self._is_behind(mention, Cue.REMOVAL)
        is_over = self._is_behind(mention, Cue.NEGATION_AFTER) and not is_removal
        # "Removed and replaced"
        is_over = is_over and not self._is_behind(mention, Cue.RENEWED)
        is_uncertain = bool(doubts) or self._is_behind(mention, Cue.UNCERTAIN_AFTER) or self._is_value_doubted(mention)
        is_uncertain = is_uncertain or self._is_either(mention)
        is_planned = is_device and not is_removal and (bool(plans) or self._is_behind(mention, Cue.PLANNED_AFTER))
        is_negated = bool(negations) or is_over
        affirmed = self._clauses.cues_in(mention.clause, Cue.AFFIRMED)
        said_before = [*negations, *doubts, *(plans if is_device else ()), *mention.grades]
        return Said(
            is_negated=is_negated,
            is_over=is_over,
            is_uncertain=is_uncertain and not is_planned,
            is_planned=is_planned,
            is_unsaid=self._is_unanswered(mention) or is_left_open(mention, self._clauses),
            grades=[self._left(grade, mention) for grade in strongest(mention.grades)],
            is_before=any(each.last < mention.first for each in said_before),
            is_within=any(mention.first < each.first < mention.head for each in said_before),
            is_behind=is_over or any(each.first > mention.head for each in mention.grades),
            is_own=bool(is_negated or is_uncertain or is_planned or not mention.is_bare or affirmed),
        )

    def _is_either(self, mention: Mention) -> bool:
        """ "Pacing wire versus Chiari network", "fat pad versus small effusion"."""
        cues = self._clauses.cues_in
        is_one = mention.concept.category in (Category.DEVICE, Category.EFFUSION) and cues(mention.clause, Cue.EITHER)
        return bool(is_one) and not cues(mention.clause, Cue.PAST, Cue.PAST_STUDY)

    def _hand_on(self, one: Mention, other: Mention, *, is_forward: bool) -> None:
        """What is said of one goes on to the other of a list, of which nothing is said by itself."""
        said, own = self.of(one), self.of(other)
        is_alike = one.concept.category is other.concept.category is not Category.NOTHING
        if not is_alike and (said.is_negated or any(left.grade.degree is not Degree.NORMAL for left in said.grades)):
            return
        if said.is_negated and (self._device.is_beside(other) or (is_forward and self._is_told_apart(one))):
            return
        # "Dilated" is not said of a size that is normal: "right ventricle dilated, left ventricle normal".
        is_normal = any(left.grade.degree in (Degree.NORMAL, Degree.PRESERVED) for left in said.grades)
        if is_normal and other.concept.is_abnormal and other.concept.category is not Category.VALVE:
            return
        goes_on = self._goes_forward(said, other)
        if not is_forward:
            goes_on = said.is_behind or (other.is_part and not said.is_before)
        if own.is_own or not said.is_own or not goes_on or one.numbers:
            return
        own.is_negated, own.is_over = said.is_negated, said.is_over
        own.is_uncertain, own.is_planned = said.is_uncertain, said.is_planned
        own.grades = list(said.grades) if other.concept.takes_grades else []
        own.is_before, own.is_behind, own.is_own = said.is_before or said.is_within, said.is_behind, True

    @staticmethod
    def _goes_forward(said: Said, other: Mention) -> bool:
        return said.is_before or (said.is_within and other.is_borrowing)

    def _is_told_apart(self, one: Mention) -> bool:
        """ "No wire seen, ICD lead noted": the clause has a verb of its own, and its "no" ends with it."""
        return any(cue.first > one.head for cue in self._clauses.cues_in(one.clause, Cue.FOUND))

    def _plan_together(self, one: Mention, other: Mention) -> None:
        """ "Valve replacement with a bioprosthesis is planned": both are, where they are of one valve."""
        is_with = other.clause == one.clause + 1 and self._clauses.boundaries[other.clause] is Boundary.WITH
        devices = [each.concept for each in (one, other) if each.concept.category is Category.DEVICE]
        if is_with and len(devices) == 2 and devices[0].structure == devices[1].structure is not None:
            said, own = self.of(one), self.of(other)
            said.is_planned = said.is_planned or (own.is_planned and not said.is_own)
            own.is_planned = own.is_planned or (said.is_planned and not own.is_own)

    # Negation

    def _negate_alternative(self, one: Mention, other: Mention) -> None:
        """ "No effusion or pacemaker lead", "no dilation, hypertrophy or dysfunction": all are negated."""
        said, own = self.of(one), self.of(other)
        if not said.is_negated or said.is_over or own.is_negated or not self._goes_forward(said, other):
            return
        if self._device.is_beside(other):
            return
        steps = range(one.clause + 1, other.clause + 1)
        is_before_or = bool(steps) and self._clauses.boundaries[other.clause] is Boundary.OR
        is_bare = not own.is_own and other.clause > one.clause and self._is_alternative(other.clause)
        if not (is_before_or or is_bare) or not all(map(self._clauses.is_listed, steps)):
            return
        is_alike = one.concept.category is other.concept.category
        own.is_negated = own.is_own = own.is_before = True
        own.grades = [self._negated(left.grade) for left in own.grades] or (list(said.grades) if is_alike else [])

    def _is_alternative(self, clause: int) -> bool:
        """Whether the rest of its list has an "or"."""
        last = clause
        while self._clauses.is_listed(last + 1):
            last += 1
        return Boundary.OR in self._clauses.boundaries[clause : last + 1]

    def _before(self, mention: Mention, cue: Cue) -> list[Mark]:
        return [mark for mark in self._clauses.cues_in(mention.clause, cue) if mark.first <= mention.head]

    def _open(self, clause: int, cue: Cue) -> list[Mark]:
        """ "No vegetation, fluid or effusion": of the clauses of an "or" that name nothing that we know."""
        mentioned = {each.clause for each in self._mentions}
        first = clause
        while self._clauses.is_listed(first) and first - 1 not in mentioned:
            first -= 1
        open_ = [mark for each in range(first, clause) for mark in self._clauses.cues_in(each, cue)]
        if cue is Cue.UNCERTAIN_BEFORE and self._clauses.is_listed(first):
            # "An echodensity may be a catheter or a lead": the doubt stands behind what the clause mentions.
            last = max(each.head for each in self._mentions if each.clause == first - 1)
            open_ += [mark for mark in self._clauses.cues_in(first - 1, cue) if mark.first > last]
            first -= 1
        return open_ if first < clause and self._is_alternative(first + 1) else []

    def _reaches(self, cue: Mark, mention: Mention) -> bool:
        """Over another mention only where this one has no grade of its own: "no MR mild TR"."""
        is_first = not any(
            each.clause == mention.clause and cue.first < each.head < mention.first for each in self._mentions
        )
        return is_first or not mention.grades

    def _plans(self, mention: Mention) -> list[Mark]:
        """Not those of something else: "referred for follow-up after TAVR", "evaluation of the lead's position"."""
        done = [mark for mark in self._clauses.cues_in(mention.clause, Cue.DONE) if mark.last < mention.head]
        return [
            cue
            for cue in self._before(mention, Cue.PLANNED_BEFORE)
            if not self._device.is_beside(mention, cue) and not any(cue.last < mark.first for mark in done)
        ]

    def _is_behind(self, mention: Mention, cue: Cue) -> bool:
        """In the clause behind the mention, or in the next where that mentions nothing."""
        clauses = self._clauses
        nexts = [mention.clause]
        is_next_bare = not any(each.clause == mention.clause + 1 for each in self._mentions)
        if is_next_bare and mention.clause + 1 < len(clauses.boundaries):
            nexts += [mention.clause + 1] if clauses.boundaries[mention.clause + 1] is not Boundary.BUT else []
        if cue is Cue.NEGATION_AFTER and self._is_answered_no(mention):
            return True
        behind = [mark for clause in nexts for mark in clauses.cues_in(clause, cue) if mark.first > mention.head]
        if cue in (Cue.NEGATION_AFTER, Cue.UNCERTAIN_AFTER):
            behind = [mark for mark in behind if not self._device.is_of_another(mention, mark)]
        if mention.is_lead:
            behind = [mark for mark in behind if Cue.LEFT_BEHIND not in mark.cues]
        if cue is Cue.NEGATION_AFTER and mention.concept.category is Category.DEVICE:
            behind += self._plans_dropped(mention)
        if cue is Cue.PLANNED_AFTER:
            # "MitraClip, considered for TAVR": of what stands behind it.
            last = max((each.head for each in self._mentions if each.clause in nexts), default=0)
            behind = [mark for mark in behind if Cue.PLANNED_BEFORE not in mark.cues or mark.first > last]
        if cue in (Cue.NEGATION_AFTER, Cue.UNCERTAIN_AFTER) and self._device.is_place_of_fault(mention):
            return False
        return bool(behind)

    def _plans_dropped(self, mention: Mention) -> list[Mark]:
        """ "TAVR is not currently planned"."""
        negations = self._clauses.cues_in(mention.clause, Cue.NEGATION_BEFORE)
        plans = self._clauses.cues_in(mention.clause, Cue.PLANNED_AFTER)
        return [cue for cue in negations if mention.head < cue.first and any(cue.last < plan.first for plan in plans)]

    def _is_answered_no(self, mention: Mention) -> bool:
        """ "ICD: no", "ICD: N", "ICD: 0"."""
        clauses = self._clauses
        return answer_to(mention, clauses) in (["n"], ["0"]) or any(
            mark.first > mention.head
            and clauses.tokens[mark.first - 1].text in SEPARATORS
            and clauses.is_last_of_clause(mark)
            for mark in clauses.cues_in(mention.clause, Cue.NEGATION_BEFORE)
        )

    def _is_unanswered(self, mention: Mention) -> bool:
        """ "Pacemaker: n/a"; of what is no device, "regurgitation not assessed" as well."""
        clauses = self._clauses
        cues = [cue for cue in clauses.cues_in(mention.clause, Cue.UNANSWERED) if cue.first > mention.head]
        if mention.concept.category is not Category.DEVICE:
            return bool(cues)
        return any(clauses.tokens[cue.first - 1].text in SEPARATORS and clauses.is_last_of_clause(cue) for cue in cues)

    def _left(self, grade: Grade, mention: Mention) -> Left:
        cues = self._clauses.cues_in(self._clauses.clause_of(grade.first), Cue.NEGATION_BEFORE)
        is_denied = any(cue.last < grade.first and self._is_next(cue, grade, mention) for cue in cues)
        if is_denied or is_denied_behind(grade, mention, self._clauses):
            return self._negated(grade)
        return Left(grade=grade, low=grade.low, high=grade.high)

    def _is_next(self, cue: Mark, grade: Grade, mention: Mention) -> bool:
        """No other mention stands between the negation and the grade."""
        return not any(
            each is not mention and each.first != mention.first and cue.first < each.first and each.head < grade.first
            for each in self._mentions
        )

    @staticmethod
    def _negated(grade: Grade) -> Left:
        if grade.degree in (Degree.NORMAL, Degree.PRESERVED):
            return Left(grade=grade, low=1, high=MOST)
        return Left(grade=grade, low=0, high=max(grade.low - 1, 0))

    # Doubt

    def _is_value_doubted(self, mention: Mention) -> bool:
        """ "Function is hard to assess, probably reduced": the doubt stands in the clause of the value."""
        values: list[Grade | Number] = [*mention.grades, *mention.numbers]
        for value in values:
            clause = self._clauses.clause_of(value.first)
            before = self._clauses.cues_in(clause, Cue.UNCERTAIN_BEFORE)
            if any(cue.first < value.first and cue.first > mention.head for cue in before):
                return True
        return False


def _listed_pairs(clauses: Clauses, mentions: Sequence[Mention]) -> Iterator[tuple[Mention, Mention]]:
    """Mentions that follow each other in a list of the same kind; size and function are one.

    So is wall thickness and the like; but of that only a "normal" goes on.
    """
    for one, other in pairwise(mentions):
        steps = range(one.clause + 1, other.clause + 1)
        is_alike = _LISTED_AS[one.concept.category] is _LISTED_AS[other.concept.category]
        if is_alike and all(map(clauses.is_listed, steps)):
            yield one, other
