"""What the published code repairs sentence by sentence: full stops that reports leave out, and two other spellings.

Those sentences may not be passed on, so they are not here. A pack has them in `template_rules.json`, which is made
from the operator's own copy of the published code (`published_rules`): then ids are the published code's, one by one.
Without that file they are guessed from the vocabulary (`derived_rules`).
"""

import ast
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.errors import ModelPackError
from worker.echoclip.template.variables import NUMBER, PLACEHOLDER

RULES = "template_rules.json"
CLEANING_CODE, TOKENIZER_CODE = "utils.py", "template_tokenizer.py"
"""The two files of the published code that hold the sentences."""

_MEASURED = re.compile(rf"({PLACEHOLDER}(?:MMHG|MM|CM|%))\. $")


class TemplateRules(BaseModel):
    """Sentences in the spelling of a cleaned text, with placeholders for their numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    stops: tuple[str, ...] = ()
    """Get a full stop wherever they stand without one; in this order, where two fit."""
    rewrites: tuple[tuple[str, str], ...] = Field(default=())
    """A spelling, and that of the vocabulary; applied once the values are out of the text."""

    @model_validator(mode="after")
    def _values_keep_their_places(self) -> "TemplateRules":
        if any(old.count(PLACEHOLDER) != new.count(PLACEHOLDER) for old, new in self.rewrites):
            raise ValueError("both spellings of a rewrite must have as many values")
        if not all((*self.stops, *(old for old, _ in self.rewrites))):
            raise ValueError("a sentence is empty")
        return self

    def unfinished(self) -> re.Pattern[str] | None:
        """Match the sentences that lack their full stop, in a text with its values still in it."""
        if not self.stops:
            return None
        sentences = (NUMBER.join(map(re.escape, stop.split(PLACEHOLDER))) for stop in self.stops)
        return re.compile(f"(?:{'|'.join(sentences)})(?!\\.)")

    def rewritten(self, templated: str) -> str:
        """Respell a text whose values are placeholders."""
        for old, new in self.rewrites:
            templated = templated.replace(old, new)
        return templated

    def write(self, folder: Path) -> Path:
        """Write `template_rules.json` into the folder of a pack that is being made."""
        file = folder / RULES
        file.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return file


def read_rules(folder: Path, phrases: Iterable[str]) -> TemplateRules:
    """Read a pack's rules; where it has none, guess them from its phrases.

    Raises
    ------
    ModelPackError
        The file is there, but cannot be read or is not valid.
    """
    file = folder / RULES
    try:
        return TemplateRules.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return derived_rules(phrases)
    except OSError as error:
        raise ModelPackError(f"model pack: {file} cannot be read ({error.strerror})") from error
    except ValidationError as error:
        raise ModelPackError(f"{file}: {error.errors()[0]['msg']}; import the pack again") from error


def derived_rules(phrases: Iterable[str]) -> TemplateRules:
    """Guess the rules from a vocabulary: phrases that end with a measured value and a stop may come without the stop.

    Not those that another phrase goes on from: a stop would cut that one. The published code knows other sentences
    than these, and two other spellings, which nothing in the vocabulary tells: reports whose sentences all end with
    their full stop are read alike either way, but for those two spellings.
    """
    known = tuple(phrases)
    measured = {phrase[: found.end(1)] for phrase in known if (found := _MEASURED.search(phrase))}
    alone = [stop for stop in measured if not any(_goes_on(stop, phrase) for phrase in known)]
    return TemplateRules(stops=tuple(sorted(alone, key=lambda stop: (-len(stop), stop))))


def published_rules(folder: Path) -> TemplateRules:
    """Read the rules out of a copy of the published code. The code is parsed, never run.

    Raises
    ------
    ModelPackError
        A file is missing, is no Python, or has no such list of sentences.
    """
    stops, rewrites = _literal(folder / CLEANING_CODE, "add_period"), _literal(folder / TOKENIZER_CODE, "replacements")
    try:
        return TemplateRules(stops=stops, rewrites=rewrites)
    except ValidationError as error:
        raise ModelPackError(f"{folder}: the published code's sentences: {error.errors()[0]['msg']}") from error


def _goes_on(stop: str, phrase: str) -> bool:
    return any(not phrase.startswith(".", found.end()) for found in re.finditer(re.escape(stop), phrase))


def _literal(file: Path, name: str) -> Any:
    """The first list that a file assigns to this name, if it is one of constants."""
    try:
        code = ast.parse(file.read_bytes())
    except OSError as error:
        raise ModelPackError(f"{file} cannot be read ({error.strerror})") from error
    except (SyntaxError, ValueError) as error:
        raise ModelPackError(f"{file} is not Python code") from error
    for statement in code.body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.List):
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in statement.targets):
            try:
                return tuple(ast.literal_eval(statement.value))
            except ValueError as error:
                raise ModelPackError(f"{file}: {name} is not a list of sentences") from error
    raise ModelPackError(f"{file} has no list {name}; is it the published code of EchoCLIP?")
