"""A lexicon made ready for reading: which of its phrases stand where in a sentence."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from worker.consistency.text.fields import Degree
from worker.consistency.text.lexicon import Cue, Join, Lexicon, RangeWord, phrase_of
from worker.consistency.text.tokens import HYPHENS, Sort, Token, folded, tokens_of

LEAST_LETTERS = 6
"""Of a word that may be mistyped."""
_WITHIN = HYPHENS | frozenset("/.'\u2019_")
"""Signs that may stand between the words of a phrase."""
_END = ""
_ANY_NUMBER = "0"
"""Stands for every number in a phrase: "0 months ago"."""
_MOST_UNIT_TOKENS = 4
_ENGLISH = "en"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A phrase of the lexicon in a sentence; more than one of the rest is set where a phrase has two uses."""

    first: int
    last: int
    """Tokens, both included."""
    concepts: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    structures: tuple[str, ...] = ()
    attribute: str | None = None
    is_other: bool = False
    degree: Degree | None = None
    is_grade_word: bool = False
    cues: frozenset[Cue] = frozenset()
    join: Join | None = None
    range_words: frozenset[RangeWord] = frozenset()


class Vocabulary:
    """One language's phrases, to be found in tokens: the longest that begins at each, in any spelling."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.language = lexicon.language
        self.grade_signs = lexicon.grade_signs
        self.common = frozenset(word for phrase in lexicon.common for word in phrase_of(phrase))
        self.abbreviations = frozenset(word for phrase in lexicon.abbreviations for word in phrase_of(phrase))
        self.units = {folded(spelt).replace(" ", ""): unit for unit, all_ in lexicon.units.items() for spelt in all_}
        joins = [*lexicon.joins.get(Join.AND, ()), *lexicon.joins.get(Join.OR, ())]
        self.listing = frozenset(word for phrase in joins for word in phrase_of(phrase))
        """The words between the parts of a list: "right atrium and ventricle" are two."""
        self.sections = {phrase_of(spelt): when for when, all_ in lexicon.sections.items() for spelt in all_}
        self.grade_words = frozenset(word for phrase in lexicon.grade_words for word in phrase_of(phrase))
        compounds = (folded(word) for word in lexicon.compounds)
        self._compounds = tuple(sorted(compounds, key=lambda word: (-len(word), word)))
        self._titles = frozenset(word for phrase in lexicon.titles for word in phrase_of(phrase))
        self.months = {folded(name): int(number) for number, names in lexicon.months.items() for name in names}
        self._beginnings: dict[str, Any] = {}
        for phrase, meaning in _meanings(lexicon):
            self._add(phrase_of(phrase), meaning)
        named = [*lexicon.terms.values(), *lexicon.structures.values()]
        self._ambiguous = self.common & {folded(phrase) for phrases in named for phrase in phrases}
        self._words = _words_of(self._beginnings)
        self._known = self._words | self.common | set(map(folded, lexicon.not_typing_errors)) | set(self.units)
        self._longest_word = max(map(len, self._words), default=0)
        self._shortened: dict[str, list[str]] = {}
        for word in sorted(self._words):
            if len(word) >= LEAST_LETTERS:
                for short in _one_letter_less(word):
                    self._shortened.setdefault(short, []).append(word)
        self.word = lru_cache(maxsize=16_384)(self._word)
        """The word of the lexicon that a token's text is, or is a typing error of; else itself."""

    def marks(self, tokens: Sequence[Token]) -> list[Mark]:
        """Which do not overlap, in order."""
        found, at = [], 0
        is_shouting = sum(token.sort is Sort.WORD for token in tokens) > 3 and not any(
            token.sort is Sort.WORD and not token.is_shouted for token in tokens
        )
        while at < len(tokens):
            mark = self._longest(tokens, at, is_shouting=is_shouting)
            if mark is not None:
                found.append(mark)
            at = at + 1 if mark is None else mark.last + 1
        return found

    def unit_at(self, tokens: Sequence[Token], at: int) -> tuple[str, int] | None:
        """The UCUM unit that is written from there on, and the token after it."""
        for end in range(min(len(tokens), at + _MOST_UNIT_TOKENS), at, -1):
            unit = self.units.get("".join(token.text for token in tokens[at:end]))
            if unit is not None:
                return unit, end
        return None

    def knows(self, word: str) -> bool:
        """Whether it is a word of this language's file."""
        return word in self._words or word in self.common

    def _add(self, phrase: tuple[str, ...], meaning: dict[str, Any]) -> None:
        # Also written together: "leftventricle", "ICDSonde".
        joined = "".join(phrase)
        for spelt in (phrase, (joined,)) if len(phrase) > 1 and len(joined) >= LEAST_LETTERS + 3 else (phrase,):
            node = self._beginnings
            for word in spelt:
                node = node.setdefault(word, {})
            _merge(node.setdefault(_END, {}), meaning)

    def _longest(self, tokens: Sequence[Token], first: int, *, is_shouting: bool) -> Mark | None:
        node, at, best = self._beginnings, first, None
        while at < len(tokens):
            token = tokens[at]
            if token.sort is Sort.SIGN and token.text in _WITHIN and at > first:
                at += 1
                continue
            node = self._step(node, token)
            if not node:
                break
            if _END in node and (at > first or self._is_meant(token, is_shouting=is_shouting)):
                best = Mark(first=first, last=at, **node[_END])
            at += 1
        return best

    def _step(self, node: dict[str, Any], token: Token) -> dict[str, Any]:
        if token.sort is Sort.WORD:
            following: dict[str, Any] = node.get(self.word(token.text), {})
        elif token.sort is Sort.NUMBER and token.text not in node:
            following = node.get(_ANY_NUMBER, {})
        else:
            following = node.get(token.text, {})
        return following

    def _is_meant(self, token: Token, *, is_shouting: bool) -> bool:
        """Whether "AS" is the stenosis: in capitals, in a sentence that is not in capitals throughout; and "Mr" no
        form of address."""
        if token.text in self._titles and token.is_capital and not token.is_shouted:
            return False
        return token.text not in self._ambiguous or (token.is_shouted and not is_shouting)

    def _word(self, text: str) -> str:
        if len(text) < LEAST_LETTERS - 1 or text in self._known or not text.isalpha():
            return text
        end = next((word for word in self._compounds if text.endswith(word)), None)
        if end is not None:
            return end
        if len(text) > self._longest_word + 1:
            return text
        near = {word for short in (text, *_one_letter_less(text)) for word in self._shortened.get(short, ())}
        return min((word for word in near if word[0] == text[0] and _is_one_slip(text, word)), default=text)


