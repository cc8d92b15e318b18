"""Numbers and units as reports write them, brought to one unit of each quantity."""

import math
import re
from dataclasses import dataclass

from worker.consistency.sr.codes import Concept, folded

_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?")
_NUMBER_WITH_UNIT = re.compile(rf"({_NUMBER.pattern})\s*([^\d\s].{{0,15}})?")

_UNITS: dict[str, tuple[str, float, float]] = {
    "%": ("%", 1, 1), "percent": ("%", 1, 1), "pct": ("%", 1, 1), "[pct]": ("%", 1, 1),
    "1": ("1", 1, 1), "{ratio}": ("1", 1, 1), "no units": ("1", 1, 1), "ratio": ("1", 1, 1), "": ("1", 1, 1),
    "ml": ("ml", 1, 1), "cm3": ("ml", 1, 1), "cc": ("ml", 1, 1), "cm^3": ("ml", 1, 1),
    "mm3": ("ml", 1, 1000), "l": ("ml", 1000, 1),
    "mm[hg]": ("mm[Hg]", 1, 1), "mmhg": ("mm[Hg]", 1, 1), "mm hg": ("mm[Hg]", 1, 1), "torr": ("mm[Hg]", 1, 1),
    "kpa": ("mm[Hg]", 7.500617, 1), "pa": ("mm[Hg]", 0.007500617, 1),
    "m/s": ("m/s", 1, 1), "m/sec": ("m/s", 1, 1), "cm/s": ("m/s", 1, 100), "cm/sec": ("m/s", 1, 100),
    "mm/s": ("m/s", 1, 1000), "mm/sec": ("m/s", 1, 1000),
    "cm": ("cm", 1, 1), "mm": ("cm", 1, 10), "m": ("cm", 100, 1),
    "cm2": ("cm2", 1, 1), "mm2": ("cm2", 1, 100), "cm^2": ("cm2", 1, 1), "m2": ("cm2", 10_000, 1),
    "{h.b.}/min": ("/min", 1, 1), "/min": ("/min", 1, 1), "1/min": ("/min", 1, 1), "bpm": ("/min", 1, 1),
    "{beats}/min": ("/min", 1, 1), "{beat}/min": ("/min", 1, 1), "beats/min": ("/min", 1, 1),
    "min-1": ("/min", 1, 1), "{hb}/min": ("/min", 1, 1), "hz": ("/min", 60, 1),
}  # fmt: skip
"""Of a unit as written, in lower case: the one that we use for its quantity, and what to multiply and divide by."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """A number with its unit (UCUM)."""

    number: float
    unit: str
    note: str = ""
    """What was assumed about it."""


def number_in(text: str) -> float | None:
    """The one finite number that the text is, with a decimal point or comma; None for anything else."""
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def number_and_unit_in(text: str) -> tuple[float, str] | None:
    """A number with its unit, as "55,5 %"; None for anything else."""
    found = _NUMBER_WITH_UNIT.fullmatch(text.strip()[:40])
    if found is None or (number := number_in(found[1])) is None:
        return None
    return number, (found[5] or "").strip()


def in_our_unit(number: float, unit: Concept | str | None, wanted: str) -> Value | None:
    """The number in the unit `wanted`; None where its unit is of another quantity, or not known.

    Two habits of machines are put right and said: a percentage as a fraction, and cm/s under the name of m/s.
    """
    for name in _names(unit):
        if (known := _UNITS.get(name)) is not None:
            ours, times, by = known
            return _as_wanted(number * times / by, ours, wanted)
    return None


def converted(number: float, unit: str, wanted: str) -> float | None:
    """The number in another unit of the same quantity; None where that is of another one, or not known."""
    if unit == wanted:
        return number
    one, other = _UNITS.get(unit.lower()), _UNITS.get(wanted.lower())
    if one is None or other is None or one[0] != other[0]:
        return None
    return number * one[1] * other[2] / (one[2] * other[1])


def shown(number: float) -> str:
    """The shortest digits that are this number."""
    return f"{number:.0f}" if number == int(number) and abs(number) < 1e15 else repr(number)


def _names(unit: Concept | str | None) -> list[str]:
    """Code first, then meaning: machines put "mmHg" into either."""
    if unit is None:
        return [""]
    if isinstance(unit, str):
        return [unit.lower()]
    return [unit.value.lower(), unit.meaning.lower(), folded(unit.meaning)]


def _as_wanted(number: float, unit: str, wanted: str) -> Value | None:
    if wanted == "%" and unit in {"%", "1"}:
        if 0 < number <= 1:
            return Value(number=round(number * 100, 6), unit="%", note="a fraction was read as a percentage")
        return Value(
            number=number, unit="%", note="" if unit == "%" else "a number without unit was read as a percentage"
        )
    in_wanted = converted(number, unit, wanted)
    if in_wanted is None:
        return None
    if wanted == "m/s" and abs(number) > FASTEST_M_PER_S:
        return Value(number=number / 100, unit=unit, note="a velocity in cm/s stood under the unit m/s")
    return Value(number=in_wanted, unit=wanted)


FASTEST_M_PER_S = 12.0
"""No blood in a heart is as fast; aortic stenosis and mitral regurgitation come to 6 or 7."""
