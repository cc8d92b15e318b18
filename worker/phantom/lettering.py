"""Text on a screen, in the few hands that Pillow can write without a font of ours."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from worker.phantom.screen_parts import Font, TextBlock
from worker.phantom.words import Words

_PIXEL_FONT_HEIGHT = 11
_STRETCHED: dict[Font, float] = {"narrow": 0.8, "wide": 1.25}
"""Width of the letters against those of the plain font."""


def write(picture: npt.NDArray[np.uint8], block: TextBlock, words: Words) -> None:
    """Draw a block of text.

    Parameters
    ----------
    picture
        uint8 [rows, columns, 3], drawn on.
    words
        What the fields of its text stand for.
    """
    for index, line in enumerate(block.text.split("\n")):
        if line:
            mask = letters(line.format(**vars(words)), size=block.size, font=block.font)
            top = block.at[1] + round(index * block.size * block.spacing)
            left = block.at[0] - (mask.shape[1] if block.align == "right" else 0)
            stamp(picture, mask, left=left, top=top, colour=block.colour)


def stamp(
    picture: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.uint8],
    *,
    left: int,
    top: int,
    colour: tuple[int, int, int],
) -> None:
    """Paint a colour through a mask, uint8 [rows, columns] with 255 for opaque; what lies outside is cut off."""
    rows, columns = picture.shape[:2]
    first_row, first_column = max(top, 0), max(left, 0)
    shown = mask[first_row - top : rows - top, first_column - left : columns - left]
    place = picture[first_row : first_row + shown.shape[0], first_column : first_column + shown.shape[1]]
    opacity = shown[..., np.newaxis] / np.float32(255)
    place[...] = np.rint(place * (1 - opacity) + np.array(colour, np.float32) * opacity).astype(np.uint8)


@lru_cache(maxsize=2048)
def letters(text: str, *, size: int, font: Font = "plain") -> npt.NDArray[np.uint8]:
    """A line of text as a mask, uint8 [rows, columns]; `size` is the height of its letters in pixels."""
    if font == "pixels":
        times = max(1, round(size / _PIXEL_FONT_HEIGHT))
        small = _drawn(text, ImageFont.load_default_imagefont(), bold=False)
        return small.repeat(times, axis=0).repeat(times, axis=1)
    mask = _drawn(text, ImageFont.load_default(size), bold=font == "bold")
    width = round(mask.shape[1] * _STRETCHED.get(font, 1.0))
    if width == mask.shape[1]:
        return mask
    return np.asarray(Image.fromarray(mask).resize((max(width, 1), mask.shape[0]), Image.Resampling.BILINEAR))


def _drawn(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, *, bold: bool) -> npt.NDArray[np.uint8]:
    _, _, right, bottom = font.getbbox(text)
    picture = Image.new("L", (int(right) + 2, int(bottom) + 2))
    # Heavier by drawing twice: the font that comes with Pillow has one weight.
    for shift in (0, 1) if bold else (0,):
        ImageDraw.Draw(picture).text((shift, 0), text, fill=255, font=font)
    return np.array(picture)
