"""A measurement over the patient's studies, as a drawing that needs no script: the shapes of an SVG."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime

from db.reading.priors import EarlierValue

WIDTH, HEIGHT = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 28, 18, 34
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_MOST_LINES = 5
_NARROW = 62
"""Units of the drawing between two dates that can be read beside each other."""


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One study."""

    x: float
    y: float
    day: str
    value: float
    study_instance_uid: str
    is_this: bool
    has_label: bool
    """Whether there is room for its date."""


@dataclass(frozen=True, kw_only=True)
class GridLine:
    """A level of the axis."""

    y: float
    said: str


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The drawing, `WIDTH` by `HEIGHT`, and what it shows."""

    name: str
    unit: str
    dots: tuple[Dot, ...]
    """In the order of their dates; this study is the last."""
    lines: tuple[GridLine, ...]

    @property
    def path(self) -> str:
        """Of the line through the dots."""
        return " ".join(f"{'M' if number == 0 else 'L'}{dot.x:.1f} {dot.y:.1f}" for number, dot in enumerate(self.dots))

    @property
    def said(self) -> str:
        """What is seen, for those who do not see it."""
        first, last = self.dots[0], self.dots[-1]
        return f"{self.name}: {first.value:.1f} {self.unit} on {first.day}, {last.value:.1f} {self.unit} now"


def trend_of(
    name: str, unit: str, earlier: Sequence[EarlierValue], *, study_date: str, value: float, study_instance_uid: str
) -> Trend | None:
    """The drawing; None where there is no earlier value, or a date is none."""
    points = [*earlier, EarlierValue(study_date=study_date, value=value, study_instance_uid=study_instance_uid)]
    days = [_day(point.study_date) for point in points]
    if not earlier or days[-1] is None:
        return None
    dated = [(day, point) for day, point in zip(days, points, strict=True) if day is not None]
    low, high, step = _scale([point.value for _, point in dated])
    first, last = dated[0][0].toordinal(), dated[-1][0].toordinal()

    def across(day: date) -> float:
        share = (day.toordinal() - first) / (last - first) if last > first else 0.5
        return _LEFT + 24 + share * (WIDTH - _LEFT - 24 - _RIGHT - 24)

    def height(level: float) -> float:
        return HEIGHT - _BOTTOM - (level - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)

    dots: list[Dot] = []
    free_from = -1.0
    for number, (day, point) in enumerate(dated):
        x, is_this = across(day), number == len(dated) - 1
        has_room = x >= free_from and (is_this or across(dated[-1][0]) - x >= _NARROW)
        free_from = x + _NARROW if has_room else free_from
        dots.append(
            Dot(
                x=x,
                y=height(point.value),
                day=f"{day:%Y-%m-%d}",
                value=point.value,
                study_instance_uid=point.study_instance_uid,
                is_this=is_this,
                has_label=has_room or is_this,
            )
        )
    levels = [low + step * number for number in range(round((high - low) / step) + 1)]
    lines = tuple(GridLine(y=height(level), said=f"{level:.0f}") for level in levels)
    return Trend(name=name, unit=unit, dots=tuple(dots), lines=lines)


def _scale(values: Sequence[float]) -> tuple[float, float, float]:
    """Where the axis begins and ends, and the step between its lines."""
    step = next((step for step in _STEPS if (max(values) - min(values)) / step <= _MOST_LINES - 2), _STEPS[-1])
    low = step * (min(values) // step)
    high = step * -(-max(values) // step)
    return (low, high, step) if high > low else (low - step, high + step, step)


def _day(written: str) -> date | None:
    with suppress(ValueError):
        return datetime.strptime(written.strip(), "%Y%m%d").date()  # noqa: DTZ007  a day, of no time zone
    return None
