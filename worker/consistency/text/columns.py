"""Tables with a column of before, or of what is normal: "| | Today | 1/2/2020 |" above "| LVEF | 55 % | 30 % |"."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

from worker.consistency.text.lexicon import Cue
from worker.consistency.text.times import may_be
from worker.consistency.text.tokens import COLUMN, Sort, Token
from worker.consistency.text.vocabulary import Mark, Vocabulary

_SEPARATORS = frozenset({"|", COLUMN})
_OTHER = {Cue.PAST, Cue.PAST_STUDY, Cue.REFERENCE}
_Cells = list[tuple[int, int]]


def without_other_columns(tokens: Sequence[Token], vocabulary: Vocabulary, study_day: date | None) -> list[Token]:
    """The tokens without the cells below a heading that says "prior", "normal", or the date of another day.

    A heading is a row without numbers; it holds for the rows right below it that have as many cells.
    """
    starts = [at for at, token in enumerate(tokens) if at == 0 or token.lines]
    kept: list[Token] = []
    dropped: set[int] = set()
    width = 0
    for first, end in pairwise([*starts, len(tokens)]):
        line = tokens[first:end]
        cells = _cells(line)
        if line[0].lines > 1 or len(cells) != width:
            dropped, width = set(), 0
        if dropped:
            left = [span for column, span in enumerate(cells) if column not in dropped]
            kept += [line[at] for start, stop in left for at in range(max(start - 1, 0), stop)]
            continue
        kept += line
        others, has_label = _others(line, cells, vocabulary, study_day)
        if others:
            # Without a label of its own it has a cell less than its rows.
            dropped, width = {column + (not has_label) for column in others}, len(cells) + (not has_label)
    return kept


def _cells(line: Sequence[Token]) -> _Cells:
    """First token of each, and the one after its last."""
    cuts = [at for at, token in enumerate(line) if token.text in _SEPARATORS]
    return [(before + 1, cut) for before, cut in pairwise([-1, *cuts, len(line)])]


def _others(
    line: Sequence[Token], cells: _Cells, vocabulary: Vocabulary, study_day: date | None
) -> tuple[set[int], bool]:
    """The columns of a heading that are of before or of what is normal, where another is left; and whether its first
    cell is the label of the names below it."""
    marks = vocabulary.marks(line)
    is_row = any(token.sort is Sort.NUMBER for token in line) or any(map(_names_something, marks))
    dates = [at for at, token in enumerate(line) if token.sort is Sort.DATE]
    is_contrasted = len(dates) == 1 or any(Cue.NOW in mark.cues for mark in marks)
    found, has_label = set(), True
    for column, (first, end) in enumerate(cells):
        said = {cue for mark in marks if first <= mark.first < end for cue in mark.cues}
        dated = [line[at] for at in dates if first <= at < end]
        is_of_today = study_day is not None and any(may_be(token.text, study_day) for token in dated)
        is_dated = bool(dated) and not is_of_today and (study_day is not None or is_contrasted)
        if Cue.NOW not in said and (said & _OTHER or is_dated):
            found.add(column)
        if column == 0 and (dated or said & {*_OTHER, Cue.NOW}):
            has_label = False
    is_heading = len(cells) >= (3 if has_label else 2) and not is_row
    return (found if is_heading and len(found) < len(cells) - has_label else set()), has_label


def _names_something(mark: Mark) -> bool:
    return bool(mark.concepts or mark.findings or mark.structures or mark.attribute)
