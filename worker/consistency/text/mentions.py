"""What a sentence mentions: by a term of its own, or by a structure and an attribute that belong together."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.consistency.text.clauses import Clauses
from worker.consistency.text.fields import (
    CATEGORIES,
    COMPOSED,
    CONCEPTS,
    NOTHING,
    VALVES,
    Category,
    Concept,
    Degree,
    device,
)
from worker.consistency.text.meanings import concept_of
from worker.consistency.text.tokens import HYPHENS, Sort
from worker.consistency.text.values import Grade
from worker.consistency.text.vocabulary import Mark
from worker.consistency.text.written_numbers import Number


@dataclass(kw_only=True, eq=False)
class Mention:
    """Words that name a concept, with the grades and numbers that turn out to be its own."""

    concept: Concept
    first: int
    head: int
    """Tokens: from the structure to the attribute, whichever comes first; a negation of it stands before the head."""
    last: int
    clause: int
    grades: list[Grade] = field(default_factory=list)
    numbers: list[Number] = field(default_factory=list)
    is_borrowing: bool = False
    """Its structure is named in another clause, or by a heading: "no regurgitation or stenosis"."""
    is_lead: bool = False
    """Names a lead, of whatever device."""
    is_part: bool = False
    """Of "mitral and tricuspid regurgitation", the first: a structure that shares the attribute of another."""

    @property
    def is_bare(self) -> bool:
        """Without anything said of it by itself."""
        return not self.grades and not self.numbers


@dataclass(kw_only=True)
class _Place:
    """A structure that is named, by itself or by a concept that is of it."""

    structure: str
    first: int
    last: int
    clause: int
    is_alone: bool
    """Named by itself, and not yet taken by an attribute."""


class Mentions:
    """All that one sentence mentions, in order of where it does."""

    def __init__(self, clauses: Clauses) -> None:
        self._clauses = clauses
        self.found: list[Mention] = []
        self._places: list[_Place] = []
        self._shared: list[tuple[str, int, int]] = []
        """Attribute, clause and direction of what other structures of a list may share."""
        for mark in clauses.marks:
            self._name(mark)
        self._named = len(self.found)
        self._with_concept = {mention.clause for mention in self.found}
        for mark in clauses.marks:
            if mark.attribute is not None:
                self._compose(mark, mark.attribute)
        for attribute, clause, step in self._shared:
            self._distribute(attribute, clause, step=step)
        self._join_sizes()
        self._normal_structures()
        self.found.sort(key=lambda mention: (mention.head, mention.first))

    def _clause(self, at: int) -> int:
        return self._clauses.of_token[at]

    def _name(self, mark: Mark) -> None:
        concepts = [concept_of(name, mark, self._clauses) for name in mark.concepts]
        concepts += [device(name, None) for name in mark.findings]
        concepts += [NOTHING] if mark.is_other else []
        for concept in concepts:
            self._mention(concept, mark.first, mark.last, mark.last)
            attribute = _ATTRIBUTES.get(concept.graded_as or "")
            if attribute is not None:
                self._shared.append((attribute, self._clause(mark.first), -1))
            if concept.structure is not None:
                self._place(concept.structure, mark, is_alone=False)
        for structure in mark.structures:
            self._place(structure, mark, is_alone=True)

    def _mention(self, concept: Concept, first: int, head: int, last: int) -> None:
        clause = self._clause(head)
        is_lead = any(mark.attribute == "lead" and first <= mark.first <= last for mark in self._clauses.marks)
        self.found.append(Mention(concept=concept, first=first, head=head, last=last, clause=clause, is_lead=is_lead))

    def _place(self, structure: str, mark: Mark, *, is_alone: bool) -> None:
        clause = self._clause(mark.first)
        self._places.append(
            _Place(structure=structure, first=mark.first, last=mark.last, clause=clause, is_alone=is_alone)
        )

    # An attribute with its structures

    def _compose(self, mark: Mark, attribute: str) -> None:
        known = COMPOSED[attribute]
        near = self._nearest(mark, known)
        if near is None and attribute in ("size", "dilation") and self._is_of_other(mark):
            return
        if near is None and attribute not in ("lead", "clip"):
            near = self._earlier(mark, known)
        elif near is None and attribute == "lead":
            near = self._next(mark, known)
        places = [place for place in self._places if near is not None and place.first == near.first
                  and place.structure in known]  # fmt: skip
        # "A lead in the right-sided chambers": it is not said in which.
        if attribute == "lead" and len(places) > 1:
            self._mention(CONCEPTS["pacemaker"], mark.first, mark.last, mark.last)
            return
        if attribute == "lead" and near is not None and self._is_only(mark):
            places = [place for place in self._places if place.clause == near.clause and place.structure in known]
        topic = [name for name in self._clauses.passage.topic if name in known] if attribute != "lead" else []
        if near is None and topic:
            for structure in topic:
                self._composed(attribute, structure, mark.first, mark.last, mark.last)
                self.found[-1].is_borrowing = True
        elif near is None:
            if attribute in CATEGORIES:
                self._composed(attribute, "", mark.first, mark.last, mark.last)
            return
        self._join(mark, attribute, places)

    def _join(self, mark: Mark, attribute: str, places: Sequence[_Place]) -> None:
        clause = self._clause(mark.first)
        for place in places:
            place.is_alone = False
            if place.clause == clause and self._is_named_by_disease(place):
                # "No TS after ring": the ring is the tricuspid valve's, and the "no" the stenosis'.
                self._composed(attribute, place.structure, mark.first, mark.last, mark.last)
            elif place.clause == clause:
                first, last = min(place.first, mark.first), max(place.last, mark.last)
                self._composed(attribute, place.structure, first, mark.last, last)
            else:
                self._composed(attribute, place.structure, mark.first, mark.last, mark.last)
                self.found[-1].is_borrowing = True
        if places and places[0].clause == clause:
            self._shared.append((attribute, clause, -1 if places[0].first < mark.first else 1))

    def _is_named_by_disease(self, place: _Place) -> bool:
        return any(
            each.first == place.first and each.concept.category is Category.VALVE and not each.is_borrowing
            for each in self.found[: self._named]
        )

    def _is_of_other(self, size: Mark) -> bool:
        """ "Right atrium dilated, IVC normal in size": of what is named in its own clause."""
        clause = self._clause(size.first)
        return any(mark.is_other and mark.first < size.first and self._clause(mark.first) == clause
                   for mark in self._clauses.marks)  # fmt: skip

    def _is_only(self, lead: Mark) -> bool:
        """ "A lead goes through the right atrium into the right ventricle": it is in both."""
        clause = self._clause(lead.first)
        leads = [
            mark for mark in self._clauses.marks if mark.attribute == "lead" and self._clause(mark.first) == clause
        ]
        return len(leads) == 1

    def _nearest(self, mark: Mark, known: dict[str, str]) -> _Place | None:
        """In the same clause; of two as near, the one before."""
        clause = self._clause(mark.first)
        places = [place for place in self._places if place.clause == clause and place.structure in known]
        return min(places, key=lambda place: _gap(place, mark), default=None)

    def _earlier(self, mark: Mark, known: dict[str, str]) -> _Place | None:
        """Named last in the sentence; of several valves whose diseases were named it may be any."""
        places = [place for place in self._places if place.first < mark.first and place.structure in known]
        last = max(places, key=lambda place: (place.first, place.is_alone), default=None)
        if last is None and mark.attribute in ("function", "dysfunction"):
            # "Systolic function is reduced, EF 45 %": what is measured is what is meant.
            return next((place for place in self._places if place.structure == "lv"), None)
        diseased = {place.structure for place in places if not place.is_alone and place.structure in VALVES}
        is_any = last is not None and not last.is_alone and len(diseased) > 1 and mark.attribute in _ATTRIBUTES.values()
        return None if is_any else last

    def _next(self, mark: Mark, known: dict[str, str]) -> _Place | None:
        """ "A lead crosses the valve and ends in the right ventricle"."""
        clause = self._clause(mark.first) + 1
        is_occupied = not self._clauses.is_listed(clause) or clause in self._with_concept
        places = [place for place in self._places if place.clause == clause and place.structure in known]
        return None if is_occupied or not places else places[0]

    def _distribute(self, attribute: str, clause: int, *, step: int) -> None:
        """To the others of "mitral and tricuspid regurgitation", or of "leads in right atrium and right ventricle"."""
        clauses = self._clauses
        while clauses.is_listed(clause if step < 0 else clause + 1):
            clause += step
            dangling = [place for place in self._places if place.clause == clause and place.is_alone
                        and place.structure in COMPOSED[attribute]]  # fmt: skip
            if not dangling or clause in self._with_concept or not (step > 0 or self._ends_clause(dangling[-1].last)):
                return
            for place in dangling:
                place.is_alone = False
                self._composed(attribute, place.structure, place.first, place.last, place.last)
                self.found[-1].is_part = True

    def _ends_clause(self, at: int) -> bool:
        tokens = self._clauses.tokens
        after = at + 2 if at + 1 < len(tokens) and tokens[at + 1].text in HYPHENS else at + 1
        return after < len(tokens) and self._clause(after) != self._clause(at)

    def _composed(self, attribute: str, structure: str, first: int, head: int, last: int) -> None:
        name = COMPOSED[attribute].get(structure, "")
        # Beside a TAVR, "the prosthesis" is that one, and no surgeon's.
        if name in ("some_aortic_prosthesis", "aortic_prosthesis") and self._has_tavr():
            name = ""
        concept = CONCEPTS[name] if name else _OF_NONE_OF_OURS[CATEGORIES.get(attribute, Category.NOTHING)]
        self._mention(concept, first, head, last)
        self._with_concept.add(self._clause(head))

    def _has_tavr(self) -> bool:
        return any(mention.concept is CONCEPTS["tavr"] for mention in self.found)

    def _join_sizes(self) -> None:
        """ "LA size: moderately dilated" names the size twice: once is enough."""
        for neutral in [each for each in self.found if each.concept.category is Category.SIZE]:
            other = next(
                (
                    each
                    for each in self.found
                    if (each.clause, each.concept.field) == (neutral.clause, neutral.concept.field)
                    and each.concept.is_abnormal
                ),
                None,
            )
            if other is not None and not neutral.concept.is_abnormal:
                other.first = min(other.first, neutral.first)
                self.found.remove(neutral)

    # A structure alone that is "normal", or a ventricle that is "hyperdynamic"

    def _normal_structures(self) -> None:
        for grade in self._clauses.values.grades:
            clause = self._clause(grade.first)
            if clause in self._with_concept:
                continue
            for place in [each for each in self._places if each.clause == clause and each.is_alone]:
                name = self._elliptic(place, grade)
                if name in CONCEPTS and self._is_all(clause, place, grade):
                    first, last = min(place.first, grade.first), max(place.last, grade.last)
                    self._mention(CONCEPTS[name], first, place.last, last)
                    if grade.degree is Degree.NORMAL:
                        self._distribute("size", clause, step=-1)

    def _elliptic(self, place: _Place, grade: Grade) -> str:
        """The concept that is meant: "left atrium moderately enlarged, right atrium only mildly", "RV normal"."""
        before = [each for each in self.found if each.last < place.first and each.concept.category is Category.SIZE]
        if grade.degree is Degree.HYPERDYNAMIC:
            return f"{place.structure}_function"
        return f"{place.structure}_size" if grade.degree is Degree.NORMAL or before else ""

    def _is_all(self, clause: int, place: _Place, grade: Grade) -> bool:
        """The clause has no other word than these and small ones."""
        known = {at for each in (place, grade) for at in range(each.first, each.last + 1)}
        small = [mark for mark in self._clauses.marks if mark.cues or mark.join is not None]
        known |= {at for mark in small for at in range(mark.first, mark.last + 1)}
        colons = [at for at, token in enumerate(self._clauses.tokens) if token.text == ":" and at < place.first]
        known |= set(range(colons[-1])) if colons else set()
        return not any(
            token.sort is Sort.WORD and at not in known and token.text not in self._clauses.vocabulary.common
            for at, token in enumerate(self._clauses.tokens)
            if self._clause(at) == clause
        )


def _gap(place: _Place, mark: Mark) -> tuple[int, int]:
    before = mark.first - place.last
    return (before, 0) if before > 0 else (place.first - mark.last, 1)


_ATTRIBUTES = {
    name: attribute for attribute in ("regurgitation", "stenosis") for name in COMPOSED[attribute].values() if name
}
"""Of the valves' diseases, which have names in one word: "Mitral- und Trikuspidalinsuffizienz"."""
_OF_NONE_OF_OURS = {category: Concept(category=category, scale=("",) * 4) for category in Category}
"""The aortic root's dilation: it takes its grade, and nothing is said of it."""


def mentions_of(clauses: Clauses) -> Sequence[Mention]:
    """In order."""
    return Mentions(clauses).found
