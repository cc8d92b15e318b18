"""The parts of the page: the table of answers, the strip of frames, the chart of earlier studies."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from itertools import pairwise

import imagecodecs
import numpy as np
import numpy.typing as npt
from reportlab.lib.colors import Color
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Spacer, Table, TableStyle

from dicom_node.report.page_answers import Row
from dicom_node.report.page_text import CURVE, FAINT, INK, LINE, RED, SLATE, PageText
from dicom_node.report.words import Words

QUALITY = 85
"""Of JPEG, for frames as small as these."""


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Some frames of the clip that decided, in their order."""

    said: str
    """The answer that it shows, in words."""
    plain: npt.NDArray[np.uint8]
    """[N, S, S, 3], RGB, N at least 1."""
    heated: npt.NDArray[np.uint8]
    """The same under their maps."""
    captions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Trend:
    """One measurement over the studies of a patient."""

    name: str
    unit: str
    points: tuple[tuple[date, float], ...]
    """Of earlier studies, ascending; at least one."""
    this: tuple[date, float]


def answers_table(headings: Sequence[str], rows: Sequence[Row], width: float, text: PageText) -> Table:
    """Question and answer, and smaller what the answer rests on."""
    lines = [[text.paragraph(each, text.heading) for each in headings]]
    styles = (text.body, text.strong, text.small, text.small)
    lines += [[text.paragraph(cell, style) for cell, style in zip(row, styles, strict=True)] for row in rows]
    table = Table(lines, colWidths=[share * width for share in (0.42, 0.24, 0.18, 0.16)], hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("LINEBELOW", (0, 0), (-1, 0), 0.8, SLATE),
                ("LINEBELOW", (0, 1), (-1, -1), 0.3, LINE),
                ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
                ("TOPPADDING", (0, 0), (-1, -1), 1.6 * text.scale**2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2.2 * text.scale**2),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ]
        )
    )
    return table


def box(heading: str, lines: Sequence[str], width: float, text: PageText) -> Table:
    """What is to be noticed, within a frame."""
    rows = [[text.paragraph(heading, text.warning)], *([text.paragraph(line, text.small)] for line in lines)]
    table = Table(rows, colWidths=[width], hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("BOX", (0, 0), (-1, -1), 0.9, RED),
                ("TOPPADDING", (0, 0), (-1, -1), 1.8),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2.4),
                ("LEFTPADDING", (0, 0), (-1, -1), 2 * mm),
            ]
        )
    )
    return table


def strip_of_frames(strip: Strip, width: float, words: Words, text: PageText) -> list[Flowable]:
    """The frames in a row, and the same under their maps below."""
    said = words.say("page.strip", answer=strip.said)
    return [text.paragraph(said, text.body), Spacer(0, 1.5 * mm), _Frames(strip, width, text)]


def trend_chart(trend: Trend, width: float, words: Words, text: PageText) -> list[Flowable]:
    """The measurement of each study over its date."""
    said = words.say("page.trend", name=trend.name)
    return [
        text.paragraph(said, text.body),
        _Chart(trend, width, words, text),
        text.paragraph(words.say("page.of_one_patient"), text.small),
    ]


class _Frames(Flowable):  # type: ignore[misc]  # reportlab has no types
    """Two rows of pictures with a caption below each column."""

    def __init__(self, strip: Strip, width: float, text: PageText) -> None:
        super().__init__()
        self._strip, self._text = strip, text
        self._gap = 1.5 * mm
        columns = max(len(strip.plain), 6)
        self._side = (width - (columns - 1) * self._gap) / columns
        self.width, self.height = width, 2 * self._side + self._gap + 9

    def draw(self) -> None:
        """Onto the canvas that it is placed on."""
        canvas, side = self.canv, self._side
        for number, caption in enumerate(self._strip.captions):
            left = number * (side + self._gap)
            for picture, bottom in ((self._strip.plain, 9 + side + self._gap), (self._strip.heated, 9)):
                canvas.drawImage(ImageReader(BytesIO(_jpeg(picture[number]))), left, bottom, side, side)
            canvas.setFillColor(FAINT)
            self._text.draw(canvas, left, 1.5, caption, 6)


class _Chart(Flowable):  # type: ignore[misc]  # as above
    """Dots over the years; this study's is filled, and named."""

    def __init__(self, trend: Trend, width: float, words: Words, text: PageText) -> None:
        super().__init__()
        self._trend, self._words, self._text = trend, words, text
        self.width, self.height = width, 40 * mm

    def draw(self) -> None:
        """Onto the canvas that it is placed on."""
        canvas, trend = self.canv, self._trend
        points = [*trend.points, trend.this]
        left, bottom, right, top = 12 * mm, 6 * mm, self.width - 26 * mm, self.height - 4 * mm
        begin = left + 9 * mm  # beside the numbers of the axis, not on them
        low, high, step = _scale([value for _, value in points])
        first, last = points[0][0].toordinal(), points[-1][0].toordinal()

        def at(day: date, value: float) -> tuple[float, float]:
            across = (day.toordinal() - first) / (last - first) if last > first else 1.0
            return begin + across * (right - begin), bottom + (value - low) / (high - low) * (top - bottom)

        canvas.setLineWidth(0.3)
        value = low
        while value <= high:
            _, height = at(points[0][0], value)
            canvas.setStrokeColor(LINE)
            canvas.line(left, height, right, height)
            canvas.setFillColor(FAINT)
            self._text.draw_to(canvas, left - 3, height - 2, f"{value:.0f} {trend.unit}", 6.5)
            value += step
        canvas.setStrokeColor(CURVE)
        canvas.setLineWidth(1)
        places = [at(*point) for point in points]
        for (from_x, from_y), (to_x, to_y) in pairwise(places):
            canvas.line(from_x, from_y, to_x, to_y)
        self._draw_dots(canvas, points, places)

    def _draw_dots(
        self, canvas: Canvas, points: Sequence[tuple[date, float]], places: Sequence[tuple[float, float]]
    ) -> None:
        taken = -1e9
        for number, ((day, value), (x, y)) in enumerate(zip(points, places, strict=True)):
            is_this = number == len(points) - 1
            canvas.setFillColor(CURVE if is_this else Color(1, 1, 1))
            canvas.circle(x, y, 2.4, stroke=1, fill=1)
            canvas.setFillColor(INK)
            if is_this:
                self._text.draw(canvas, x + 6, y - 1, self._words.number(value, ".1f"), 7.5, is_bold=True)
                self._text.draw(canvas, x + 6, y - 9, self._words.say("page.this_study"), 6.5)
            elif x - taken > 28:
                self._text.draw_about(canvas, x, y + 5, self._words.number(value, ".1f"), 6.5)
            if x - taken > 28 or is_this:
                canvas.setFillColor(FAINT)
                said = f"{day:%Y-%m-%d}" if x - taken > 28 or number == 0 else ""
                self._text.draw_about(canvas, x, 1.5 * mm, said, 6.5)
                taken = x


def _scale(values: Sequence[float]) -> tuple[float, float, float]:
    """Where the axis begins and ends, and the steps between its lines."""
    step = next(step for step in (5, 10, 20, 50, 100, 1000) if (max(values) - min(values)) / step <= 4)
    low = step * (min(values) // step)
    high = max(step * -(-max(values) // step), low + 2 * step)
    return float(low), float(high), float(step)


def _jpeg(picture: npt.NDArray[np.uint8]) -> bytes:
    return bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(picture), level=QUALITY))
