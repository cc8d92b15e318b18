"""A synthetic sector on the screen of an echo machine, as it would write it into its DICOM file."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from worker.phantom.electrocardiography import Trace
from worker.phantom.lettering import letters, stamp, write
from worker.phantom.screen_parts import TextBlock, VendorStyle
from worker.phantom.ultrasound import SectorClip
from worker.phantom.words import Words
from worker.pixels.regions import Region

Picture = npt.NDArray[np.uint8]
"""[rows, columns, 3], RGB."""


@dataclass(frozen=True, kw_only=True)
class Screen:
    """A clip as a machine shows it."""

    frames: npt.NDArray[np.uint8]
    """[T, rows, columns, 3], RGB."""
    sector: Region
    """The box around the sector, whose pixels are those of the clip."""
    region: Region
    """What the machine calls its region of tissue; of one that writes none, the box around the sector."""


def compose(clip: SectorClip, style: VendorStyle, words: Words) -> Screen:
    """Put a clip on a screen.

    Parameters
    ----------
    clip
        Its frames have the shape of `style.sector_shape`, or are smaller.

    Raises
    ------
    ValueError
        The clip is larger than the place for it.
    """
    sector = _placed(clip, style)
    still = _still(clip, style, words, sector)
    inside = np.s_[sector.top : sector.bottom, sector.left : sector.right]
    colours = style.colours()
    trace = style.ecg and Trace(
        style.ecg,
        frame_times_ms=clip.frame_times_ms,
        r_wave_times_ms=clip.r_wave_times_ms,
        heart_rate=clip.heart_rate,
    )
    frames = np.empty((len(clip.frames), style.rows, style.columns, 3), np.uint8)
    for frame, shown, time_ms in zip(frames, clip.frames, clip.frame_times_ms, strict=True):
        frame[...] = still
        # The brighter of the two: marks stay over the sector, and its corners leave the text alone.
        np.maximum(frame[inside], np.take(colours, shown, axis=0), out=frame[inside])
        if trace:
            trace.draw(frame, float(time_ms))
    return Screen(frames=frames, sector=sector, region=style.sector if style.region == "place" else sector)


def _placed(clip: SectorClip, style: VendorStyle) -> Region:
    rows, columns = clip.frames.shape[1:]
    place = style.sector
    if rows > place.height or columns > place.width:
        raise ValueError(
            f"a sector of {columns} x {rows} pixels, {style.name} has place for {place.width} x {place.height}"
        )
    left = place.left + (place.width - columns) // 2
    return Region(left=left, top=place.top, right=left + columns, bottom=place.top + rows)


def _still(clip: SectorClip, style: VendorStyle, words: Words, sector: Region) -> Picture:
    """All that does not change from frame to frame."""
    picture = blank(style)
    # A machine's black is not its background: within the sector, nothing is brighter than the echo.
    picture[sector.top : sector.bottom, sector.left : sector.right][clip.fan] = 0
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    _draw_depth(draw, style, sector, clip.cm_per_pixel)
    _draw_marks(draw, style, sector)
    picture = np.array(canvas)
    if style.grey_bar:
        _draw_bar(picture, style, style.grey_bar)
    _label_depth(picture, style, sector, clip.cm_per_pixel)
    for block in style.texts:
        write(picture, block, words)
    if style.probe_mark == "letter":
        mark = TextBlock(at=_mark_at(sector), text="V", size=20, font="bold", colour=style.mark_colour)
        write(picture, mark, words)
    return picture


def blank(style: VendorStyle) -> Picture:
    """The background with its panels, to be drawn on."""
    picture = np.full((style.rows, style.columns, 3), style.background, np.uint8)
    for panel in style.panels:
        box = panel.box
        picture[box.top : box.bottom, box.left : box.right] = panel.outline or panel.colour
        picture[box.top + 1 : box.bottom - 1, box.left + 1 : box.right - 1] = panel.colour
    return picture


def _marks_of_depth(style: VendorStyle, sector: Region, cm_per_pixel: float) -> list[tuple[int, int, int]]:
    """Centimetres, and where on the screen."""
    marks = []
    for depth in range(1, int(sector.height * cm_per_pixel) + 1):
        down = depth / cm_per_pixel
        if style.depth.where == "along the edge":
            # Along the straight right edge; beyond its end the dots follow the corner.
            slope = (sector.width / 2) / np.sqrt(max(sector.height**2 - (sector.width / 2) ** 2, 1.0))
            angle = np.arctan(slope)
            x = (sector.left + sector.right) / 2 + down * np.sin(angle) + 8
            marks.append((depth, int(x), int(sector.top + down * np.cos(angle))))
        else:
            x = sector.right + 10 if style.depth.where == "right" else sector.left - 10
            marks.append((depth, int(x), int(sector.top + down)))
    return marks


def _draw_depth(draw: ImageDraw.ImageDraw, style: VendorStyle, sector: Region, cm_per_pixel: float) -> None:
    scale = style.depth
    for depth, x, y in _marks_of_depth(style, sector, cm_per_pixel):
        long = depth % scale.labelled_every_cm == 0
        if scale.where == "along the edge":
            radius = 2 if long else 1
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=scale.colour)
        else:
            length = scale.length * (2 if long else 1)
            draw.line([(x, y), (x + (length if scale.where == "right" else -length), y)], fill=scale.colour)


def _label_depth(picture: Picture, style: VendorStyle, sector: Region, cm_per_pixel: float) -> None:
    scale = style.depth
    if scale.where == "along the edge":
        return
    for depth, x, y in _marks_of_depth(style, sector, cm_per_pixel):
        if depth % scale.labelled_every_cm == 0:
            mask = letters(str(depth), size=12)
            beside = 2 * scale.length + 4
            left = x + beside if scale.where == "right" else x - beside - mask.shape[1]
            stamp(picture, mask, left=left, top=y - 8, colour=scale.colour)


def _mark_at(sector: Region) -> tuple[int, int]:
    return (sector.left + sector.right) // 2 + sector.width // 10, max(sector.top - 8, 0)


def _draw_marks(draw: ImageDraw.ImageDraw, style: VendorStyle, sector: Region) -> None:
    """The side of the probe's mark, and where the beam is focused."""
    x, y = _mark_at(sector)
    if style.probe_mark == "dot":
        draw.ellipse((x, y, x + 11, y + 11), fill=style.mark_colour)
    elif style.probe_mark == "wedge":
        draw.polygon([(x, y), (x + 14, y + 4), (x + 2, y + 14)], fill=style.mark_colour)
    focus = sector.top + round(0.55 * sector.height)
    if style.focus == "triangle":
        draw.polygon(
            [(sector.right + 2, focus), (sector.right + 8, focus - 4), (sector.right + 8, focus + 4)],
            fill=style.depth.colour,
        )
    elif style.focus == "line":
        draw.line([(sector.right + 4, focus - 26), (sector.right + 4, focus + 26)], fill=style.depth.colour, width=2)


def _draw_bar(picture: Picture, style: VendorStyle, bar: Region) -> None:
    """The colours of all grey levels, the brightest on top or at the right."""
    lies = bar.width > bar.height
    levels = np.linspace(0, 255, bar.width if lies else bar.height).astype(np.uint8)
    ramp = style.colours()[levels if lies else levels[::-1]]
    picture[bar.top : bar.bottom, bar.left : bar.right] = ramp[np.newaxis] if lies else ramp[:, np.newaxis]
