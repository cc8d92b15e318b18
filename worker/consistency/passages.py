"""A report cut into sentences, each with what its headings say of it: which time it is about, and of what."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from worker.consistency.lexicon import Cue
from worker.consistency.statements import When
from worker.consistency.tokens import HYPHENS, Sort, Token
from worker.consistency.vocabulary import Mark, Vocabulary

_MOST_TOKENS = 150
"""Of a sentence: a text without a full stop is cut, so that the time stays linear."""
_SHORT_LINE = 60
"""Characters: a line that is shorter was ended on purpose, a longer one may have been wrapped."""
_LABEL_TOKENS = 6
_HEADING_LETTERS = 6
"""Of a line in capitals: "DOPPLER" is a heading; "CHF" and "ICD" are entries of a list."""
_WITHIN_LABEL = frozenset("/-&")
_ENDS = frozenset(".!?")
_BULLETS = HYPHENS | frozenset("•*·#>")


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A sentence, or a row of a table, without its heading."""

    tokens: Sequence[Token]
    when: When
    topic: tuple[str, ...]
    """The structures that a heading above it, or at the beginning of its line, names."""


@dataclass(frozen=True, kw_only=True)
class _Heading:
    length: int
    """Tokens, with the colon; 0 without one."""
    is_alone: bool
    """On its line: it then holds for the lines below."""
    when: When | None = None
    topic: tuple[str, ...] = ()
    is_named: bool = False
    """It is the name of a structure or of a field, and nothing else."""
    is_shouted: bool = False
    """It is in capitals, in a text that is not."""
    is_dated: bool = False
    """Of a time, and nothing but a date stands behind it: "Comparison study: 1/2/2020"."""


@dataclass(kw_only=True)
class _Section:
    """What a heading on a line of its own holds together."""

    when: When = When.CURRENT
    is_empty: bool = True
    """Nothing was said below its heading."""
    is_of_labels: bool = False
    """What was said first is "Left ventricle: ...": so it goes on, as the findings of an earlier study do."""

    def ends_at(self, heading: _Heading, *, after_gap: bool) -> bool:
        """Whether a heading that names no time ends what is about another time than this study's.

        Not the line right below the section's own heading. Any that stands alone with a colon does; without one, where
        capitals or an empty line set it apart; and the "Left ventricle: ..." of another paragraph. Rather too early
        than never: what follows would not be compared, and nobody would know.
        """
        if self.when is When.CURRENT or heading.when is not None or (self.is_empty and not after_gap):
            return False
        if not heading.is_alone:
            return heading.is_named and after_gap and not self.is_empty and not self.is_of_labels
        if heading.length:
            return True
        return (bool(heading.topic) or not self.is_empty) if after_gap else heading.is_shouted

    def add(self, heading: _Heading | None) -> None:
        """Something was said in it."""
        if self.is_empty:
            self.is_of_labels = heading is not None and heading.is_named and not heading.is_alone
        self.is_empty = False


def passages(tokens: Sequence[Token], vocabulary: Vocabulary) -> Iterator[Passage]:
    """In order; headings and empty sentences are left out.

    A heading with text behind it holds to the end of that line, if it was not wrapped; one on a line of its own holds
    until the next: of a structure, until an empty line. One that is not known ends the history or the plan that it
    stands below (`_Section.ends_at`).
    """
    section, inline = _Section(), When.CURRENT
    topic: tuple[str, ...] = ()
    topic_below: tuple[str, ...] = ()
    is_below_date = False
    is_shouting = not any(token.sort is Sort.WORD and not token.is_shouted for token in tokens)
    for first, end, line_ended in _sentences(tokens, vocabulary):
        sentence = tokens[first:end]
        following = tokens[end] if end < len(tokens) else None
        heading = _heading(sentence, vocabulary, following, is_shouting=is_shouting)
        names_time = heading is not None and heading.when is not None
        after_gap, is_labelled = sentence[0].lines > 1, sentence[0].lines > 0 and _label_length(sentence) > 0
        if heading is not None and section.ends_at(heading, after_gap=after_gap):
            section = _Section()
        if line_ended or is_labelled or names_time:
            inline, topic = section.when, topic_below
        if after_gap or names_time:
            topic = topic_below = ()
        if after_gap or is_labelled or heading is not None:
            is_below_date = False
        if heading is not None:
            if heading.when is not None:
                inline = heading.when
                section = _Section(when=heading.when) if heading.is_alone else section
                is_below_date = heading.is_dated
                sentence = sentence[heading.length :]
            if heading.topic:
                topic = heading.topic
                topic_below = heading.topic if heading.is_alone else topic_below
        if sentence:
            is_of_date = is_below_date and _is_past(sentence, vocabulary)
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
            goes_on = before.text == ":" and _names_field(tokens[line : at - 1], vocabulary)
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
        or token.text in _BULLETS
        or _label_length(tokens[at : at + _LABEL_TOKENS]) > 0
        or (not goes_on and (before.text == ":" or (is_short and token.is_capital)))
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


