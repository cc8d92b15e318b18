"""A report cut into sentences, each with what its headings say of it: which time it is about, and of what."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.consistency.statements import When
from worker.consistency.text.headings import (
    LABEL_TOKENS,
    Section,
    heading_of,
    is_past,
    label_length,
    names_field,
    says_there_is_none,
)
from worker.consistency.text.tokens import HYPHENS, Sort, Token
from worker.consistency.text.vocabulary import Vocabulary

_MOST_TOKENS = 150
"""Of a sentence: a text without a full stop is cut, so that the time stays linear."""
_SHORT_LINE = 60
"""Characters: a line that is shorter was ended on purpose, a longer one may have been wrapped."""
_ENDS = frozenset(".!?")
_BULLETS = HYPHENS | frozenset("•*·#>")


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A sentence, or a row of a table, without its heading."""

    tokens: Sequence[Token]
    when: When
    topic: tuple[str, ...]
    """The structures that a heading above it, or at the beginning of its line, names."""


def passages(tokens: Sequence[Token], vocabulary: Vocabulary) -> Iterator[Passage]:
    """In order; headings and empty sentences are left out.

    A heading with text behind it holds to the end of that line, if it was not wrapped; one on a line of its own holds
    until the next: of a structure, until an empty line. One that is not known ends the history or the plan that it
    stands below (`Section.ends_at`).
    """
    section, inline = Section(), When.CURRENT
    topic: tuple[str, ...] = ()
    topic_below: tuple[str, ...] = ()
    is_below_date = False
    is_shouting = not any(token.sort is Sort.WORD and not token.is_shouted for token in tokens)
    for first, end, line_ended in _sentences(tokens, vocabulary):
        sentence = tokens[first:end]
        following = tokens[end] if end < len(tokens) else None
        heading = heading_of(sentence, vocabulary, following, is_shouting=is_shouting)
        names_time = heading is not None and heading.when is not None
        after_gap, is_labelled = sentence[0].lines > 1, sentence[0].lines > 0 and label_length(sentence) > 0
        if heading is not None and section.ends_at(heading, after_gap=after_gap):
            section = Section()
        if line_ended or is_labelled or names_time:
            inline, topic = section.when, topic_below
        if after_gap or names_time:
            topic = topic_below = ()
        if after_gap or is_labelled or heading is not None:
            is_below_date = False
        if heading is not None:
            if heading.when is not None:
                inline = heading.when
                section = Section(when=heading.when) if heading.is_alone else section
                is_below_date = heading.is_dated
                sentence = sentence[heading.length :]
                if not heading.is_alone and says_there_is_none(sentence, vocabulary):
                    # "Comparison: none. LVEF 45 %."
                    inline = section.when
            if heading.topic:
                topic = heading.topic
                topic_below = heading.topic if heading.is_alone else topic_below
        if sentence:
            is_of_date = is_below_date and is_past(sentence, vocabulary)
            yield Passage(tokens=sentence, when=When.HISTORY if is_of_date else inline, topic=topic)
            section.add(heading)


def _sentences(tokens: Sequence[Token], vocabulary: Vocabulary) -> Iterator[tuple[int, int, bool]]:
    """First token, the one after the last, and whether a line ended before it that was not wrapped."""
    first, line, line_ended = 0, 0, False
    entries = _entries(tokens)
    for at in range(1, len(tokens)):
        token, before = tokens[at], tokens[at - 1]
        is_short = before.end - tokens[line].start < _SHORT_LINE
        if token.lines:
            goes_on = before.text == ":" and names_field(tokens[line : at - 1], vocabulary)
            begins = _begins_line(tokens, at, is_short=is_short, goes_on=goes_on)
            line = at
        if (
            at in entries
            or (token.lines and begins)
            or _ends_sentence(tokens, at, vocabulary)
            or at - first >= _MOST_TOKENS
        ):
            yield first, at, line_ended
            first, line_ended = at, token.lines > 1 or (token.lines == 1 and is_short)
    if tokens:
        yield first, len(tokens), line_ended


def _entries(tokens: Sequence[Token]) -> set[int]:
    """Where the entries of "1) EF 55 % 2) Mild MR 3) Trace TR" begin: numbers in their order, each before a capital."""
    found: set[int] = set()
    number = 1
    for at, token in enumerate(tokens[:-2]):
        sign, word = tokens[at + 1], tokens[at + 2]
        if token.sort is not Sort.NUMBER or sign.text not in ").":
            continue
        is_entry = sign.start == token.end and word.start > sign.end and word.is_capital and word.sort is Sort.WORD
        if is_entry and token.text == "1" and (at == 0 or token.lines or tokens[at - 1].text in ":.;"):
            number = 1
        if is_entry and token.text == str(number):
            found.add(at)
            number += 1
    return found


def _begins_line(tokens: Sequence[Token], at: int, *, is_short: bool, goes_on: bool) -> bool:
    """`goes_on`: the line before is the label of a field alone, as "Ejection fraction:"; its value stands below it."""
    token, before = tokens[at], tokens[at - 1]
    return (
        token.lines > 1
        or before.text in _ENDS
        or label_length(tokens[at : at + LABEL_TOKENS]) > 0
        or (not goes_on and (before.text == ":" or token.text in _BULLETS or (is_short and token.is_capital)))
    )


def _ends_sentence(tokens: Sequence[Token], at: int, vocabulary: Vocabulary) -> bool:
    stop, token = tokens[at - 1], tokens[at]
    if stop.text not in _ENDS or (token.start == stop.end and not _is_glued(tokens, at)):
        return False
    if stop.text != "." or at < 2:
        return True
    word = tokens[at - 2]
    if (word.sort is Sort.NUMBER and not token.is_capital) or token.text in vocabulary.grade_words:
        return False
    return not (word.end == stop.start and word.text in vocabulary.abbreviations)


def _is_glued(tokens: Sequence[Token], at: int) -> bool:
    """ "...method of discs.Left Atrium: ...": a sentence that begins without a space before it."""
    token, word = tokens[at], tokens[max(at - 2, 0)]
    both_words = token.sort is Sort.WORD and word.sort is Sort.WORD
    is_begun = token.is_capital and not token.is_shouted and not word.is_shouted
    return both_words and is_begun and min(len(token.text), len(word.text)) > 2
