"""Tables that come as one cell a line, as PDFs give them back: "Pacemaker", and below it "No"."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from worker.consistency.text.headings import names_field
from worker.consistency.text.lexicon import Cue
from worker.consistency.text.tokens import COLUMN, HYPHENS, Sort, Token
from worker.consistency.text.vocabulary import Vocabulary

_MOST_TOKENS = 6
"""Of an answer: "55 - 60 %"."""
_DENIALS = {Cue.NEGATION_BEFORE, Cue.NEGATION_AFTER}
_SIGNS = HYPHENS | frozenset("<>\u2264\u2265=~%")


def with_cells_joined(tokens: Sequence[Token], vocabulary: Vocabulary) -> list[Token]:
    """The tokens with the answer that stands alone on the line below its name on one line with it.

    An answer is a number, or a word that denies: a name alone is an entry of a list, and would say that it is there.
    """
    starts = [at for at, token in enumerate(tokens) if at == 0 or token.lines]
    found: list[Token] = []
    name: Sequence[Token] = ()
    for first, end in pairwise([*starts, len(tokens)]):
        line = tokens[first:end]
        if name and line[0].lines == 1 and _is_answer(line, vocabulary) and names_field(name, vocabulary):
            begin = line[0]
            found.append(replace(begin, sort=Sort.SIGN, text=COLUMN, end=begin.start, lines=0, is_capital=False))
            found += [replace(begin, lines=0), *line[1:]]
            name = ()
            continue
        found += line
        name = line
    return found


def _is_answer(line: Sequence[Token], vocabulary: Vocabulary) -> bool:
    words = [token for token in line if token.text != "."]
    if len(words) == 1 and words[0].sort is Sort.WORD:
        return any(mark.cues & _DENIALS for mark in vocabulary.marks(words))
    is_short = len(words) <= _MOST_TOKENS and any(token.sort is Sort.NUMBER for token in words)
    return is_short and all(
        token.sort is Sort.NUMBER or token.text in _SIGNS or token.text in vocabulary.units for token in words
    )
