"""The phrases and values that EchoCLIP-R has ids for: the operator's copy of the published files."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from config.errors import ModelPackError
from worker.echoclip.template.rules import TemplateRules, read_rules
from worker.echoclip.template.variables import SEVERITIES

PHRASES, BLANK = "template_vocab.txt", "blank_wordpiece.tokenizer"
UNKNOWN = "[UNK]"
SEPARATOR = "‡"
"""Between two values of one phrase."""
VALUES = (
    *(str(number) for number in range(101)),
    SEPARATOR,
    *SEVERITIES,
    *(f".{digit}" for digit in range(10)),
    *(f"0{digit}" for digit in range(10)),
)
"""What values are spelled with, in the order of their ids, after the special tokens."""


class _WordPiece(BaseModel):
    type: Literal["WordPiece"]
    unk_token: Literal["[UNK]"]
    vocab: dict[str, int]


class _Added(BaseModel):
    content: str


class _Blank(BaseModel):
    """The part of a HuggingFace `tokenizers` file that concerns us: a WordPiece that knows special tokens only."""

    model_config = ConfigDict(frozen=True)

    added_tokens: list[_Added]
    normalizer: None
    pre_tokenizer: None
    model: _WordPiece


@dataclass(frozen=True)
class TemplateVocabulary:
    """What a template tokenizer is made of. Ids: special tokens, phrases; then special tokens and values again."""

    specials: tuple[str, ...]
    """Special tokens in the order of their ids; the first is the unknown token, and pads."""
    phrases: tuple[str, ...]
    """Templates, each with its blank at the end, in the order of their ids."""
    rules: TemplateRules

    @classmethod
    def read(cls, folder: Path) -> "TemplateVocabulary":
        """Read `template_vocab.txt`, `blank_wordpiece.tokenizer` and, if it is there, `template_rules.json`.

        Raises
        ------
        ModelPackError
            A file is missing, or is not what EchoCLIP-R's code would read.
        """
        specials = _specials(folder / BLANK)
        lines = _text(folder / PHRASES).split("\n")
        phrases = tuple(dict.fromkeys(line for line in lines if line and line not in specials))
        if not phrases:
            raise ModelPackError(f"{folder / PHRASES} has no phrase; import the pack again")
        return cls(specials, phrases, read_rules(folder, phrases))

    @cached_property
    def first_value(self) -> int:
        """The id from which on ids are those of values."""
        return len(self.specials) + len(self.phrases)

    @cached_property
    def values(self) -> tuple[str, ...]:
        """What the ids from `first_value` on stand for."""
        return (*self.specials, *VALUES)

    @cached_property
    def begin(self) -> int:
        """The id that every row begins with."""
        return self.first_value + len(self.values)

    @cached_property
    def end(self) -> int:
        """The highest id: it ends a row, and tells the text tower where to read the embedding off."""
        return self.begin + 1


def _specials(file: Path) -> tuple[str, ...]:
    try:
        blank = _Blank.model_validate_json(_text(file))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise ModelPackError(f"{file}: {where + ': ' if where else ''}{fault['msg']}; import the pack again") from error
    ids = blank.model.vocab
    if sorted(ids.values()) != [*range(len(ids))] or ids.get(UNKNOWN) != 0:
        raise ModelPackError(f"{file}: the ids must be 0, 1, 2 and so on, the first of them {UNKNOWN}")
    if {added.content for added in blank.added_tokens} != set(ids):
        raise ModelPackError(f"{file}: must hold special tokens and nothing else")
    return tuple(sorted(ids, key=ids.__getitem__))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ModelPackError(f"model pack: {file} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ModelPackError(f"model pack: {file} is not a UTF-8 text; import the pack again") from error
