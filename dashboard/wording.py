"""How pages write what images and registry say: names, IDs that may be pseudonyms, days and units."""

from contextlib import suppress
from datetime import datetime

from db.identities import PSEUDONYM

NOTHING = "\N{EN DASH}"
_SHORT = 8
_UNITS = {"mm[Hg]": "mmHg", "1": ""}
"""Of UCUM's codes those that nobody writes so."""


def person_name(name: str | None) -> str:
    """A PN (PS3.5 section 6.2.1) as `Family, Given (other writing)`; what is kept of a pseudonymised one."""
    if not name:
        return NOTHING
    if PSEUDONYM in name:
        return pseudonym(name)
    groups = [_group(group) for group in name.split("=") if group.strip("^ ")]
    return groups[0] + "".join(f" ({group})" for group in groups[1:]) if groups else NOTHING


def _group(group: str) -> str:
    family, *others = (part.strip() for part in group.split("^"))
    return ", ".join(part for part in (family, " ".join(other for other in others if other)) if part)


def pseudonym(value: str | None) -> str:
    """An ID as it is; of a pseudonym, which nobody can read, enough to see that two are equal."""
    if not value:
        return NOTHING
    start = value.find(PSEUDONYM)
    if start < 0:
        return value
    return f"pseudonym {value[start + len(PSEUDONYM) :][:_SHORT]}"


def day(written: str | None) -> str:
    """A DA (YYYYMMDD) as 2026-03-01; anything else as it is."""
    if not written:
        return NOTHING
    with suppress(ValueError):
        return f"{datetime.strptime(written, '%Y%m%d'):%Y-%m-%d}"  # noqa: DTZ007  a day, of no time zone
    return written


def unit_name(code: str | None) -> str:
    """A unit by its UCUM code."""
    return _UNITS.get(code or "", code or "")
