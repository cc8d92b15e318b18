"""A contact sheet of one file: its picture with the region, and the frames as the model will see them."""

import numpy as np
from PIL import Image, ImageDraw

from worker.pixels.clip import Clip
from worker.pixels.colour import Frame
from worker.pixels.drawing import (
    FAINT,
    GAP,
    GREEN,
    INK,
    LINE,
    MARGIN,
    RED,
    SMALL,
    TEXT,
    YELLOW,
    Shown,
    draw_lines,
    fact_lines,
    font,
    frames_to_show,
    new_sheet,
    place_pictures,
)
from worker.pixels.look import Look, stated
from worker.pixels.profiles import PROFILES, SIDE
from worker.pixels.regions import Region

_PICTURE = (3 * SIDE + 2 * GAP, 480)
"""Columns and rows that the source's picture is fitted into: half of the sheet."""
_COARSE = 30
"""Squares from top to bottom of what is made unreadable, each at least 16 pixels high."""


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
    colours = {"Skipped": RED, "Note": YELLOW}
    left = MARGIN + _PICTURE[0] + 2 * GAP
    facts = [(heading, text, colours.get(heading, INK)) for heading, text in stated(look)]
    lines = list(fact_lines(facts, left))
    source = _source(look, picture, uncovered=uncovered)
    header = max(source.height + LINE, len(lines) * LINE)
    frames = _frames(look.clip) if look.clip is not None else []
    sheet = new_sheet(header, len(frames))
    sheet.paste(source, (MARGIN, MARGIN))
    draw = ImageDraw.Draw(sheet)
    _draw_legend(draw, look, top=MARGIN + source.height + 4, uncovered=uncovered)
    draw_lines(draw, lines, left=left, top=MARGIN)
    place_pictures(sheet, draw, frames, top=MARGIN + header + GAP)
    return sheet


def _frames(clip: Clip) -> list[Shown]:
    captions = zip(frames_to_show(clip), clip.frame_numbers, clip.frame_times_ms, strict=True)
    return [Shown(picture=frame, left=f"frame {number}", right=f"{at:.0f} ms") for frame, number, at in captions]


def _source(look: Look, picture: Frame | None, *, uncovered: bool) -> Image.Image:
    if picture is None:
        blank = Image.new("RGB", _PICTURE, (38, 41, 45))
        draw = ImageDraw.Draw(blank)
        draw.text((_PICTURE[0] / 2, _PICTURE[1] / 2), "no picture can be shown", FAINT, font(TEXT), anchor="mm")
        return blank
    region = look.clip.region if look.clip else None
    image = Image.fromarray(picture if uncovered else _covered(picture, region))
    scale = min(_PICTURE[0] / image.width, _PICTURE[1] / image.height)
    shown = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
    if look.clip is not None:
        draw = ImageDraw.Draw(shown)
        seen = PROFILES[look.profile].seen(look.clip.region, look.rows, look.columns)
        for outlined, colour in ((look.clip.region, GREEN), (seen, YELLOW)):
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
    legend = [("frame 1", INK)]
    if look.clip is not None:
        legend += [("region", GREEN), ("what the model sees", YELLOW)]
    if not uncovered:
        legend += [(f"coarse{' outside the region' if look.clip else ''}: names may be burned in", FAINT)]
    left = float(MARGIN)
    for text, colour in legend:
        draw.text((left, top), text, colour, font(SMALL))
        left += draw.textlength(text, font(SMALL)) + 2 * GAP
