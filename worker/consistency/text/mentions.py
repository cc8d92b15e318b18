"""What a sentence mentions: by a term of its own, or by a structure and an attribute that belong together."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.consistency.text.clauses import Clauses
from worker.consistency.text.fields import (
    CATEGORIES,
    COMPOSED,
    CONCEPTS,
    NOTHING,
    Category,
    Concept,
    Degree,
    device,
)
from worker.consistency.text.meanings import concept_of
from worker.consistency.text.places import DISEASES, Place, Places
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


class Mentions:
    """All that one sentence mentions, in order of where it does."""

    def __init__(self, clauses: Clauses) -> None:
        self._clauses = clauses
        self.found: list[Mention] = []
        self._places = Places(clauses)
        self._shared: list[tuple[str, int, int]] = []
        """Attribute, clause and direction of what other structures of a list may share."""
        for mark in clauses.marks:
            self._name(mark)
        self._named = len(self.found)
        self._places.occupied = {mention.clause for mention in self.found}
        for mark in clauses.marks:
            if mark.attribute is not None:
                self._compose(mark, mark.attribute)
        for attribute, clause, step in self._shared:
            self._distribute(attribute, clause, step=step)
        self._join_sizes()
        self._normal_structures()
        self.found.sort(key=lambda mention: (mention.head, mention.first))

    def _name(self, mark: Mark) -> None:
        concepts = [concept_of(name, mark, self._clauses) for name in mark.concepts]
        concepts += [device(name, None) for name in mark.findings]
        concepts += [NOTHING] if mark.is_other else []
        for concept in concepts:
            self._mention(concept, mark.first, mark.last, mark.last)
            attribute = DISEASES.get(concept.graded_as or "")
            if attribute is not None:
                self._shared.append((attribute, self._clauses.clause_of(mark.first), -1))
            if concept.structure is not None:
                self._places.add(concept.structure, mark, is_alone=False)
        for structure in mark.structures:
            self._places.add(structure, mark, is_alone=True)

    def _mention(self, concept: Concept, first: int, head: int, last: int) -> None:
        clause = self._clauses.clause_of(head)
        is_lead = any(mark.attribute == "lead" and first <= mark.first <= last for mark in self._clauses.marks)
        self.found.append(Mention(concept=concept, first=first, head=head, last=last, clause=clause, is_lead=is_lead))

    # An attribute with its structures

    def _compose(self, mark: Mark, attribute: str) -> None:
        known = COMPOSED[attribute]
        near = self._places.nearest(mark, known)
        if near is None and attribute in ("size", "dilation") and self._is_of_other(mark):
            return
        if near is None and attribute not in ("lead", "clip"):
            near = self._places.earlier(mark, known)
            near = self._places.behind(mark, known) if near is None and attribute in _PUT_IN else near
        elif near is None and attribute == "lead":
            near = self._places.next_to(mark, known) or self._places.guessed_in(mark, known)
        places: Sequence[Place] = [place for place in self._places.all if near is not None
                                   and place.first == near.first and place.structure in known]  # fmt: skip
        if attribute == "lead" and near is not None:
            places = self._of_lead(mark, places, known)
            if not places:
                self._mention(CONCEPTS["pacemaker"], mark.first, mark.last, mark.last)
                return
        topic = [name for name in self._clauses.passage.topic if name in known]
        if near is None and topic and not (attribute == "lead" and len(topic) > 1):
            for structure in topic:
                self._composed(attribute, structure, mark.first, mark.last, mark.last)
                self.found[-1].is_borrowing = True
        elif near is None:
            if attribute in CATEGORIES:
                # An effusion that nothing else is said of is that of the pericardium.
                structure = "pericardium" if attribute == "effusion" else ""
                self._composed(attribute, structure, mark.first, mark.last, mark.last)
            return
        self._join(mark, attribute, places)

    def _of_lead(self, mark: Mark, places: Sequence[Place], known: dict[str, str]) -> Sequence[Place]:
        """The chambers that it is in; none where that is not said: "a lead in the right-sided chambers"."""
        near = places[0]
        inside = [place for place in self._places.all if place.clause == near.clause and place.structure in known]
        certain = [place for place in inside if self._places.is_certain(place)]
        if near not in certain:
            return certain
        return certain if self._is_only(mark) else places

    def _join(self, mark: Mark, attribute: str, places: Sequence[Place]) -> None:
        clause = self._clauses.clause_of(mark.first)
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
        elif places and places[0].first > mark.last:
            # "A lead in the coronary sinus, right ventricle and right atrium"
            self._shared.append((attribute, places[0].clause, 1))

    def _is_named_by_disease(self, place: Place) -> bool:
        return any(
            each.first == place.first and each.concept.category is Category.VALVE and not each.is_borrowing
            for each in self.found[: self._named]
        )

    def _is_of_other(self, size: Mark) -> bool:
        """ "Right atrium dilated, IVC normal in size": of what is named in its own clause."""
        clause = self._clauses.clause_of(size.first)
        return any(mark.is_other and mark.first < size.first and self._clauses.clause_of(mark.first) == clause
                   for mark in self._clauses.marks)  # fmt: skip

    def _is_only(self, lead: Mark) -> bool:
        """ "A lead goes through the right atrium into the right ventricle": it is in both."""
        clause = self._clauses.clause_of(lead.first)
        leads = [
            mark
            for mark in self._clauses.marks
            if mark.attribute == "lead" and self._clauses.clause_of(mark.first) == clause
        ]
        return len(leads) == 1

    def _distribute(self, attribute: str, clause: int, *, step: int) -> None:
        """To the others of "mitral and tricuspid regurgitation", or of "leads in right atrium and right ventricle"."""
        clauses = self._clauses
        while clauses.is_listed(clause if step < 0 else clause + 1):
            clause += step
            dangling = [place for place in self._places.all if place.clause == clause and place.is_alone
                        and place.structure in COMPOSED[attribute]]  # fmt: skip
            if not dangling or clause in self._places.occupied:
                return
            if step < 0 and not self._ends_clause(dangling[-1].last):
                return
            for place in dangling:
                place.is_alone = False
                self._composed(attribute, place.structure, place.first, place.last, place.last)
                self.found[-1].is_part = True

    def _ends_clause(self, at: int) -> bool:
        """With its grade, as in "left atrium mildly and right atrium severely enlarged"."""
        tokens = self._clauses.tokens
        at = next((grade.last for grade in self._clauses.values.grades if grade.first == at + 1), at)
        after = at + 2 if at + 1 < len(tokens) and tokens[at + 1].text in HYPHENS else at + 1
        return after < len(tokens) and not self._clauses.are_together(after, at)

    def _composed(self, attribute: str, structure: str, first: int, head: int, last: int) -> None:
        name = COMPOSED[attribute].get(structure, "")
        # Beside a TAVR, "the prosthesis" is that one, and no surgeon's.
        if name in ("some_aortic_prosthesis", "aortic_prosthesis") and self._has_tavr():
            name = ""
        concept = CONCEPTS[name] if name else _OF_NONE_OF_OURS[CATEGORIES.get(attribute, Category.NOTHING)]
        self._mention(concept, first, head, last)
        self._places.occupied.add(self._clauses.clause_of(head))

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
            clause = self._clauses.clause_of(grade.first)
            if clause in self._places.occupied:
                continue
            for place in [each for each in self._places.all if each.clause == clause and each.is_alone]:
                name = self._elliptic(place, grade)
                if name in CONCEPTS and self._is_all(clause, place, grade):
                    first, last = min(place.first, grade.first), max(place.last, grade.last)
                    self._mention(CONCEPTS[name], first, place.last, last)
                    if grade.degree is Degree.NORMAL:
                        self._distribute("size", clause, step=-1)

    def _elliptic(self, place: Place, grade: Grade) -> str:
        """The concept that is meant: "left atrium moderately enlarged, right atrium only mildly", "RV normal"."""
        before = [each for each in self.found if each.last < place.first and each.concept.category is Category.SIZE]
        if grade.degree is Degree.HYPERDYNAMIC:
            return f"{place.structure}_function"
        return f"{place.structure}_size" if grade.degree is Degree.NORMAL or before else ""

    def _is_all(self, clause: int, place: Place, grade: Grade) -> bool:
        """The clause has no other word than these and small ones."""
        known = {at for each in (place, grade) for at in range(each.first, each.last + 1)}
        small = [mark for mark in self._clauses.marks if mark.cues or mark.join is not None]
        known |= {at for mark in small for at in range(mark.first, mark.last + 1)}
        colons = [at for at, token in enumerate(self._clauses.tokens) if token.text == ":" and at < place.first]
        known |= set(range(colons[-1])) if colons else set()
        return not any(
            self._clauses.tokens[at].sort is Sort.WORD and at not in known and not self._clauses.is_small_word(at)
            for at in self._clauses.tokens_in(clause)
        )


_PUT_IN = frozenset({"prosthesis", "surgical_prosthesis", "ring"})
"""What is at a valve that may be named behind it."""
_OF_NONE_OF_OURS = {category: Concept(category=category, scale=("",) * 4) for category in Category}
"""The aortic root's dilation: it takes its grade, and nothing is said of it."""


def mentions_of(clauses: Clauses) -> Sequence[Mention]:
    """In order."""
    return Mentions(clauses).found
