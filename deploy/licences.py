"""Under which licences the libraries are that an installation is made of: those that it needs, and what these need."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS = "echoworker"
DEVELOPMENT = ("test", "docs", "release")
"""The extras that no installation needs."""
HEAD = """\
# Licences

Generated: `echoworker licences > docs/licences.md`, in an environment with all extras. Of each library the licence that
it names itself. Versions are in the bill of materials of a release ([supply-chain.md](supply-chain.md)).
"""

ALLOWED = frozenset({
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CNRI-Python", "ISC", "LGPL-3.0-only", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "OFL-1.1", "PSF-2.0", "Zlib",
})  # fmt: skip
"""What a library may be under whose code we ship with or load. LGPL: as a library of its own, which can be replaced."""
ALLOWED_AS_A_TOOL = ALLOWED | {"GPL-3.0-only"}
"""Of a program that developers run and nobody is given."""

_NAMES = {
    "apache": "Apache-2.0", "bsd-2": "BSD-2-Clause", "bsd 2": "BSD-2-Clause", "bsd-3": "BSD-3-Clause",
    "bsd 3": "BSD-3-Clause", "new bsd": "BSD-3-Clause", "bsd": "BSD", "isc": "ISC", "gpl-3.0": "GPL-3.0-only",
    "mozilla public": "MPL-2.0", "mpl": "MPL-2.0", "python software foundation": "PSF-2.0", "psf": "PSF-2.0",
    "mit": "MIT",
}  # fmt: skip
"""Of what older metadata says in words, from the more special to the more general."""
_SAID_IN_THEIR_FILES = {
    "axe-playwright-python": "MIT",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "pypdfium2": "BSD-3-Clause OR Apache-2.0",
    "tqdm": "MPL-2.0 AND MIT",
}
"""Those whose metadata does not say it in one word; read in the distribution."""


@dataclass(frozen=True, kw_only=True)
class Licensed:
    """A library, and what it says of itself."""

    name: str
    licence: str
    """An expression of SPDX; or the text of its metadata, where that is none."""
    is_direct: bool
    """We ask for it ourselves."""
    is_shipped: bool
    """An installation has it; else developers alone."""
    version: str


def licences() -> list[Licensed]:
    """Of every library of this environment that EchoWorker asks for, with all extras, and of what these ask for."""
    extras = distribution(OURS).metadata.get_all("Provides-Extra") or []
    shipped = _closure([extra for extra in extras if extra not in DEVELOPMENT])
    everything = _closure(extras)
    direct = {name for name, _ in _asked_for(distribution(OURS), extras)}
    return [
        Licensed(
            name=found.metadata["Name"],
            licence=licence_of(name, found),
            is_direct=name in direct,
            is_shipped=name in shipped,
            version=found.version,
        )
        for name, found in sorted(everything.items())
    ]


def licence_of(name: str, found: Distribution) -> str:
    """What its metadata says: an SPDX expression (PEP 639) where there is one, else its classifiers, else its text."""
    metadata = found.metadata
    if name in _SAID_IN_THEIR_FILES:
        return _SAID_IN_THEIR_FILES[name]
    if expression := _first(found, "License-Expression"):
        return expression
    classifiers = [each for each in metadata.get_all("Classifier") or [] if each.startswith("License ::")]
    words = [each.rpartition(" :: ")[2] for each in classifiers if each.count("::") > 1]
    text = next(iter(_first(found, "License").splitlines()), "")
    named = dict.fromkeys(filter(None, map(_spdx, words)))
    return " AND ".join(named) or _spdx(text) or text or "not said"


def is_allowed(licence: str, allowed: frozenset[str] = ALLOWED) -> bool:
    """Whether one may take a library under this expression: all that AND joins, one of what OR joins."""
    return any(
        all(part.strip(" ()") in allowed for part in re.split(r"\bAND\b", choice)) for choice in licence.split(" OR ")
    )


def licences_page() -> str:
    """docs/licences.md."""
    found = licences()
    parts = [HEAD]
    for heading, chosen in (
        ("## Of an installation", [each for each in found if each.is_shipped]),
        ("## Of developers alone", [each for each in found if not each.is_shipped]),
    ):
        parts += [f"{heading}\n", "| library | licence | asked for by |", "|---|---|---|"]
        parts += [f"| {each.name} | {each.licence} | {'us' if each.is_direct else 'another'} |" for each in chosen]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _closure(extras: Sequence[str]) -> Mapping[str, Distribution]:
    """By canonical name, of what is installed; what a marker leaves out here is not."""
    found: dict[str, Distribution] = {}
    to_look_at = list(_asked_for(distribution(OURS), extras))
    seen: set[tuple[str, str]] = set()
    while to_look_at:
        name, wanted = to_look_at.pop()
        for extra in ("", *wanted):
            if (name, extra) in seen or name == OURS:
                continue
            seen.add((name, extra))
            try:
                found[name] = distribution(name)
            except PackageNotFoundError:  # an extra that nobody has installed
                continue
            to_look_at += _asked_for(found[name], [extra])
    return found


def _asked_for(of: Distribution, extras: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The names that a distribution requires here, each with the extras that it wants of it."""
    for text in of.requires or []:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name == OURS:  # one of our extras asks for another
            yield from _asked_for(of, sorted(requirement.extras)) if _applies(requirement, extras) else ()
        elif _applies(requirement, extras):
            yield name, tuple(sorted(requirement.extras))


def _applies(requirement: Requirement, extras: Sequence[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


def _first(found: Distribution, field: str) -> str:
    return str(next(iter(found.metadata.get_all(field) or []), ""))


def _spdx(words: str) -> str:
    said = words.lower()
    return next((name for word, name in _NAMES.items() if word in said), "")
