"""What is wrong with a catalogue file, in words: the file, the entry, the field, and what to write instead."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.coded_concepts import Entry

_KINDS = ("regression", "binary", "class")
_WANTED = {"tuple_type": "a list", "model_type": "a table", "model_attributes_type": "a table", "string_type": "a text"}
_TOML = {dict: "a table", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}


def mistakes_of(error: ValidationError, entries: Mapping[str, Any]) -> list[str]:
    """Each mistake with the entry and the field that it is in; `entries` are what was validated."""
    located = ((_where(fault, entries), _said(fault)) for fault in error.errors() if not _follows_from_another(fault))
    return [f"{where}: {said}" if where else said for where, said in located]


def _where(fault: ErrorDetails, entries: Mapping[str, Any]) -> str:
    """As "task 'mr', classes 'mild', concept.meaning", where pydantic has ("task", 4, "class", "classes", 1, ...).

    Empty for what concerns several entries: the message names them.
    """
    path: list[str] = []
    at: Any = entries
    for step in fault["loc"]:
        if isinstance(step, int):
            at = at[step] if isinstance(at, list) and step < len(at) else None
            named = at.get("id") if isinstance(at, dict) else None
            path[-1] += f" {named!r}" if named is not None else f" {step + 1}"
            continue
        if step == "[key]":
            continue  # not the value of a table, but its key, which stands before
        if isinstance(at, dict) and step in _KINDS and step not in at:
            continue  # which kind of task it took the entry for
        at = at.get(step) if isinstance(at, dict) else None
        path.append(step)
    return ", ".join(_joined(path))


def _joined(path: Sequence[str]) -> Iterator[str]:
    """Fields of a table within an entry, as TOML writes them: concept.meaning."""
    waiting: list[str] = []
    for step in path:
        waiting.append(step)
        if " " in step:
            yield ".".join(waiting)
            waiting.clear()
    if waiting:
        yield ".".join(waiting)


def _follows_from_another(fault: ErrorDetails) -> bool:
    """A list of wrong members counts as one that has none."""
    return fault["type"] == "too_short" and len(fault["input"]) >= fault["ctx"]["min_length"]


def _said(fault: ErrorDetails) -> str:
    given, limits = fault["input"], fault.get("ctx", {})
    if fault["type"] in _WANTED:
        return _of_another_kind(fault)
    match fault["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return f"unknown key{_meant(str(fault['loc'][-1]))}"
        case "union_tag_not_found":
            return f"kind is missing: one of {', '.join(_KINDS)}"
        case "union_tag_invalid":
            return f"kind must be one of {', '.join(_KINDS)}, not {limits.get('tag')!r}"
        case "string_too_long":
            return f"has {len(given)} characters, and may have {limits['max_length']}: {given!r}"
        case "string_too_short":
            return "is empty"
        case "too_short":
            return f"has {len(given)}, and needs at least {limits['min_length']}"
        case "string_pattern_mismatch":
            return f"{given!r} must begin with a letter, and have none but small letters, digits and underscores"
        case "value_error":
            return str(limits["error"])
    return fault["msg"][:1].lower() + fault["msg"][1:]


def _of_another_kind(fault: ErrorDetails) -> str:
    """In TOML's words: its lists are tuples here, and its tables are models."""
    wanted, given = _WANTED[fault["type"]], _TOML.get(type(fault["input"]), "a date or a time")
    if len(fault["loc"]) == 1 and wanted == "a list":
        return f"is {given}: begin each entry with [[{fault['loc'][0]}]]"
    return f"must be {wanted}, not {given}"


def _meant(key: str) -> str:
    known = {name for entry in _kinds_of_entry(Entry) for name in entry.model_fields}
    if key in known:
        return ": this kind of entry has none"
    close = get_close_matches(key, known, n=1)
    return f": did you mean {close[0]}?" if close else ""


def _kinds_of_entry(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for entry in kind.__subclasses__():
        if not entry.__module__.startswith("config."):  # others may build on it
            continue
        yield entry
        yield from _kinds_of_entry(entry)
