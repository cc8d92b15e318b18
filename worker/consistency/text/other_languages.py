"""Whether a text is in a language that there are no words for: its "no" and "earlier" would be read over."""

from worker.consistency.text.lexicon import BUNDLED
from worker.consistency.text.tokens import Sort, Token, tokens_of
from worker.consistency.text.vocabulary import Vocabulary

_FEWEST_WORDS = 6
"""Fewer tell nothing: "LVEF 55 %, MR 1+" is in all languages."""
_LEAST_KNOWN = 0.3
"""As they are written. Of our own sentences with so many words none has less than 0.5 (a German report of unusual words
alone 0.4); of French, Italian, Dutch, Polish and Chinese reports that were tried none had more than 0.3. Portuguese is
too near to Spanish to be told apart in this way."""
_FEWEST_LETTERS = 4


def is_in_another_language(text: str, vocabulary: Vocabulary) -> bool:
    """Whether the language that it fits best is not its own; of a language that a site has added this is not asked."""
    if not (BUNDLED / f"{vocabulary.language}.toml").exists():
        return False
    words = [token.text for token in tokens_of(text) if _is_telling(token, text)]
    known = sum(vocabulary.knows(word) for word in words)
    return len(words) >= _FEWEST_WORDS and known < _LEAST_KNOWN * len(words)


def _is_telling(token: Token, text: str) -> bool:
    """Not names of measurements ("LVIDd", "vel"), which are alike everywhere."""
    if token.sort is not Sort.WORD:
        return False
    is_word = len(token.text) >= _FEWEST_LETTERS and text[token.start + 1 : token.end].islower()
    return is_word or not token.text.isascii()
