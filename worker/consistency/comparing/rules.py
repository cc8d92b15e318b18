"""When a report and the images do not agree: rules as data, from a file that a hospital may replace by its own."""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from config.coded_concepts import Entry
from config.errors import ConfigurationError
from worker.consistency.comparing.rule_kinds import (
    AnotherPatientRule,
    Apart,
    ChangeRule,
    DeviceRule,
    FieldId,
    GradeRule,
    KnownError,
    KnownQuality,
    Meaning,
    NumberRule,
    ReportsRule,
    WordRule,
)

BUNDLED_RULES = Path(__file__).with_name("rules.toml")


class Rules(Entry):
    """All of them, with the version that every discordance names."""

    version: str = Field(min_length=1, max_length=32)
    errors: tuple[KnownError, ...] = ()
    qualities: tuple[KnownQuality, ...] = ()
    numbers: tuple[NumberRule, ...] = ()
    reports: tuple[ReportsRule, ...] = ()
    meanings: tuple[Meaning, ...] = ()
    words: tuple[WordRule, ...] = ()
    grades: tuple[GradeRule, ...] = ()
    devices: tuple[DeviceRule, ...] = ()
    changes: tuple[ChangeRule, ...] = ()
    another_patient: AnotherPatientRule | None = None
    kin: tuple[tuple[FieldId, ...], ...] = ()
    """Findings that take each other's place: a text that names one of them has not left the others out, nor made them
    up, whichever it is in the images."""

    @model_validator(mode="after")
    def _ids_are_distinct(self) -> Self:
        ids = [rule.id for rule in self._with_ids()]
        if repeated := sorted({used for used in ids if ids.count(used) > 1}):
            raise ValueError(f"rule id used more than once: {', '.join(repeated)}")
        return self

    @model_validator(mode="after")
    def _words_have_a_meaning(self) -> Self:
        if without := sorted({rule.words for rule in self.words} - {meaning.words for meaning in self.meanings}):
            raise ValueError(f"words without an entry of meanings: {', '.join(without)}")
        return self

    def meaning_of(self, words: str) -> Meaning:
        """What the grades of a field, which a rule names, stand for."""
        return next(meaning for meaning in self.meanings if meaning.words == words)

    def error_of(self, family: str, field: str) -> float | None:
        """How far a model of this family is known to be off; None: nothing is known."""
        known = (error for error in self.errors if (error.family, error.field) == (family, field))
        return next((error.mean_absolute_error for error in known), None)

    def grades_well(self, rule: GradeRule, *, family: str, field: str) -> bool:
        """Whether grades of this family are good enough for a rule, or nothing is known of them."""
        quality = self._quality(family, field)
        return quality is None or quality.within_one is None or quality.within_one >= rule.within_one

    def tells_absence(self, rule: DeviceRule, *, family: str, field: str) -> bool:
        """Whether this family seldom sees what is not there, as a rule asks, or nothing is known of that."""
        quality = self._quality(family, field)
        return quality is None or quality.specificity is None or quality.specificity >= rule.specificity

    def _quality(self, family: str, field: str) -> KnownQuality | None:
        return next((known for known in self.qualities if (known.family, known.field) == (family, field)), None)

    def kin_of(self, field: str) -> frozenset[str]:
        """The other findings that may stand for this one."""
        return frozenset(other for group in self.kin if field in group for other in group) - {field}

    def _with_ids(self) -> Iterator[Apart | GradeRule | DeviceRule | AnotherPatientRule]:
        groups: Iterable[Iterable[Apart | GradeRule | DeviceRule]] = (
            self.numbers, self.reports, self.words, self.changes, self.grades, self.devices,
        )  # fmt: skip
        for group in groups:
            yield from group
        if self.another_patient is not None:
            yield self.another_patient


def load_rules(path: Path = BUNDLED_RULES) -> Rules:
    """Read and validate a file of rules.

    Raises
    ------
    ConfigurationError
        It is missing, is not TOML, or an entry is wrong; the message names the file and the entry.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"consistency rules {path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"consistency rules {path}: not valid TOML: {error}") from error
    try:
        return Rules.model_validate(entries)
    except ValidationError as error:
        raise ConfigurationError(f"consistency rules {path}: {_first_fault(error, entries)}") from error


def _first_fault(error: ValidationError, entries: dict[str, object]) -> str:
    fault = error.errors()[0]
    where = list(fault["loc"])
    group = entries.get(str(where[0])) if where else None
    if len(where) > 1 and isinstance(where[1], int) and isinstance(group, list) and isinstance(group[where[1]], dict):
        where[1] = str(group[where[1]].get("id", f"number {where[1] + 1}"))
    said = fault["msg"].removeprefix("Value error, ")
    return f"{'.'.join(map(str, where)) + ': ' if where else ''}{said}"
