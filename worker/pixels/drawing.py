"""What our sheets have in common: colours, letters, facts beside their headings, and frames in rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from worker.pixels.clip import Clip
from worker.pixels.colour import Frame
from worker.pixels.profiles import PROFILES, SIDE

IN_A_ROW = 6
MARGIN, GAP, CAPTION = 24, 12, 24
WIDTH = 2 * MARGIN + IN_A_ROW * SIDE + (IN_A_ROW - 1) * GAP
HEADING = 164
"""Columns for the heading of a fact."""
TEXT, SMALL, LINE = 17, 15, 24
"""Sizes of the letters, and the height of a line, in pixels."""

PAPER, INK, FAINT = (18, 20, 23), (236, 238, 240), (150, 156, 163)
GREEN, YELLOW, RED = (64, 220, 130), (255, 206, 60), (255, 110, 100)
Colour = tuple[int, int, int]
Line = tuple[str, str, Colour]
"""What stands in the column of headings, what beside it, and its colour."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture of a sheet, uint8 [SIDE, SIDE, 3] in RGB, and what stands below it at its left and at its right."""

    picture: Frame
    left: str
    right: str


def frames_to_show(clip: Clip) -> npt.NDArray[np.uint8]:
    """A clip's frames in RGB, whatever order of channels the model is given: uint8 [T, SIDE, SIDE, 3]."""
    return clip.frames[..., ::-1] if PROFILES[clip.profile].channel_order == "BGR" else clip.frames


def new_sheet(header: int, pictures: int) -> Image.Image:
    """A sheet with room for a header of that height, and so many pictures below it."""
    rows = -(-pictures // IN_A_ROW)
    return Image.new("RGB", (WIDTH, 2 * MARGIN + header + rows * (SIDE + CAPTION + GAP)), PAPER)


def fact_lines(facts: Sequence[Line], left: int) -> Iterator[Line]:
    """The facts in lines that fit between this column and the right margin."""
    for heading, text, colour in facts:
        for number, line in enumerate(_wrapped(text, WIDTH - MARGIN - left - HEADING)):
            yield "" if number else heading, line, colour


def draw_lines(draw: ImageDraw.ImageDraw, lines: Sequence[Line], *, left: int, top: int) -> None:
    """Write lines below each other."""
    for number, (heading, text, colour) in enumerate(lines):
        draw.text((left, top + number * LINE), heading, FAINT, font(TEXT))
        draw.text((left + HEADING, top + number * LINE), text, colour, font(TEXT))


def place_pictures(sheet: Image.Image, draw: ImageDraw.ImageDraw, pictures: Sequence[Shown], *, top: int) -> None:
    """Put pictures in rows, each with what stands below it."""
    for position, shown in enumerate(pictures):
        row, column = divmod(position, IN_A_ROW)
        at = MARGIN + column * (SIDE + GAP), top + row * (SIDE + CAPTION + GAP)
        sheet.paste(Image.fromarray(np.ascontiguousarray(shown.picture)), at)
        under = at[1] + SIDE + 4
        draw.text((at[0], under), shown.left, INK, font(SMALL))
        draw.text((at[0] + SIDE, under), shown.right, FAINT, font(SMALL), anchor="ra")


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The letters of every sheet."""
    return ImageFont.load_default(size=size)


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many pixels, broken between words, and a word (a UID) that is longer by itself, within."""
    letters = font(TEXT)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if letters.getlength(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if letters.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines
