"""Charts as SVG that the server writes: no script, no inline style; colours are those of static/charts.css.

Each has a title and a description, and a page has the same numbers as a table beside it.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, groupby

from markupsafe import Markup

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 44
"""Room for the axes."""
TICKS = 4
LABELS = 7
MOST_SERIES = 6
"""So many colours there are."""

_numbers = count()


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line of a chart."""

    name: str
    values: Sequence[float | None]
    """One for each label; None leaves a gap."""


@dataclass(frozen=True, kw_only=True)
class _Plot:
    """Where on the picture something is."""

    places: int
    top: float
    """The largest number on the axis."""
    bottom: float

    def x(self, place: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / max(self.places, 1)

    def y(self, value: float) -> float:
        share = (value - self.bottom) / (self.top - self.bottom)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def line_chart(title: str, labels: Sequence[str], series: Sequence[Series], *, unit: str, from_zero: bool) -> Markup:
    """Lines over the same labels; `from_zero`: of numbers that have a nought to be compared with."""
    shown = series[:MOST_SERIES]
    values = [value for one in shown for value in one.values if value is not None]
    if not values:
        return Markup("")
    plot = _plot(len(labels), values, from_zero=from_zero)
    parts = [*_axes(plot, labels, unit)]
    for number, one in enumerate(shown):
        parts += _line(plot, one, number)
    return _svg(title, parts, _said(shown, unit))


def bar_chart(title: str, labels: Sequence[str], values: Sequence[float | None], *, unit: str) -> Markup:
    """Upright bars from nought."""
    numbers = [value for value in values if value is not None]
    if not any(numbers):
        return Markup("")
    plot = _plot(len(labels), numbers, from_zero=True)
    wide = (WIDTH - LEFT - RIGHT) / len(labels) * 0.7
    parts = [*_axes(plot, labels, unit)]
    for place, value in enumerate(values):
        if value:
            bar = Markup('<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
            y = plot.y(value)
            parts.append(bar.format(plot.x(place) - wide / 2, y, wide, HEIGHT - BOTTOM - y))
    return _svg(title, parts, _said([Series(name=title, values=values)], unit))


def nice_step(span: float) -> float:
    """The distance between ticks: 1, 2 or 5 times a power of ten, so that there are about `TICKS` of them."""
    rough = span / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * 0.999)


def _plot(places: int, values: Sequence[float], *, from_zero: bool) -> _Plot:
    low, high = (min(0.0, *values) if from_zero else min(values)), max(values)
    step = nice_step((high - low) or abs(high) or 1.0)
    bottom, top = math.floor(low / step) * step, math.ceil(high / step) * step
    return _Plot(places=places, top=top if top > bottom else bottom + step, bottom=bottom)


def _axes(plot: _Plot, labels: Sequence[str], unit: str) -> Iterator[Markup]:
    step = nice_step(plot.top - plot.bottom)
    for number in range(round((plot.top - plot.bottom) / step) + 1):
        value = plot.bottom + number * step
        y = plot.y(value)
        yield Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(LEFT, WIDTH - RIGHT, y, y)
        yield Markup('<text class="tick end" x="{}" y="{:.1f}">{}</text>').format(LEFT - 6, y + 4, f"{value:.4g}")
    every = max(math.ceil(len(labels) / LABELS), 1)
    for place in range(0, len(labels), every):
        label = Markup('<text class="tick middle" x="{:.1f}" y="{}">{}</text>')
        yield label.format(plot.x(place), HEIGHT - BOTTOM + 18, labels[place])
    yield Markup('<text class="tick" x="{}" y="{}">{}</text>').format(LEFT, HEIGHT - 6, unit)


def _line(plot: _Plot, one: Series, number: int) -> Iterator[Markup]:
    points = [(plot.x(place), None if value is None else plot.y(value)) for place, value in enumerate(one.values)]
    for is_gap, run in groupby(points, key=lambda point: point[1] is None):
        if not is_gap:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in run)
            yield Markup('<polyline class="line s{}" points="{}"/>').format(number, path)
    for x, y in points:
        if y is not None:
            yield Markup('<circle class="dot s{}" cx="{:.1f}" cy="{:.1f}" r="2.5"/>').format(number, x, y)


def _svg(title: str, parts: Iterable[Markup], said: str) -> Markup:
    own = next(_numbers)
    head = Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-labelledby="chart-{}-title chart-{}-said">'
        '<title id="chart-{}-title">{}</title><desc id="chart-{}-said">{}</desc>'
    )
    return head.format(WIDTH, HEIGHT, own, own, own, title, own, said) + Markup("").join(parts) + Markup("</svg>")


def _said(series: Sequence[Series], unit: str) -> str:
    """The gist in words: the last number of each line, and from where to where it goes."""
    words = []
    for one in series:
        values = [value for value in one.values if value is not None]
        if values:
            words.append(
                f"{one.name}: last {values[-1]:.3g}, from {min(values):.3g} to {max(values):.3g} {unit}".strip()
            )
    return "; ".join(words)


def legend(names: Sequence[str]) -> Markup:
    """Which line is whose; the lines also differ in how they are dashed."""
    items = [
        Markup(
            '<li><svg viewBox="0 0 28 10" aria-hidden="true"><line class="line s{}" x1="1" x2="27" y1="5" y2="5"/>'
            "</svg> {}</li>"
        ).format(number, name)
        for number, name in enumerate(names[:MOST_SERIES])
    ]
    return Markup('<ul class="legend">') + Markup("").join(items) + Markup("</ul>")
