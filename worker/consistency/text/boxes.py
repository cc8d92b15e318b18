"""The boxes of a form: what stands at one that nobody ticked is not said, and a ticked one is no bracket."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from worker.consistency.text.tokens import COLUMN, Sort, Token

_EMPTY = frozenset("\u2610\u25a1\u25fb\u25a2\u2751")
_TICKED = frozenset("\u2611\u2612\u2713\u2714")
_BRACKETS = {"[": "]", "(": ")"}
_TICKS = frozenset({"x", "\u2713", "\u2714", "\u2717", "\u2718"})
_ENDS = frozenset(".!?")
_BEHIND_LABEL = frozenset({":", "|", COLUMN})


@dataclass(frozen=True, kw_only=True)
class _Box:
    first: int
    last: int
    is_ticked: bool


def without_open_boxes(tokens: Sequence[Token]) -> list[Token]:
    """The tokens without boxes, without what stands at an empty one, and without the label of a row that has no tick.

    "MR: [ ] none [x] mild" is "MR: mild"; of "[ ] Pacemaker" nothing is left. A box stands before its words, or behind
    them where it ends the line: "Pacemaker [ ]  ICD [x]".
    """
    kept: list[Token] = []
    lines = 0
    for first, end in _lines(tokens):
        row = tokens[first:end]
        boxes = list(_boxes(row))
        left = [row[at] for at in sorted(_left(row, boxes))] if boxes else list(row)
        lines = max(lines, row[0].lines)
        if left:
            kept += [replace(left[0], lines=lines), *left[1:]] if left[0].lines != lines else left
            lines = 0
    return kept


def _lines(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    starts = [at for at, token in enumerate(tokens) if at == 0 or token.lines]
    yield from pairwise([*starts, len(tokens)])


def _boxes(row: Sequence[Token]) -> Iterator[_Box]:
    at = 0
    while at < len(row):
        box = _box(row, at)
        if box is not None:
            yield box
        at = at + 1 if box is None else box.last + 1


def _box(row: Sequence[Token], at: int) -> _Box | None:
    text = row[at].text
    if text in _EMPTY | _TICKED:
        return _Box(first=at, last=at, is_ticked=text in _TICKED)
    close = _BRACKETS.get(text)
    inside = [token.text for token in row[at + 1 : at + 3]]
    if close is None or close not in inside:
        return None
    last = at + 1 + inside.index(close)
    if last == at + 1:
        return _Box(first=at, last=last, is_ticked=False)
    is_known = inside[0] in _TICKS or inside[0] == "_"
    return _Box(first=at, last=last, is_ticked=inside[0] != "_") if is_known else None


def _left(row: Sequence[Token], boxes: Sequence[_Box]) -> set[int]:
    """What of a line is left."""
    first, last = boxes[0].first, boxes[-1].last
    label = next((at + 1 for at in reversed(range(first)) if row[at].text in _ENDS), 0)
    is_leading = first == 0 or row[first - 1].text in _BEHIND_LABEL
    ends_line = all(token.sort is Sort.SIGN for token in row[last + 1 :])
    if not is_leading and ends_line:
        label = next((at + 1 for at in reversed(range(label, first)) if row[at].text in _BEHIND_LABEL), label)
        spans = zip([label, *(box.last + 1 for box in boxes[:-1])], (box.first for box in boxes), strict=True)
        behind = {at for box, span in zip(boxes, spans, strict=True) if box.is_ticked for at in range(*span)}
        return {*range(label), *behind} if behind else set(range(label)) - _label_before(row, label)
    ends = [*(box.first for box in boxes[1:]), len(row)]
    left = set(range(first)) if any(box.is_ticked for box in boxes) else set(range(label))
    for box, end in zip(boxes, ends, strict=True):
        stop = next((at for at in range(box.last + 1, end) if _ends_sentence(row, at)), end)
        left |= set(range(box.last + 1 if box.is_ticked else stop + 1, end))
    return left


def _label_before(row: Sequence[Token], end: int) -> set[int]:
    """The "Devices:" of "Devices: Pacemaker [ ]"."""
    start = next((at + 1 for at in reversed(range(end)) if row[at].text in _ENDS), 0)
    return set(range(start, end))


def _ends_sentence(row: Sequence[Token], at: int) -> bool:
    return row[at].text in _ENDS and (at + 1 == len(row) or row[at + 1].start > row[at].end)
