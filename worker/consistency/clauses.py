"""A sentence in clauses: where one ends, and what holds them together."""

from enum import StrEnum

from worker.consistency.lexicon import Cue
from worker.consistency.passages import Passage
from worker.consistency.tokens import Sort
from worker.consistency.values import Grade, Values
from worker.consistency.vocabulary import Mark, Vocabulary


class Boundary(StrEnum):
    """What stands between two clauses; where several do, the last of these."""

    CLOSED = "closed"
    """A closing bracket: what follows goes on with what stood before the opening one."""
    COMMA = "comma"
    BRACKET = "bracket"
    AND = "and"
    OR = "or"
    WITH = "with"
    BUT = "but"


_STRENGTH = {boundary: number for number, boundary in enumerate(Boundary)}
LISTING = frozenset({Boundary.COMMA, Boundary.AND, Boundary.OR})
_SIGNS = {",": Boundary.COMMA, ";": Boundary.BUT, "(": Boundary.BRACKET, ")": Boundary.CLOSED,
          "[": Boundary.BRACKET, "]": Boundary.CLOSED, "/": Boundary.AND, "&": Boundary.AND}  # fmt: skip


class Clauses:
    """One sentence: its words that count, and which clause each token is in."""

    def __init__(self, passage: Passage, vocabulary: Vocabulary) -> None:
        self.passage, self.vocabulary, self.tokens = passage, vocabulary, passage.tokens
        self.marks = vocabulary.marks(self.tokens)
        self.values = Values(self.tokens, self.marks, vocabulary)
        self.of_token: list[int] = []
        """The clause of each token; words between clauses are of the one that follows."""
        self.boundaries: list[Boundary] = [Boundary.BUT]
        """What stands before each clause."""
        self._cut()
        self.cues: dict[Cue, list[Mark]] = {cue: [] for cue in Cue}
        self._of_clause: dict[tuple[int, Cue], list[Mark]] = {}
        for mark in self.marks:
            for cue in mark.cues:
                self.cues[cue].append(mark)
                self._of_clause.setdefault((self.of_token[mark.first], cue), []).append(mark)

    def _cut(self) -> None:
        within = {at for value in self.values.all for at in range(value.first, value.last + 1)}
        within |= {at for grade in self.values.grades for at in self._brackets(grade)}
        begins = {mark.first: mark for mark in self.marks}
        inside = {at for mark in self.marks for at in range(mark.first + 1, mark.last + 1)}
        is_empty = True
        for at, token in enumerate(self.tokens):
            boundary = None
            if at not in within and at not in inside:
                join = begins[at].join if at in begins else None
                boundary = _SIGNS.get(token.text) if join is None else Boundary(join)
            if boundary is not None and not is_empty:
                self.boundaries.append(boundary)
                is_empty = True
            elif boundary is not None and _STRENGTH[boundary] > _STRENGTH[self.boundaries[-1]]:
                self.boundaries[-1] = boundary
            # "Without" is a boundary, and a negation within the clause that it opens.
            is_empty = is_empty and (boundary is not None and not (at in begins and begins[at].cues))
            self.of_token.append(len(self.boundaries) - 1)

    def _brackets(self, grade: Grade) -> tuple[int, ...]:
        """Around a grade alone, as in "mild (1+) mitral regurgitation": they end no clause."""
        around = (grade.first - 1, grade.last + 1)
        is_within = around[0] >= 0 and around[1] < len(self.tokens)
        return around if is_within and [self.tokens[at].text for at in around] == ["(", ")"] else ()

    def is_last_of_clause(self, mark: Mark) -> bool:
        """Whether no word or number follows it in its clause."""
        after = range(mark.last + 1, len(self.tokens))
        clause = self.of_token[mark.first]
        rest = [self.tokens[at] for at in after if self.of_token[at] == clause]
        return all(token.sort is Sort.SIGN for token in rest)

    def cues_in(self, clause: int, *cues: Cue) -> list[Mark]:
        """Those of one clause, in order."""
        found = [mark for cue in cues for mark in self._of_clause.get((clause, cue), ())]
        return sorted(found, key=lambda mark: mark.first) if len(cues) > 1 else found

    def is_listed(self, clause: int) -> bool:
        """Whether the clause continues a list that the one before it is part of."""
        return 0 < clause < len(self.boundaries) and self.boundaries[clause] in LISTING
