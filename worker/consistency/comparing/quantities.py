"""How far apart numbers are, of which any may be a range; and how sure it is that they are."""

import math
from dataclasses import replace

from worker.consistency.sr.numbers import converted
from worker.consistency.statements import Quantity

DEVIATION_OF_ERROR = math.sqrt(math.pi / 2)
"""The standard deviation of normally distributed errors, against their mean absolute size."""


def in_unit(quantity: Quantity, unit: str) -> Quantity | None:
    """The same in another unit; None where that is of another quantity."""
    if quantity.unit == unit:
        return quantity
    low, high = (None if end is None else converted(end, quantity.unit, unit) for end in (quantity.low, quantity.high))
    if low is None and high is None:
        return None
    return replace(quantity, low=low, high=high, unit=unit)


def nearer_end(quantity: Quantity, value: float) -> float:
    """Of a range, the number in it that is nearest to the value."""
    low = -math.inf if quantity.low is None else quantity.low
    high = math.inf if quantity.high is None else quantity.high
    return min(max(value, low), high)


def apart(quantity: Quantity, value: float) -> float:
    """From a range to a value; 0 within it."""
    return abs(nearer_end(quantity, value) - value)


def gap(one: Quantity, other: Quantity) -> float:
    """Between two ranges of the same unit; 0 where they meet."""
    lows = [-math.inf if q.low is None else q.low for q in (one, other)]
    highs = [math.inf if q.high is None else q.high for q in (one, other)]
    return max(0.0, max(lows) - min(highs))


def sureness(beyond: float, error: float) -> float:
    """How likely the truth is beyond a bound that an estimate, of this mean absolute error, is so far beyond."""
    return 0.5 * (1 + math.erf(beyond / (DEVIATION_OF_ERROR * error) / math.sqrt(2)))
