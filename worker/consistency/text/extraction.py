"""What a report says, read out of its text: deterministic, by the words of a lexicon, with the place of each.

text -> tokens, without empty boxes -> passages (sentences, under their headings) -> clauses, with numbers and grades
     -> mentions -> whose value is whose -> negation, doubt, plans, time -> statements
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from worker.consistency.statements import Certainty, Statement, When
from worker.consistency.text.binding import Binding, quantity_of
from worker.consistency.text.boxes import without_open_boxes
from worker.consistency.text.cells import with_cells_joined
from worker.consistency.text.clauses import Clauses
from worker.consistency.text.columns import without_other_columns
from worker.consistency.text.fields import Category, Degree
from worker.consistency.text.lexicon import Cue
from worker.consistency.text.mentions import Mention, mentions_of
from worker.consistency.text.methods import is_by_lesser
from worker.consistency.text.passages import Passage, passages
from worker.consistency.text.scope import Left, Said, Scopes
from worker.consistency.text.times import Times
from worker.consistency.text.tokens import tokens_of
from worker.consistency.text.values import Grade
from worker.consistency.text.vocabulary import Vocabulary
from worker.consistency.text.written_dates import with_dates
from worker.consistency.text.written_numbers import Number

_LEADS = ("pacemaker_lead_rv", "pacemaker_lead_ra")
_Placed = Number | Grade | Mention


def extract(text: str, vocabulary: Vocabulary, *, study_day: date | None = None) -> tuple[Statement, ...]:
    """All statements of a report, in order of where they begin; each from what its sentence and its headings say.

    A text in another language than the vocabulary's gives few statements or none (`vocabulary.most_likely`).

    Parameters
    ----------
    study_day
        Of the study that the report is about: "echo of 12.03.2024: EF 60 %" is of this study where that was the day,
        and of an earlier one where it was not, or is not known.
    """
    found: list[Statement] = []
    tokens = with_dates(without_open_boxes(tokens_of(text, vocabulary.units)), vocabulary.months)
    tokens = without_other_columns(with_cells_joined(tokens, vocabulary), vocabulary, study_day)
    for passage in passages(tokens, vocabulary):
        found += _Reading(passage, vocabulary, study_day).statements()
    return tuple(sorted(found, key=lambda each: (each.start, each.end, each.field)))


@dataclass(frozen=True, kw_only=True)
class _Claim:
    statement: Statement
    mention: Mention
    is_over: bool
    """It was there, and is no more."""


class _Reading:
    """Of one sentence."""

    def __init__(self, passage: Passage, vocabulary: Vocabulary, study_day: date | None) -> None:
        self._clauses = Clauses(passage, vocabulary)
        self._mentions = list(mentions_of(self._clauses))
        Binding(self._clauses, self._mentions)
        self._scopes = Scopes(self._clauses, self._mentions)
        self._times = Times(self._clauses, self._mentions, study_day)

    def statements(self) -> list[Statement]:
        """Each once."""
        claims = [
            _Claim(statement=statement, mention=mention, is_over=self._scopes.of(mention).is_over)
            for mention in self._mentions
            if not self._is_of_relative(mention)
            for statement in self._of_mention(mention, self._scopes.of(mention))
        ]
        return _merged([claim.statement for claim in _without_contradicted(claims)])

    def _is_of_relative(self, mention: Mention) -> bool:
        """ "Mother had a TAVR, EF 55 %": of devices and diseases, nothing is said of the patient behind it."""
        if mention.concept.category not in (Category.DEVICE, Category.VALVE, Category.EFFUSION):
            return False
        return any(cue.first < mention.head for cue in self._clauses.cues[Cue.RELATIVE])

    def _of_mention(self, mention: Mention, said: Said) -> Iterator[Statement]:
        if mention.concept.affirms or mention.concept.denies:
            yield from () if said.is_unsaid else self._presence(mention, said)
        elif mention.concept.field:
            yield from self._values(mention, said)

    def _presence(self, mention: Mention, said: Said) -> Iterator[Statement]:
        concept = mention.concept
        is_negated = said.is_negated or any(left.high == 0 for left in said.grades)
        is_device = concept.category is Category.DEVICE
        when = When.CURRENT if said.is_over else self._times.of_mention(mention, is_device=is_device)
        is_section_planned = is_device and self._clauses.passage.when is When.PLANNED
        if (said.is_planned or is_section_planned) and not is_negated and when is When.CURRENT:
            when = When.PLANNED
        certainty = concept.denied_certainty if is_negated else concept.certainty
        for field, is_present in concept.denies if is_negated else concept.affirms:
            yield Statement(
                field=field,
                start=self._clauses.tokens[mention.first].start,
                end=self._clauses.tokens[mention.last].end,
                is_present=is_present,
                certainty=Certainty.POSSIBLE if said.is_uncertain else certainty,
                when=when,
            )

    def _values(self, mention: Mention, said: Said) -> Iterator[Statement]:
        concept = mention.concept
        certainty = Certainty.POSSIBLE if said.is_uncertain else Certainty.CERTAIN
        for number in mention.numbers:
            yield replace(
                self._statement(mention, number),
                field=concept.field or "",
                quantity=quantity_of(concept, number),
                certainty=certainty,
                when=self._times.of_value(number, mention),
                gives_way=concept.field == "lvef" and is_by_lesser(number, self._clauses),
            )
        if not concept.scale:
            return
        if concept.category is Category.SIZE and self._is_small(mention):
            return
        for left in _meant(said.grades):
            grade = _grade(left, concept.scale, concept.category)
            if grade is not None:
                yield replace(
                    self._statement(mention, left.grade),
                    grade=grade[0],
                    grade_to=grade[1],
                    certainty=certainty,
                    when=self._times.of_value(left.grade, mention),
                )
        is_measured = concept.category is Category.VALVE and (bool(mention.numbers) or self._is_of_measurement(mention))
        if not said.grades and concept.is_abnormal and not is_measured and not said.is_unsaid:
            low, high = (0, 0) if said.is_negated else concept.ungraded
            yield replace(
                self._statement(mention, None),
                grade=concept.scale[low],
                grade_to=concept.scale[high] if concept.scale[high] != concept.scale[low] else None,
                certainty=certainty,
                when=When.CURRENT if said.is_over else self._times.of_mention(mention, is_device=False),
            )

    def _is_of_measurement(self, mention: Mention) -> bool:
        """The "MR" of "MR ERO 0.3 cm2": it belongs to the name of something that was measured."""
        other = next((each for each in self._mentions if each.first == mention.last + 1), None)
        if other is None or other.concept.category is not Category.NOTHING:
            return False
        numbers = self._clauses.values.numbers
        return any(n.first > other.last and self._clauses.clause_of(n.first) == mention.clause for n in numbers)

    def _is_small(self, mention: Mention) -> bool:
        """ "Cavity size is decreased": no chamber is the larger for it."""
        cues = self._clauses.cues[Cue.SMALLER]
        return any(grade.first <= cue.first <= grade.last + 1 for grade in mention.grades for cue in cues)

    def _statement(self, mention: Mention, value: Number | Grade | None) -> Statement:
        """With the place alone: from the first of the mention and its value to the last.

        A number alone where another of the same mention stands between them, as in "EF improved from 30 to 45 %"; of a
        grade the mention alone where another mention does, as of the TR in "mild MR and TR".
        """
        tokens = self._clauses.tokens
        first, last = mention.first, mention.last
        others: Sequence[_Placed] = mention.numbers if isinstance(value, Number) else self._mentions
        is_apart = value is not None and any(_is_between(other, mention, value) for other in others)
        if isinstance(value, Number) and is_apart:
            first, last = value.first, value.last
        elif value is not None and not is_apart:
            first, last = min(first, value.first), max(last, value.last)
        # "Severely reduced": the word behind a grade belongs to it.
        while (behind := next((each for each in mention.grades if each.first == last + 1), None)) is not None:
            last = behind.last
        field = mention.concept.graded_as or mention.concept.field or ""
        return Statement(field=field, start=tokens[first].start, end=tokens[last].end)


def _is_between(one: _Placed, first: _Placed, second: _Placed) -> bool:
    return min(first.last, second.last) < one.first and one.last < max(first.first, second.first)


def _meant(grades: Sequence[Left]) -> Sequence[Left]:
    """ "Moderate, not severe" is moderate."""
    affirmed = [left for left in grades if (left.low, left.high) == (left.grade.low, left.grade.high)]
    return affirmed or grades


def _grade(left: Left, scale: Sequence[str], category: Category) -> tuple[str, str | None] | None:
    degree = left.grade.degree
    if degree is Degree.HYPERDYNAMIC:
        return ("hyperdynamic", None) if category is Category.FUNCTION else None
    if degree is Degree.NORMAL and category is Category.VALVE:
        return None
    if degree is Degree.PRESERVED and category is not Category.FUNCTION:
        return None
    low, high = scale[left.low], scale[left.high]
    if degree is Degree.ABNORMAL and category is Category.PRESSURE and left.low == 1 and "elevated" in scale:
        high = low
    return low, (high if high != low else None)


def _without_contradicted(claims: Sequence[_Claim]) -> list[_Claim]:
    """Without what the same sentence says better: that one lead is not there is said of that lead, not of pacemakers;
    a native valve with a device is native, and has the device.
    """
    present = {claim.statement.field for claim in claims if claim.statement.is_present}
    certain = {
        (claim.statement.field, claim.statement.is_present)
        for claim in claims
        if claim.statement.certainty is Certainty.CERTAIN
    }
    current = {
        claim.statement.field for claim in claims if claim.statement.is_present and claim.statement.when is When.CURRENT
    }
    no_lead = {
        claim.mention.clause
        for claim in claims
        if claim.statement.field in _LEADS and claim.statement.is_present is False
    }
    kept = []
    for claim in claims:
        statement = claim.statement
        is_denied = statement.is_present is False
        is_of_lead = statement.field == "pacemaker" and is_denied and claim.mention.clause in no_lead
        is_native = (
            is_denied
            and claim.mention.concept.affirms
            and not claim.mention.concept.denies
            and statement.field in present
        )
        is_possible = statement.is_present is not None and statement.certainty is Certainty.POSSIBLE
        is_vaguer = is_possible and (statement.field, statement.is_present) in certain
        # "Before TAVR ...; after TAVR ...": it is planned no more.
        is_done = statement.when is When.PLANNED and statement.field in current
        # "The old lead was removed; a new lead is in the ventricle."
        is_again = is_denied and claim.is_over and statement.field in current
        if not (is_of_lead or is_native or is_vaguer or is_done or is_again):
            kept.append(claim)
    return kept


def _merged(statements: Iterable[Statement]) -> list[Statement]:
    """Each once, and a pressure's word and number together: "moderate pulmonary hypertension, PASP 55 mmHg"."""
    kept: list[Statement] = []
    for one in statements:
        same = next((at for at, other in enumerate(kept) if _is_same(one, other)), None)
        if same is None:
            kept.append(one)
            continue
        other = kept[same]
        if one.quantity is not other.quantity:
            kept[same] = replace(
                other,
                start=min(one.start, other.start),
                end=max(one.end, other.end),
                quantity=one.quantity or other.quantity,
                grade=one.grade or other.grade,
                grade_to=other.grade_to if other.grade else one.grade_to,
            )
    return kept


def _is_same(one: Statement, other: Statement) -> bool:
    about, about_other = ((each.field, each.when, each.certainty, each.is_present) for each in (one, other))
    if about != about_other:
        return False
    is_same = one.quantity == other.quantity and (one.grade, one.grade_to) == (other.grade, other.grade_to)
    completes = None in (one.quantity, other.quantity) and None in (one.grade, other.grade)
    return is_same or completes
