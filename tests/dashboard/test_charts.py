"""Charts: what they draw, and what they say to whoever does not see them."""

import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts import TICKS, Series, bar_chart, legend, line_chart, nice_step

DAYS = ["11-01", "11-02", "11-03", "11-04"]


def lines(chart: str) -> list[list[tuple[float, float]]]:
    """The points of each piece of a line."""
    found = re.findall(r'<polyline class="line s0" points="([^"]*)"', chart)
    return [[tuple(map(float, point.split(","))) for point in points.split()] for points in found]  # type: ignore[misc]


def test_a_day_without_a_number_is_a_gap_and_no_nought() -> None:
    series = [Series(name="median", values=[1.0, None, 3.0, 2.0])]
    first, second = lines(line_chart("Turnaround", DAYS, series, unit="min", from_zero=True))
    assert (len(first), len(second)) == (1, 2)
    assert second[0][1] < second[1][1] < first[0][1], "what is larger is further up"


def test_a_chart_says_what_it_shows() -> None:
    chart = line_chart(
        "Turnaround", DAYS, [Series(name="median", values=[1.0, 4.0, 2.0, 3.0])], unit="min", from_zero=True
    )
    root = ET.fromstring(chart)  # noqa: S314  our own
    assert root.get("role") == "img"
    named = {part.get("id"): part.text for part in root if part.tag in ("title", "desc")}
    assert [named[each] for each in root.get("aria-labelledby", "").split()] == [
        "Turnaround",
        "median: last 3, from 1 to 4 min",
    ]


def test_a_chart_of_nothing_is_nothing() -> None:
    assert line_chart("Turnaround", DAYS, [Series(name="median", values=[None] * 4)], unit="", from_zero=True) == ""
    assert bar_chart("Nights", [], [], unit="") == ""


def test_names_are_no_markup_and_there_is_no_inline_style() -> None:
    name = "<script>alert(1)</script>"
    written = line_chart(name, DAYS, [Series(name=name, values=[1, 2, 3, 4])], unit="%", from_zero=False) + legend(
        [name]
    )
    assert "<script" not in written
    assert "style=" not in written


def test_bars_are_as_high_as_their_numbers() -> None:
    bars = re.findall(r'class="bar"[^>]* height="([\d.]+)"', bar_chart("Nights", DAYS, [1, 0, 2, 4], unit=""))
    one, two, four = map(float, bars)
    assert (round(two / one, 1), round(four / one, 1)) == (2.0, 4.0)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=40))
def test_every_number_is_within_the_picture(values: list[float]) -> None:
    chart = line_chart("x", [""] * len(values), [Series(name="x", values=values)], unit="", from_zero=False)
    for x, y in re.findall(r'<circle[^>]* cx="([\d.-]+)" cy="([\d.-]+)"', chart):
        assert 0 <= float(x) <= 640
        assert 0 <= float(y) <= 240


@given(st.floats(1e-6, 1e9))
def test_ticks_are_round_and_few(span: float) -> None:
    step = nice_step(span)
    assert f"{step:e}"[0] in "125"
    assert TICKS / 3 < span / step <= TICKS + 0.01
