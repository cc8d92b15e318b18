"""A sentence in clauses: where one ends, and what holds them together."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from enum import StrEnum

from worker.consistency.text.lexicon import Cue
from worker.consistency.text.passages import Passage
from worker.consistency.text.tokens import Sort, Token
from worker.consistency.text.values import Grade, Values
from worker.consistency.text.vocabulary import Mark, Vocabulary


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
          "[": Boundary.BRACKET, "]": Boundary.CLOSED, "/": Boundary.AND, "&": Boundary.AND,
          "+": Boundary.AND}  # fmt: skip
_BEFORE_VALUE = frozenset(":=|\t~<>≤≥")


class Clauses:
    """One sentence: its words that count, and which clause each token is in."""

    def __init__(self, passage: Passage, vocabulary: Vocabulary) -> None:
        self.passage, self.vocabulary, self.tokens = passage, vocabulary, passage.tokens
        marks = vocabulary.marks(self.tokens)
        self._named_by = set(_methods(self.tokens, marks, vocabulary)) | set(_units(self.tokens, marks, vocabulary))
        self.lesser_methods = [mark for mark in marks if Cue.LESSER_METHOD in mark.cues]
        self.marks = [mark for mark in marks if mark.first not in self._named_by]
        self.begins = {mark.first: mark for mark in self.marks}
        self.ends = {mark.last: mark for mark in self.marks}
        self._marked = {at for mark in self.marks for at in range(mark.first, mark.last + 1)}
        self.values = Values(self.tokens, self.marks, vocabulary)
        self._of_token: list[int] = []
        self.boundaries: list[Boundary] = [Boundary.BUT]
        """What stands before each clause."""
        self._cut()
        self.cues: dict[Cue, list[Mark]] = {cue: [] for cue in Cue}
        self._of_clause: dict[tuple[int, Cue], list[Mark]] = {}
        for mark in self.marks:
            for cue in mark.cues:
                self.cues[cue].append(mark)
                self._of_clause.setdefault((self.clause_of(mark.first), cue), []).append(mark)

    def _cut(self) -> None:
        within = {at for value in self.values.all for at in range(value.first, value.last + 1)}
        within |= {at for grade in self.values.grades for at in self._brackets(grade)}
        begins = self.begins
        inside = {at for mark in self.marks for at in range(mark.first + 1, mark.last + 1)}
        is_empty = True
        for at, token in enumerate(self.tokens):
            boundary = None
            if at not in within and at not in inside and at not in self._named_by:
                join = begins[at].join if at in begins else None
                boundary = _SIGNS.get(token.text) if join is None else Boundary(join)
            if boundary is not None and not is_empty:
                self.boundaries.append(boundary)
                is_empty = True
            elif boundary is not None and _STRENGTH[boundary] > _STRENGTH[self.boundaries[-1]]:
                self.boundaries[-1] = boundary
            # "Without" is a boundary, and a negation within the clause that it opens.
            is_empty = is_empty and (boundary is not None and not (at in begins and begins[at].cues))
            self._of_token.append(len(self.boundaries) - 1)

    def _brackets(self, grade: Grade) -> tuple[int, ...]:
        """Around a grade alone, as in "mild (1+) mitral regurgitation": they end no clause."""
        around = (grade.first - 1, grade.last + 1)
        is_within = around[0] >= 0 and around[1] < len(self.tokens)
        return around if is_within and [self.tokens[at].text for at in around] == ["(", ")"] else ()

    def clause_of(self, at: int) -> int:
        """Which clause a token is in; words between clauses are of the one that follows."""
        return self._of_token[at]

    def are_together(self, one: int, other: int) -> bool:
        """Whether two tokens are in one clause."""
        return self._of_token[one] == self._of_token[other]

    def tokens_in(self, clause: int) -> range:
        """The tokens of a clause."""
        return range(bisect_left(self._of_token, clause), bisect_right(self._of_token, clause))

    def is_small_word(self, at: int) -> bool:
        """Whether it is one of the words that say nothing by themselves: "the", "is"."""
        return self.tokens[at].text in self.vocabulary.common

    def is_unknown(self, at: int) -> bool:
        """Whether it is a word that the lexicon does not have."""
        token = self.tokens[at]
        return token.sort is Sort.WORD and at not in self._marked and not self.is_small_word(at)

    def is_last_of_clause(self, mark: Mark) -> bool:
        """Whether no word or number follows it in its clause."""
        after = range(mark.last + 1, self.tokens_in(self.clause_of(mark.first)).stop)
        return all(self.tokens[at].sort is Sort.SIGN for at in after)

    def cues_in(self, clause: int, *cues: Cue) -> list[Mark]:
        """Those of one clause, in order."""
        found = [mark for cue in cues for mark in self._of_clause.get((clause, cue), ())]
        return sorted(found, key=lambda mark: mark.first) if len(cues) > 1 else found

    def is_listed(self, clause: int) -> bool:
        """Whether the clause continues a list that the one before it is part of."""
        return 0 < clause < len(self.boundaries) and self.boundaries[clause] in LISTING


def _methods(tokens: Sequence[Token], marks: Sequence[Mark], vocabulary: Vocabulary) -> Iterator[int]:
    """The tokens of the "(A4C)" of "EF (A4C): 55 %": it says how it was measured, and the value stands behind it.

    So does the "BP" of "A4C 62 %, BP 56 %"; and the "(s)" of "lead(s)" says nothing.
    """
    begins, named = {mark.first: mark for mark in marks}, {mark.last for mark in marks if mark.concepts}
    for mark in marks:
        at = mark.last + 2 if tokens[min(mark.last + 1, len(tokens) - 1)].text in _BEFORE_VALUE else mark.last + 1
        is_value = at + 1 < len(tokens) and tokens[at].sort is Sort.NUMBER
        if mark.is_other and Cue.METHOD in mark.cues and is_value and tokens[at + 1].text == "%":
            yield from range(mark.first, mark.last + 1)
    for first, token in enumerate(tokens):
        if token.text != "(" or first == 0:
            continue
        last = next((at for at in range(first + 2, min(first + 6, len(tokens))) if tokens[at].text == ")"), None)
        if last is None:
            continue
        if last == first + 2 and tokens[first - 1].end == token.start and len(tokens[first + 1].text) == 1:
            yield from range(first, last + 1)
            continue
        name = first - 1
        while name > 0 and name not in named and tokens[name].text in vocabulary.common:
            name -= 1
        if name not in named or last + 1 >= len(tokens):
            continue
        if not (tokens[last + 1].sort is Sort.NUMBER or tokens[last + 1].text in _BEFORE_VALUE):
            continue
        if all(_says_how(tokens[at], begins.get(at)) for at in range(first + 1, last)):
            yield from range(first, last + 1)


def _units(tokens: Sequence[Token], marks: Sequence[Mark], vocabulary: Vocabulary) -> Iterator[int]:
    """The "ms" of "150 ms", which is no mitral stenosis."""
    for mark in marks:
        before = tokens[mark.first - 1] if mark.first else None
        is_unit = mark.first == mark.last and tokens[mark.first].text in vocabulary.units and bool(mark.concepts)
        if is_unit and before is not None and before.sort is Sort.NUMBER:
            yield mark.first


def _says_how(token: Token, mark: Mark | None) -> bool:
    """ "BP" is no blood pressure there, and "MOD" nothing moderate."""
    if token.sort is not Sort.WORD:
        return token.sort is Sort.SIGN and token.text not in "()[];,"
    is_how = mark is None or mark.is_other or Cue.LESSER_METHOD in mark.cues
    return is_how or (mark is not None and mark.degree is not None and token.is_shouted)