def _meanings(lexicon: Lexicon) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every phrase, with the fields of `Mark` that it sets."""
    tables: tuple[tuple[Iterable[tuple[Any, Sequence[str]]], Any], ...] = (
        (lexicon.terms.items(), lambda name: {"concepts": (name,)}),
        (lexicon.findings.items(), lambda name: {"findings": (name,)}),
        (lexicon.structures.items(), lambda names: {"structures": tuple(names.split())}),
        (lexicon.attributes.items(), lambda name: {"attribute": name}),
        (lexicon.grades.items(), lambda degree: {"degree": degree}),
        (lexicon.cues.items(), lambda cue: {"cues": frozenset({cue})}),
        (lexicon.joins.items(), lambda join: {"join": join}),
        (lexicon.ranges.items(), lambda word: {"range_words": frozenset({word})}),
        ([(None, lexicon.other)], lambda _: {"is_other": True}),
        ([(None, lexicon.grade_words)], lambda _: {"is_grade_word": True}),
    )
    for entries, meaning in tables:
        for name, phrases in entries:
            for phrase in phrases:
                yield phrase, meaning(name)


def _merge(known: dict[str, Any], meaning: dict[str, Any]) -> None:
    for key, value in meaning.items():
        if key in known and isinstance(value, frozenset):
            known[key] = known[key] | value
        elif key in known and key == "concepts":
            known[key] = tuple(dict.fromkeys((*known[key], *value)))
        else:
            known[key] = value


def _words_of(node: dict[str, Any]) -> set[str]:
    words: set[str] = set()
    waiting = [node]
    while waiting:
        for word, below in waiting.pop().items():
            if word != _END:
                words.add(word)
                waiting.append(below)
    return words


def _one_letter_less(word: str) -> Iterator[str]:
    return (word[:at] + word[at + 1 :] for at in range(len(word)))


def _is_one_slip(one: str, other: str) -> bool:
    """One letter more, less or another, or two beside each other exchanged."""
    first = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    rest, own = one[first:], other[first:]
    return (
        rest[1:] == own[1:]
        or rest[1:] == own
        or rest == own[1:]
        or (rest[:2] == own[1::-1] and rest[2:] == own[2:] and len(rest) > 1)
    )


def most_likely(text: str, vocabularies: Sequence[Vocabulary], preferred: str = _ENGLISH) -> Vocabulary:
    """The one whose words the text has most of; of equals the one in the preferred language, else the English one.

    A few abbreviations are the same in all of them, and not all mean the same: MI is a leak in German, in English none.
    Single letters tell nothing: the I of a grade is no English word.
    """
    words = [token.text for token in tokens_of(text) if token.sort is Sort.WORD and len(token.text) > 1]

    def fit(each: Vocabulary) -> tuple[int, bool, bool]:
        return sum(each.knows(word) for word in words), each.language == preferred, each.language == _ENGLISH

    return max(vocabularies, key=fit)
