"""What a report says, in one language: the sentences of its file, with numbers written as that language writes them."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, ClassTask
from config.languages import Language
from config.reasons import Filling, Named, Reason, ReasonKind

_ABOUT = ("language", "between")
"""The tables of a language's file that hold no sentences."""


class _Number(float):
    """A number that is written with the decimal sign of its language."""

    decimal: str

    def __new__(cls, value: float, decimal: str) -> "_Number":
        number = super().__new__(cls, value)
        number.decimal = decimal
        return number

    def __format__(self, spec: str) -> str:
        return super().__format__(spec).replace(".", self.decimal)


@dataclass(frozen=True, kw_only=True)
class Words:
    """A language with all its sentences, by table and key of its file: `summary.answers`."""

    language: Language
    code: str
    """RFC 5646, with the country, as TID 1204 has it."""
    name: str
    """Of language and country, in English."""
    decimal: str
    between: Mapping[str, str]
    """What stands between values, clauses and sentences."""
    texts: Mapping[str, str]
    catalogue: Catalogue | None = None
    """What knows the names of views, and of tasks and outcomes that reasons name; without, these are in English."""

    def say(self, key: str, **filled: object) -> str:
        """A sentence, filled in; numbers that the sentence rounds are given as float.

        Raises
        ------
        KeyError
            There is no such sentence, or something that it needs is not given.
        """
        return self.texts[key].format_map(
            {name: _Number(what, self.decimal) if isinstance(what, float) else what for name, what in filled.items()}
        )

    def number(self, value: float, spec: str) -> str:
        """A number alone, as `spec` of Python's format has it."""
        return format(_Number(value, self.decimal), spec)

    def values(self, several: Iterable[str]) -> str:
        """An enumeration."""
        return self.between["values"].join(several)

    def clauses(self, several: Iterable[str]) -> str:
        """Parts of one sentence."""
        return self.between["clauses"].join(several)

    def sentences(self, *several: str) -> str:
        """One behind the other; empty ones are left out."""
        return self.between["sentences"].join(said for said in several if said)

    def task(self, task: AnyTask) -> str:
        """What a task is called, as it stands at the beginning of a line."""
        return task.names.get(self.language, task.name)

    def outcome(self, class_id: str, task: ClassTask) -> str:
        """A class as it stands within a sentence; its id where the task does not have it."""
        outcome = task.outcome(class_id)
        if outcome is None:
            return class_id
        return outcome.names.get(self.language, outcome.name[:1].lower() + outcome.name[1:])

    def view(self, view_id: str, english: str) -> str:
        """A view as it stands within a sentence; as it was called in English where the catalogue does not name it."""
        view = self.catalogue.view(view_id) if self.catalogue else None
        return english if view is None else view.names.get(self.language, english)

    def reason(self, reason: str | None) -> str:
        """Why something has no answer; one that is a text alone is quoted, and said to be English."""
        if reason is None or self.language is Language.ENGLISH:
            return reason or ""
        if not isinstance(reason, Reason):
            return self.say("untranslated.reason", text=reason)
        filled = {name: self._filled(what) for name, what in reason.filled.items()}
        return self.say(f"reason.{reason.kind.name}", **filled)

    def _filled(self, what: Filling) -> str | int | float:
        if isinstance(what, Reason):
            return self.reason(what)
        if isinstance(what, Named):
            return self._named(what)
        if isinstance(what, tuple):
            if not any(isinstance(one, Reason) for one in what):
                return self.values(str(self._filled(one)) for one in what)
            # Of a text among reasons nobody knows the parts.
            return self.clauses(self.reason(one) if isinstance(one, str) else self._named(one) for one in what)
        return what

    def _named(self, thing: Named) -> str:
        if thing.of == "view":
            return self.view(thing.id, thing.name)
        if thing.of in ("task", "outcome"):
            task = self.catalogue.task(thing.within or thing.id) if self.catalogue else None
            if thing.of == "task":
                return thing.name if task is None else task.names.get(self.language, thing.name)
            return self.outcome(thing.id, task) if isinstance(task, ClassTask) else thing.name
        return self.texts.get(f"{thing.of}.{thing.id}", thing.name)


def words_of(language: Language, catalogue: Catalogue | None = None) -> Words:
    """All that a report says in this language, with the names of this catalogue."""
    return replace(_read(language), catalogue=catalogue)


@cache
def _read(language: Language) -> Words:
    file = resources.files("dicom_node.report.languages").joinpath(f"{language}.toml")
    tables = tomllib.loads(file.read_text(encoding="utf-8"))
    texts = {f"{table}.{key}": text for table, of in tables.items() if table not in _ABOUT for key, text in of.items()}
    if language is Language.ENGLISH:
        texts |= {f"reason.{kind.name}": kind.value for kind in ReasonKind}
    return Words(language=language, between=tables["between"], texts=texts, **tables["language"])


ENGLISH = words_of(Language.ENGLISH)


def capital(text: str) -> str:
    """At the beginning of a sentence."""
    return text[:1].upper() + text[1:]
