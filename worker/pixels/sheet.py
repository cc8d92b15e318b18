"""A contact sheet of one file: its picture with the region, and the frames as the model will see them."""

from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from worker.pixels.clip import Clip
from worker.pixels.colour import Frame
from worker.pixels.look import Look, stated
from worker.pixels.profiles import PROFILES, SIDE
from worker.pixels.regions import Region

_IN_A_ROW = 6
_MARGIN, _GAP, _CAPTION = 24, 12, 24
_WIDTH = 2 * _MARGIN + _IN_A_ROW * SIDE + (_IN_A_ROW - 1) * _GAP
_PICTURE = (3 * SIDE + 2 * _GAP, 480)
"""Columns and rows that the source's picture is fitted into: half of the sheet."""
_HEADING = 164
"""Columns for the heading of a fact."""
_TEXT, _SMALL, _LINE = 17, 15, 24
"""Sizes of the letters, and the height of a line, in pixels."""
_COARSE = 30
"""Squares from top to bottom of what is made unreadable, each at least 16 pixels high."""

_PAPER, _INK, _FAINT = (18, 20, 23), (236, 238, 240), (150, 156, 163)
_GREEN, _YELLOW, _RED = (64, 220, 130), (255, 206, 60), (255, 110, 100)
_Colour = tuple[int, int, int]
_Line = tuple[str, str, _Colour]
"""What stands in the column of headings, what beside it, and its colour."""


def contact_sheet(look: Look, picture: Frame | None, *, uncovered: bool = False) -> Image.Image:
    """Draw a file as `look_at` found it.

    Above, the file's `picture` with the region (green) and the part of it that the model sees (yellow), beside the
    facts; below, each sampled frame with its number and its time.

    Parameters
    ----------
    picture
        The file's first frame; None where it has none that can be decoded.
    uncovered
        Show the picture outside the region as it is. By default it is made too coarse to be read, since machines burn
        names and dates into it.
    """
    lines = list(_fact_lines(look))
    shown = _source(look, picture, uncovered=uncovered)
    header = max(shown.height + _LINE, len(lines) * _LINE)
    frames = len(look.clip.frame_numbers) if look.clip else 0
    rows = -(-frames // _IN_A_ROW)
    sheet = Image.new("RGB", (_WIDTH, 2 * _MARGIN + header + rows * (SIDE + _CAPTION + _GAP)), _PAPER)
    sheet.paste(shown, (_MARGIN, _MARGIN))
    draw = ImageDraw.Draw(sheet)
    _draw_legend(draw, look, top=_MARGIN + shown.height + 4, uncovered=uncovered)
    left = _MARGIN + _PICTURE[0] + 2 * _GAP
    for number, (heading, text, colour) in enumerate(lines):
        top = _MARGIN + number * _LINE
        draw.text((left, top), heading, _FAINT, _font(_TEXT))
        draw.text((left + _HEADING, top), text, colour, _font(_TEXT))
    if look.clip is not None:
        _place_frames(sheet, draw, look.clip, top=_MARGIN + header + _GAP)
    return sheet


def _fact_lines(look: Look) -> Iterator[_Line]:
    colours = {"Skipped": _RED, "Note": _YELLOW}
    width = _WIDTH - _MARGIN - (_MARGIN + _PICTURE[0] + 2 * _GAP) - _HEADING
    for heading, text in stated(look):
        for number, line in enumerate(_wrapped(text, width)):
            yield "" if number else heading, line, colours.get(heading, _INK)


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many pixels, broken between words, and a word (a UID) that is longer by itself, within."""
    font = _font(_TEXT)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def _source(look: Look, picture: Frame | None, *, uncovered: bool) -> Image.Image:
    if picture is None:
        blank = Image.new("RGB", _PICTURE, (38, 41, 45))
        draw = ImageDraw.Draw(blank)
        draw.text((_PICTURE[0] / 2, _PICTURE[1] / 2), "no picture can be shown", _FAINT, _font(_TEXT), anchor="mm")
        return blank
    region = look.clip.region if look.clip else None
    image = Image.fromarray(picture if uncovered else _covered(picture, region))
    scale = min(_PICTURE[0] / image.width, _PICTURE[1] / image.height)
    shown = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    if look.clip is not None:
        draw = ImageDraw.Draw(shown)
        seen = PROFILES[look.profile].seen(look.clip.region, look.rows, look.columns)
        for outlined, colour in ((look.clip.region, _GREEN), (seen, _YELLOW)):
            corners = (outlined.left, outlined.top, outlined.right, outlined.bottom)
            left, top, right, bottom = (round(corner * scale) for corner in corners)
            draw.rectangle((left, top, right - 1, bottom - 1), outline=colour, width=2)
    return shown


def _covered(picture: Frame, region: Region | None) -> Frame:
    """The picture with all outside the region in squares of one colour."""
    rows, columns = picture.shape[:2]
    square = max(rows // _COARSE, 16)
    small = Image.fromarray(picture).resize((-(-columns // square), -(-rows // square)), Image.Resampling.BOX)
    covered = np.asarray(small).repeat(square, axis=0).repeat(square, axis=1)[:rows, :columns].copy()
    if region is not None:
        tissue = np.s_[region.top : region.bottom, region.left : region.right]
        covered[tissue] = picture[tissue]
    return covered


def _draw_legend(draw: ImageDraw.ImageDraw, look: Look, *, top: int, uncovered: bool) -> None:
    legend = [("frame 1", _INK)]
    if look.clip is not None:
        legend += [("region", _GREEN), ("what the model sees", _YELLOW)]
    if not uncovered:
        legend += [(f"coarse{' outside the region' if look.clip else ''}: names may be burned in", _FAINT)]
    left = float(_MARGIN)
    for text, colour in legend:
        draw.text((left, top), text, colour, _font(_SMALL))
        left += draw.textlength(text, _font(_SMALL)) + 2 * _GAP


def _place_frames(sheet: Image.Image, draw: ImageDraw.ImageDraw, clip: Clip, *, top: int) -> None:
    reversed_channels = PROFILES[clip.profile].channel_order == "BGR"
    frames = clip.frames[..., ::-1] if reversed_channels else clip.frames
    captions = zip(frames, clip.frame_numbers, clip.frame_times_ms, strict=True)
    for position, (frame, number, milliseconds) in enumerate(captions):
        row, column = divmod(position, _IN_A_ROW)
        at = _MARGIN + column * (SIDE + _GAP), top + row * (SIDE + _CAPTION + _GAP)
        sheet.paste(Image.fromarray(np.ascontiguousarray(frame)), at)
        under = at[1] + SIDE + 4
        draw.text((at[0], under), f"frame {number}", _INK, _font(_SMALL))
        draw.text((at[0] + SIDE, under), f"{milliseconds:.0f} ms", _FAINT, _font(_SMALL), anchor="ra")


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size)
