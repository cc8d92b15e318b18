"""The headings of a report: what time they are of, what structure, and where what one says ends."""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.consistency.statements import When
from worker.consistency.text.lexicon import Cue
from worker.consistency.text.tokens import COLUMN, Sort, Token
from worker.consistency.text.vocabulary import Mark, Vocabulary

LABEL_TOKENS = 6
"""The most that a label has, with its colon."""
_HEADING_LETTERS = 6
"""Of a line in capitals: "DOPPLER" is a heading; "CHF" and "ICD" are entries of a list."""
_DENIALS = {Cue.NEGATION_BEFORE, Cue.NEGATION_AFTER, Cue.UNANSWERED}
_OF_NOTHING = _DENIALS | {Cue.STUDY, Cue.PAST, Cue.PAST_STUDY, Cue.COMPARED, Cue.FOUND}
_WITHIN_LABEL = frozenset("/-&")
_BEHIND_LABEL = frozenset(":|") | {COLUMN}


@dataclass(frozen=True, kw_only=True)
class Heading:
    """What a sentence or a line begins with, where that is a heading."""

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
    """Of a time, and behind it stands a date, and nothing that was found: "Comparison study: 1/2/2020"."""


@dataclass(kw_only=True)
class Section:
    """What a heading on a line of its own holds together."""

    when: When = When.CURRENT
    is_empty: bool = True
    """Nothing was said below its heading."""
    is_of_labels: bool = False
    """What was said first is "Left ventricle: ...": so it goes on, as the findings of an earlier study do."""

    def ends_at(self, heading: Heading, *, after_gap: bool) -> bool:
        """Whether a heading that names no time ends what is about another time than this study's.

        Not the line right below the section's own heading. Any that stands alone with a colon does; without one, where
        capitals or an empty line set it apart; and so does "Left ventricle: ...". Rather too early than never: what
        follows would not be compared, and nobody would know.
        """
        if self.when is When.CURRENT or heading.when is not None or (self.is_empty and not after_gap):
            return False
        if not heading.is_alone:
            is_set_apart = heading.is_named and (after_gap or heading.is_shouted)
            return is_set_apart and not self.is_empty and not self.is_of_labels
        if heading.length:
            return True
        return (bool(heading.topic) or not self.is_empty) if after_gap else heading.is_shouted

    def add(self, heading: Heading | None) -> None:
        """Something was said in it."""
        if self.is_empty:
            self.is_of_labels = heading is not None and heading.is_named and not heading.is_alone
        self.is_empty = False


def label_length(sentence: Sequence[Token]) -> int:
    """The tokens of "Left ventricle:", "RV |", with the sign; 0 where it does not begin with such a label."""
    for at, token in enumerate(sentence[:LABEL_TOKENS]):
        if at > 0 and token.lines:
            return 0
        if at > 0 and token.text in _BEHIND_LABEL:
            return at + 1
        if token.sort is not Sort.WORD and token.text not in _WITHIN_LABEL:
            return 0
    return 0


def heading_of(
    sentence: Sequence[Token], vocabulary: Vocabulary, following: Token | None, *, is_shouting: bool
) -> Heading | None:
    """That the sentence begins with; `is_shouting`: all of the text is in capitals."""
    length = label_length(sentence)
    is_line = following is None or following.lines > 0
    is_alone = is_line and length in (0, len(sentence))
    words = sentence[: length - 1] if length else sentence
    if not words or len(words) >= LABEL_TOKENS or not (length or is_alone):
        return None
    when = vocabulary.sections.get(tuple(token.text for token in words if token.sort is Sort.WORD))
    if when is not None:
        is_dated = when is When.HISTORY and is_line and _is_dated(sentence[length:], vocabulary)
        return Heading(length=length or len(sentence), is_alone=is_alone, when=when, is_dated=is_dated)
    marks = vocabulary.marks(words)
    topic = marks[0].structures if len(marks) == 1 and _covers(marks, words) else ()
    is_named = bool(topic) or names_field(words, vocabulary)
    is_shouted = not is_shouting and _is_shouted(words)
    if topic or (is_named and not is_alone):
        return Heading(length=length, is_alone=is_alone, topic=topic, is_named=is_named, is_shouted=is_shouted)
    # "Severe AS" and "no ICD", on a line of their own, are entries of a list.
    is_title = length > 0 or (
        (is_named or not any(map(_says_something, marks)))
        and (is_shouted or (following is not None and following.lines == 1))
    )
    return Heading(length=length, is_alone=True, is_shouted=is_shouted) if is_title and _is_line(sentence) else None


def _is_shouted(words: Sequence[Token]) -> bool:
    letters = sum(len(token.text) for token in words)
    return letters >= _HEADING_LETTERS and all(token.is_shouted for token in words if token.sort is Sort.WORD)


def _is_line(sentence: Sequence[Token]) -> bool:
    """Whether it is one line that begins with a capital, and has words and a colon alone."""
    is_of_words = all(token.sort is Sort.WORD or token.text in _WITHIN_LABEL | {":"} for token in sentence)
    return is_of_words and sentence[0].is_capital and not any(token.lines for token in sentence[1:])


def names_field(words: Sequence[Token], vocabulary: Vocabulary) -> bool:
    """Whether words are the name of a field and nothing else: "LV ejection fraction", "Mitral regurgitation"."""
    if not words or len(words) >= LABEL_TOKENS or any(token.lines for token in words[1:]):
        return False
    marks = vocabulary.marks(words)
    return (
        any(map(_names_something, marks))
        and _covers(marks, words)
        and not any(mark.degree or mark.cues for mark in marks)
    )


def _covers(marks: Sequence[Mark], words: Sequence[Token]) -> bool:
    return sum(mark.last - mark.first + 1 for mark in marks) == len(words)


def _names_something(mark: Mark) -> bool:
    return bool(mark.concepts or mark.findings or mark.attribute)


def _says_something(mark: Mark) -> bool:
    """ "Doppler study" says nothing: that there was a study goes without saying."""
    return _names_something(mark) or bool(mark.degree or set(mark.cues) - {Cue.STUDY})


def _is_dated(words: Sequence[Token], vocabulary: Vocabulary) -> bool:
    """ "TTE of 1/2/2020", without anything that was found then."""
    has_date = any(token.sort is Sort.DATE for token in words)
    return has_date and not any(map(_names_something, vocabulary.marks(words)))


def is_past(sentence: Sequence[Token], vocabulary: Vocabulary) -> bool:
    """ "EF was 60 %": right below the date of an earlier study, it is of that."""
    return any(Cue.PAST_TENSE in mark.cues for mark in vocabulary.marks(sentence))


def says_there_is_none(sentence: Sequence[Token], vocabulary: Vocabulary) -> bool:
    """The "none" of "Comparison: none", the "no prior study available" of it: nothing of another time follows."""
    marks = vocabulary.marks(sentence)
    known = {at for mark in marks if mark.cues and mark.cues <= _OF_NOTHING for at in range(mark.first, mark.last + 1)}
    is_denied = any(mark.cues & _DENIALS for mark in marks)
    return is_denied and all(
        at in known or token.sort is Sort.SIGN or token.text in vocabulary.common for at, token in enumerate(sentence)
    )
