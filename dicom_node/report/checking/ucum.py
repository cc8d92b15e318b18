"""Whether a unit is one of UCUM, The Unified Code for Units of Measure, in its case sensitive form (version 2.1)."""

import re
from functools import cache

from pydicom.sr.codedict import Collection

_PREFIXES = (
    "Y", "Z", "E", "P", "T", "G", "M", "k", "h", "da", "d", "c", "m", "u", "n", "p", "f", "a", "z", "y",
    "Ki", "Mi", "Gi", "Ti",
)  # fmt: skip
"""UCUM section 27."""
_METRIC = frozenset({
    "m", "s", "g", "rad", "K", "C", "cd", "mol", "sr", "Hz", "N", "Pa", "J", "W", "A", "V", "F", "Ohm", "S", "Wb",
    "Cel", "T", "H", "lm", "lx", "Bq", "Gy", "Sv", "l", "L", "ar", "t", "bar", "u", "eV", "pc", "[c]", "[h]", "[k]",
    "[eps_0]", "[mu_0]", "[e]", "[m_e]", "[m_p]", "[G]", "[g]", "[ly]", "gf", "Ky", "Gal", "dyn", "erg", "P", "Bi",
    "St", "Mx", "G", "Oe", "Gb", "sb", "Lmb", "ph", "Ci", "R", "RAD", "REM", "m[H2O]", "m[Hg]", "cal", "cal_[15]",
    "cal_[20]", "cal_[m]", "cal_IT", "cal_th", "tex", "Np", "B", "B[SPL]", "B[V]", "B[mV]", "B[uV]", "B[10.nV]",
    "B[W]", "B[kW]", "st", "mho", "bit", "By", "Bd", "kat", "U", "[iU]", "[IU]", "eq", "osm", "g%", "[Cal]",
})  # fmt: skip
"""Units that take a prefix (UCUM sections 28 to 46)."""
_NOT_METRIC = frozenset({
    "10*", "10^", "%", "gon", "deg", "'", "''", "min", "h", "d", "a", "a_t", "a_j", "a_g", "wk", "mo", "mo_s",
    "mo_j", "mo_g", "b", "att", "bit_s", "sph", "circ",
})  # fmt: skip
"""Units that take none. Those in square brackets, customary and arbitrary ones, are many: any is taken for one."""
_IN_BRACKETS = re.compile(r"\[[^\[\]{}\s]+\]")
_COMPONENT = re.compile(r"(?:[^./()\[\]{}\s]|\[[^\[\]{}\s]*\])+")
_ANNOTATION = re.compile(r"\{[\x21-\x7a|~ ]*\}")
_EXPONENT = re.compile(r"[+-]?\d+$")
_DEEPEST = 20


def is_ucum(unit: str) -> bool:
    """Whether a code value is a unit as UCUM writes it, or as DICOM PS3.16 does, which stretches UCUM in places."""
    if unit in _of_the_standard():
        return True
    if not unit or not unit.isascii():
        return False
    end = _term(unit, 0, _DEEPEST)
    return end == len(unit)


@cache
def _of_the_standard() -> frozenset[str]:
    return frozenset(code.value for code in Collection("UCUM").concepts.values())


def _term(unit: str, at: int, depth: int) -> int | None:
    """Where the term that begins at `at` ends; None where there is none."""
    if unit.startswith("/", at):
        at += 1
    while True:
        end = _component(unit, at, depth)
        if end is None or not unit.startswith((".", "/"), end):
            return end
        at = end + 1


def _component(unit: str, at: int, depth: int) -> int | None:
    if unit.startswith("(", at):
        end = _term(unit, at + 1, depth - 1) if depth else None
        return end + 1 if end is not None and unit.startswith(")", end) else None
    found = _COMPONENT.match(unit, at)
    if found is not None and not _is_annotatable(found.group()):
        return None
    end = at if found is None else found.end()
    annotation = _ANNOTATION.match(unit, end)
    if annotation is not None:
        return annotation.end()
    return None if found is None else end


def _is_annotatable(text: str) -> bool:
    """Whether it is a number, or a unit with or without prefix and exponent."""
    if text.isdigit() or _is_simple(text):
        return True
    return _is_simple(_EXPONENT.sub("", text))


def _is_simple(text: str) -> bool:
    if text in _METRIC or text in _NOT_METRIC or _IN_BRACKETS.fullmatch(text):
        return True
    return any(text.startswith(prefix) and text[len(prefix) :] in _METRIC for prefix in _PREFIXES)
