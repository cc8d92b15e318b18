"""Reports to ids and back, as EchoCLIP-R's text tower reads them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from torch import Tensor

from worker.echoclip.template.cleaning import clean
from worker.echoclip.template.variables import PLACEHOLDER, extract, fill
from worker.echoclip.template.vocabulary import SEPARATOR, UNKNOWN, VALUES, TemplateVocabulary

PAD = 0
UNREADABLE = "?"
"""Stands, in a text made of ids, for the part of a value that the model has no id for."""


@dataclass(frozen=True)
class Phrase:
    """A phrase that was found in a report."""

    token: int
    template: str
    values: tuple[str, ...]

    @property
    def text(self) -> str:
        """The phrase as the report has it, cleaned."""
        return fill(self.template, self.values)


class TemplateTokenizer:
    """Called with texts as open_clip's tokenizers are; safe to call from several threads."""

    def __init__(self, vocabulary: TemplateVocabulary, context_length: int = 77) -> None:
        """Prepare both WordPiece tokenizers; `context_length` is the text tower's, at least 2."""
        if context_length < 2:
            raise ValueError(f"context_length is {context_length}: a row holds its first and last id at least")
        self.context_length = context_length
        self.vocabulary_size = vocabulary.end + 1
        self._vocabulary = vocabulary
        self._unfinished = vocabulary.rules.unfinished()
        # Added tokens are found leftmost and longest first; what lies between two of them is one unknown token.
        self._phrase_tokenizer = _word_piece(vocabulary.specials, vocabulary.phrases)
        self._value_tokenizer = _word_piece(vocabulary.specials, VALUES)

    def __call__(self, texts: str | Sequence[str], context_length: int | None = None) -> Tensor:
        """Tokenize texts: int64 [N, context_length], each row from begin to end, then padded with 0.

        Of a text that is too long the first ids are kept, and the end as the last of them.
        """
        length = self.context_length if context_length is None else context_length
        texts = [texts] if isinstance(texts, str) else texts
        rows = torch.full((len(texts), length), PAD, dtype=torch.int64)
        for row, text in zip(rows, texts, strict=True):
            ids = [*self._ids(text)[: length - 1], self._vocabulary.end]
            row[: len(ids)] = torch.tensor(ids)
        return rows

    def cleaned(self, text: str) -> str:
        """The text in the vocabulary's spelling, its values still in it."""
        return clean(text, self._unfinished)

    def phrases(self, text: str) -> list[Phrase]:
        """The known phrases of a text in order, with their values: all that the model reads of it."""
        return list(self._matched(text))

    def decode(self, ids: Tensor | Sequence[int]) -> str:
        """The text of one row, its values filled in: the phrases one after the other, without what was unknown.

        A value that the row was cut before shows as a placeholder.

        Raises
        ------
        ValueError
            An id is none of this vocabulary.
        """
        vocabulary, found = self._vocabulary, list[tuple[str, list[str]]]()
        for token in ids.tolist() if isinstance(ids, Tensor) else ids:
            if not 0 <= token <= vocabulary.end:
                raise ValueError(f"id {token} is not in 0..{vocabulary.end}")
            if token == vocabulary.end:
                break
            if vocabulary.first_value <= token < vocabulary.begin:
                if found:
                    found[-1][1].append(self._spelled(token))
            elif len(vocabulary.specials) <= token < vocabulary.first_value:
                found.append((vocabulary.phrases[token - len(vocabulary.specials)], []))
        return "".join(
            fill(template, tuple("".join(parts).split(SEPARATOR)) if parts else ()) for template, parts in found
        )

    def _ids(self, text: str) -> list[int]:
        ids = [self._vocabulary.begin]
        for phrase in self._matched(text):
            ids.append(phrase.token)
            if phrase.values:
                values = self._value_tokenizer.encode(SEPARATOR.join(phrase.values)).ids
                ids.extend(self._vocabulary.first_value + value for value in values)
        return ids

    def _matched(self, text: str) -> Iterator[Phrase]:
        templated, values = extract(self.cleaned(text))
        templated = self._vocabulary.rules.rewritten(templated)
        encoding, used = self._phrase_tokenizer.encode(templated), 0
        for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            first, used = used, used + templated.count(PLACEHOLDER, start, end)
            if token >= len(self._vocabulary.specials):
                template = self._vocabulary.phrases[token - len(self._vocabulary.specials)]
                yield Phrase(token, template, tuple(values[first:used]))

    def _spelled(self, token: int) -> str:
        value = token - self._vocabulary.first_value
        return UNREADABLE if value < len(self._vocabulary.specials) else self._vocabulary.values[value]


def _word_piece(specials: Sequence[str], added: Sequence[str]) -> Tokenizer:
    ids = {special: number for number, special in enumerate(specials)}
    tokenizer = Tokenizer(WordPiece(vocab=ids, unk_token=UNKNOWN))
    tokenizer.add_special_tokens(list(specials))
    tokenizer.add_tokens(list(added))
    return tokenizer
