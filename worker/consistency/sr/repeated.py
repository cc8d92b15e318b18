"""Which of several values of one measurement counts, as when three beats were measured.

1. one that the report marks as selected (Selection Status, TID 5301 row 3);
2. the mean, where it gives one (Derivation, CID 3627); else the median; else the best value;
3. else the middle one of those that are there, the lower of two: a value that stands in the report.

Minimum and maximum count only where there is nothing else, a standard deviation never.
"""

import statistics
from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol, TypeVar

from worker.consistency.sr.codes import Concept, folded
from worker.consistency.statements import Quantity


class Derivation(IntEnum):
    """How a value was made of others; the lower counts first."""

    MEAN = 1
    MEDIAN = 2
    BEST = 3
    NONE = 4
    EXTREME = 5
    SPREAD = 6


class Repeat(Protocol):
    """What is asked of a measurement that may be one of several."""

    @property
    def quantity(self) -> Quantity | None:
        """Its value, in the unit of its field."""

    @property
    def derivation(self) -> Derivation:
        """How it was made of others."""

    @property
    def selected(self) -> bool:
        """Whether it is marked as the one to take."""


One = TypeVar("One", bound=Repeat)


_DERIVATIONS = {
    ("SCT", "373098007"): Derivation.MEAN, ("SCT", "373099004"): Derivation.MEDIAN,
    ("SCT", "371912002"): Derivation.BEST, ("SCT", "255605001"): Derivation.EXTREME,
    ("SCT", "56851009"): Derivation.EXTREME, ("SCT", "386136009"): Derivation.SPREAD,
    ("UMLS", "C0681921"): Derivation.SPREAD, ("UMLS", "C1711260"): Derivation.SPREAD,
}  # fmt: skip
"""CID 3627 Measurement Type, CID 7464 General Region of Interest Measurement Modifier."""
_BY_NAME = {
    "mean": Derivation.MEAN, "average": Derivation.MEAN, "avg": Derivation.MEAN, "median": Derivation.MEDIAN,
    "best value": Derivation.BEST, "minimum": Derivation.EXTREME, "min": Derivation.EXTREME,
    "maximum": Derivation.EXTREME, "max": Derivation.EXTREME, "standard deviation": Derivation.SPREAD,
    "std dev": Derivation.SPREAD, "sd": Derivation.SPREAD, "variance": Derivation.SPREAD,
}  # fmt: skip
_AT_REST = {"rest", "resting", "baseline", "pre stress", "pre exercise", "rest stage", "resting state"}


def derivation_of(said: Concept | None) -> Derivation:
    """What a Derivation says; "measured", "calculated" and what is not known say nothing."""
    if said is None:
        return Derivation.NONE
    known = next((_DERIVATIONS[code] for code in said.codes if code in _DERIVATIONS), None)
    return known or _BY_NAME.get(folded(said.meaning), Derivation.NONE)


def is_selected(said: Concept | None) -> bool:
    """Whether a Selection Status of any kind is there (CID 12301): it is only put on the preferred value."""
    return said is not None


def is_stressed(stage: Concept | None) -> bool:
    """Whether a stage of a stress protocol is another than rest: its values are not those of the resting clips."""
    return stage is not None and bool(stage.meaning) and folded(stage.meaning) not in _AT_REST


def chosen(repeats: Sequence[One]) -> One | None:
    """The one of them that counts; None where none has a value."""
    usable = [one for one in repeats if one.quantity is not None and one.derivation is not Derivation.SPREAD]
    if not usable:
        return None
    selected = [one for one in usable if one.selected]
    if selected:
        return selected[0]
    first = min(one.derivation for one in usable)
    foremost = [one for one in usable if one.derivation is first]
    middle = statistics.median_low([_number(one) for one in foremost])
    return next(one for one in foremost if _number(one) == middle)


def _number(one: Repeat) -> float:
    return one.quantity.low or 0.0 if one.quantity is not None else 0.0
