"""The frames of a heat map as they leave: the clip at the left, with the maps at the right, the legend around."""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import reportlab
from PIL import Image, ImageDraw, ImageFont

from worker.echoclip.overlay import jet, overlay
from worker.pictures.clip_frames import EDGE
from worker.pictures.legend import Legend

MARGIN = 20
COLUMNS = 2 * EDGE + 3 * MARGIN
HEADER, FOOTER = 92, 148
ROWS = HEADER + EDGE + FOOTER
LINE = 18
STRONGEST = 0.62
"""How opaque the hottest place is: the tissue below it can still be seen."""

PAPER, INK, FAINT = (12, 14, 17), (240, 242, 244), (160, 167, 174)
AMBER, RED = (255, 196, 64), (214, 54, 44)
_FONTS = Path(reportlab.__file__).with_name("fonts")
"""Bitstream Vera, which comes with reportlab: Pillow's own letters have no accents."""
_BAR = (200, 12)


def draw_frames(plain: npt.NDArray[np.uint8], maps: npt.NDArray[np.float32], legend: Legend) -> npt.NDArray[np.uint8]:
    """Draw each frame beside itself under its map.

    Parameters
    ----------
    plain
        uint8 [T, EDGE, EDGE, 3], RGB.
    maps
        float32 [T, EDGE, EDGE], 0..1.

    Returns
    -------
    NDArray
        uint8 [T, ROWS, COLUMNS, 3], RGB.
    """
    sheet = _sheet(legend)
    heated = overlay(plain, maps, strongest=STRONGEST)
    drawn = np.empty((len(plain), ROWS, COLUMNS, 3), np.uint8)
    for number, caption in enumerate(legend.frames):
        frame = sheet.copy()
        frame.paste(Image.fromarray(plain[number]), (MARGIN, HEADER))
        frame.paste(Image.fromarray(heated[number]), (2 * MARGIN + EDGE, HEADER))
        said = f"{legend.view}, {caption}" if legend.view else caption
        ImageDraw.Draw(frame).text((MARGIN, HEADER + EDGE + 8), said, FAINT, fitting(said, EDGE, 15))
        drawn[number] = np.asarray(frame)
    return drawn


@cache
def letters(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The letters of pictures; they have those of Western European languages."""
    return ImageFont.truetype(str(_FONTS / ("VeraBd.ttf" if bold else "Vera.ttf")), size)


def _sheet(legend: Legend) -> Image.Image:
    """All that is the same on every frame."""
    sheet = Image.new("RGB", (COLUMNS, ROWS), PAPER)
    draw = ImageDraw.Draw(sheet)
    room = _draw_label(draw, legend) - MARGIN
    draw.text((MARGIN, 18), legend.answer, INK, fitting(legend.answer, room - MARGIN, 26, bold=True))
    draw.text((MARGIN, 58), legend.beside, FAINT, fitting(legend.beside, COLUMNS - 2 * MARGIN, 15))
    _draw_bar(sheet, draw, legend, left=2 * MARGIN + EDGE, top=HEADER + EDGE + 10)
    top = HEADER + EDGE + 36
    draw.text((MARGIN, top), legend.not_for_diagnosis, AMBER, letters(22, bold=True))
    _draw_lines(draw, legend.looked, FAINT, left=2 * MARGIN + EDGE, top=top, width=EDGE)
    width = COLUMNS - 2 * MARGIN
    _draw_lines(draw, legend.limits, INK, left=MARGIN, top=top + 42, width=width)
    draw.text((MARGIN, ROWS - 26), legend.made_by, FAINT, fitting(legend.made_by, width, 13))
    return sheet


def _draw_label(draw: ImageDraw.ImageDraw, legend: Legend) -> int:
    """The kind of the model in a box of its own, and the column where that begins."""
    font = letters(15, bold=True)
    left = COLUMNS - MARGIN - round(font.getlength(legend.label)) - 24
    colour = RED if legend.is_meaningless else (70, 78, 88)
    draw.rounded_rectangle((left, 18, COLUMNS - MARGIN, 50), radius=5, fill=colour)
    draw.text(((left + COLUMNS - MARGIN) / 2, 34), legend.label, INK, font, anchor="mm")
    return left


def _draw_bar(sheet: Image.Image, draw: ImageDraw.ImageDraw, legend: Legend, *, left: int, top: int) -> None:
    """The colours of the maps over black, as opaque as on the frames."""
    font = letters(13)
    values = np.linspace(0, 1, _BAR[0], dtype=np.float32)
    ramp = np.rint(255 * jet(values) * STRONGEST * values[:, None]).astype(np.uint8)
    draw.text((left, top - 2), legend.weak, FAINT, font)
    bar = left + round(font.getlength(legend.weak)) + 8
    sheet.paste(Image.fromarray(np.ascontiguousarray(np.broadcast_to(ramp, (_BAR[1], _BAR[0], 3)))), (bar, top))
    draw.text((bar + _BAR[0] + 8, top - 2), legend.strong, FAINT, font)


def fitting(text: str, width: float, size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The largest letters, of at most this size, in which a line is no wider than this."""
    while size > 8 and letters(size, bold=bold).getlength(text) > width:
        size -= 1
    return letters(size, bold=bold)


def _draw_lines(
    draw: ImageDraw.ImageDraw, text: str, colour: tuple[int, int, int], *, left: int, top: int, width: int
) -> None:
    """A text in as many lines as it takes, broken between words."""
    lines, font = [""], letters(13)
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    for number, line in enumerate(lines):
        draw.text((left, top + LINE * number), line, colour, font)
