"""The structures that a sentence names, and which of them an attribute is of: in its clause, before it or behind it."""

from dataclasses import dataclass

from worker.consistency.text.clauses import Clauses
from worker.consistency.text.fields import COMPOSED, VALVES
from worker.consistency.text.lexicon import Cue
from worker.consistency.text.tokens import Sort
from worker.consistency.text.vocabulary import Mark

DISEASES = {
    name: attribute for attribute in ("regurgitation", "stenosis") for name in COMPOSED[attribute].values() if name
}
"""Of the valves, which have names in one word: "Mitral- und Trikuspidalinsuffizienz"."""


@dataclass(kw_only=True)
class Place:
    """A structure that is named, by itself or by a concept that is of it."""

    structure: str
    first: int
    last: int
    clause: int
    is_alone: bool
    """Named by itself, and not yet taken by an attribute."""


class Places:
    """Of one sentence, in order of where they are named."""

    def __init__(self, clauses: Clauses) -> None:
        self._clauses = clauses
        self.all: list[Place] = []
        self.occupied: set[int] = set()
        """The clauses that name a concept, whose structures are taken."""

    def add(self, structure: str, mark: Mark, *, is_alone: bool) -> None:
        """A structure that a mark names."""
        clause = self._clauses.clause_of(mark.first)
        self.all.append(Place(structure=structure, first=mark.first, last=mark.last, clause=clause, is_alone=is_alone))

    def nearest(self, mark: Mark, known: dict[str, str]) -> Place | None:
        """In the same clause; of two as near, the one before."""
        clause = self._clauses.clause_of(mark.first)
        places = [place for place in self.all if place.clause == clause and place.structure in known]
        return min(places, key=lambda place: _gap(place, mark), default=None)

    def earlier(self, mark: Mark, known: dict[str, str]) -> Place | None:
        """Named last in the sentence; of several valves whose diseases were named it may be any."""
        places = [place for place in self.all if place.first < mark.first and place.structure in known]
        last = max(places, key=lambda place: (place.first, place.is_alone), default=None)
        if last is None and mark.attribute in ("function", "dysfunction"):
            # "Systolic function is reduced, EF 45 %": what is measured is what is meant.
            return next((place for place in self.all if place.structure == "lv"), None)
        diseased = {place.structure for place in places if not place.is_alone and place.structure in VALVES}
        is_any = last is not None and not last.is_alone and len(diseased) > 1 and mark.attribute in DISEASES.values()
        return None if is_any else last

    def behind(self, mark: Mark, known: dict[str, str]) -> Place | None:
        """ "Bioprosthesis, aortic": the clause behind it is the structure's alone."""
        near = self.next_to(mark, known)
        return near if near is not None and near.first == near.last and self._is_whole_clause(near) else None

    def _is_whole_clause(self, place: Place) -> bool:
        return all(
            place.first <= at <= place.last or self._clauses.tokens[at].sort is not Sort.WORD
            for at in self._clauses.tokens_in(place.clause)
        )

    def is_certain(self, place: Place) -> bool:
        """Of "right ventricle", and of "right atrium and ventricle"; "right-sided chambers" may be either."""
        is_several = any(each.first == place.first and each is not place for each in self.all)
        tokens = self._clauses.tokens[place.first : place.last + 1]
        return not is_several or any(token.text in self._clauses.vocabulary.listing for token in tokens)

    def guessed_in(self, mark: Mark, known: dict[str, str]) -> Place | None:
        """ "A linear structure in the right atrium, probably a lead": what was seen there, and what it may be."""
        clause = self._clauses.clause_of(mark.first)
        doubts = [cue for cue in self._clauses.cues_in(clause, Cue.UNCERTAIN_BEFORE) if cue.last < mark.first]
        if not doubts or not self._clauses.is_listed(clause) or clause - 1 in self.occupied:
            return None
        places = [place for place in self.all if place.clause == clause - 1 and place.structure in known]
        return places[0] if len(places) == 1 else None

    def next_to(self, mark: Mark, known: dict[str, str]) -> Place | None:
        """ "A lead crosses the valve and ends in the right ventricle"."""
        clause = self._clauses.clause_of(mark.first) + 1
        is_occupied = not self._clauses.is_listed(clause) or clause in self.occupied
        places = [place for place in self.all if place.clause == clause and place.structure in known]
        return None if is_occupied or not places else places[0]


def _gap(place: Place, mark: Mark) -> tuple[int, int]:
    before = mark.first - place.last
    return (before, 0) if before > 0 else (place.first - mark.last, 1)