def _label_length(sentence: Sequence[Token]) -> int:
    """The tokens of "Left ventricle:", with the colon; 0 where it does not begin with such a label."""
    for at, token in enumerate(sentence[:_LABEL_TOKENS]):
        if at > 0 and token.lines:
            return 0
        if token.text == ":":
            return at + 1
        if token.sort is not Sort.WORD and token.text not in _WITHIN_LABEL:
            return 0
    return 0


def _heading(
    sentence: Sequence[Token], vocabulary: Vocabulary, following: Token | None, *, is_shouting: bool
) -> _Heading | None:
    """That the sentence begins with; `is_shouting`: all of the text is in capitals."""
    length = _label_length(sentence)
    is_line = following is None or following.lines > 0
    is_alone = is_line and length in (0, len(sentence))
    words = sentence[: length - 1] if length else sentence
    if not words or len(words) >= _LABEL_TOKENS or not (length or is_alone):
        return None
    when = vocabulary.sections.get(tuple(token.text for token in words if token.sort is Sort.WORD))
    if when is not None:
        is_dated = when is When.HISTORY and is_line and not is_alone and all(map(_is_date_or_sign, sentence[length:]))
        return _Heading(length=length or len(sentence), is_alone=is_alone, when=when, is_dated=is_dated)
    marks = vocabulary.marks(words)
    topic = marks[0].structures if len(marks) == 1 and _covers(marks, words) else ()
    is_named = bool(topic) or _names_field(words, vocabulary)
    is_shouted = not is_shouting and _is_shouted(words)
    if topic or (is_named and not is_alone):
        return _Heading(length=length, is_alone=is_alone, topic=topic, is_named=is_named, is_shouted=is_shouted)
    # "Severe AS" and "no ICD", on a line of their own, are entries of a list.
    is_title = length > 0 or (
        (is_named or not any(map(_says_something, marks)))
        and (is_shouted or (following is not None and following.lines == 1))
    )
    return _Heading(length=length, is_alone=True, is_shouted=is_shouted) if is_title and _is_line(sentence) else None


def _is_shouted(words: Sequence[Token]) -> bool:
    letters = sum(len(token.text) for token in words)
    return letters >= _HEADING_LETTERS and all(token.is_shouted for token in words if token.sort is Sort.WORD)


def _is_line(sentence: Sequence[Token]) -> bool:
    """Whether it is one line that begins with a capital, and has words and a colon alone."""
    is_of_words = all(token.sort is Sort.WORD or token.text in _WITHIN_LABEL | {":"} for token in sentence)
    return is_of_words and sentence[0].is_capital and not any(token.lines for token in sentence[1:])


def _names_field(words: Sequence[Token], vocabulary: Vocabulary) -> bool:
    """Whether words are the name of a field and nothing else: "LV ejection fraction", "Mitral regurgitation"."""
    if not words or len(words) >= _LABEL_TOKENS or any(token.lines for token in words[1:]):
        return False
    marks = vocabulary.marks(words)
    is_of_field = any(mark.concepts or mark.findings or mark.attribute for mark in marks)
    return is_of_field and _covers(marks, words) and not any(mark.degree or mark.cues for mark in marks)


def _covers(marks: Sequence[Mark], words: Sequence[Token]) -> bool:
    return sum(mark.last - mark.first + 1 for mark in marks) == len(words)


def _says_something(mark: Mark) -> bool:
    return bool(mark.concepts or mark.findings or mark.attribute or mark.degree or mark.cues)


def _is_date_or_sign(token: Token) -> bool:
    return token.sort is Sort.DATE or (token.sort is Sort.SIGN and token.text in "().,")


def _is_past(sentence: Sequence[Token], vocabulary: Vocabulary) -> bool:
    """ "EF was 60 %": right below the date of an earlier study, it is of that."""
    return any(Cue.PAST_TENSE in mark.cues for mark in vocabulary.marks(sentence))
