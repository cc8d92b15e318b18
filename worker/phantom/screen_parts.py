"""What a description of an echo machine's screen is made of: what stands where, and in which colours."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydicom.uid import UID, JPEGLosslessSV1

from worker.pixels.regions import Region

Colour = tuple[int, int, int]
Font = Literal["plain", "bold", "narrow", "wide", "pixels"]
WHITE: Colour = (232, 232, 232)
GREY: Colour = (150, 150, 150)


@dataclass(frozen=True, kw_only=True)
class TextBlock:
    """Lines of text, one below the other."""

    at: tuple[int, int]
    """Pixels from the left and from the top, of the first line's upper corner on the side of `align`."""
    text: str
    """Its lines, with the fields of `worker.phantom.words.Words` in braces."""
    size: int = 14
    """Of the letters, in pixels."""
    colour: Colour = WHITE
    font: Font = "plain"
    align: Literal["left", "right"] = "left"
    spacing: float = 1.2
    """From line to line, in heights of the letters."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A filled rectangle: a banner, a button."""

    box: Region
    colour: Colour
    outline: Colour | None = None


@dataclass(frozen=True, kw_only=True)
class DepthScale:
    """Marks of depth, one for each centimetre."""

    where: Literal["left", "right", "along the edge"]
    """Beside the place of the sector, or as dots along its right edge."""
    colour: Colour = GREY
    labelled_every_cm: int = 5
    length: int = 6
    """Of a mark in pixels; those that are labelled are twice as long."""


@dataclass(frozen=True, kw_only=True)
class Electrocardiogram:
    """The trace below the sector, or over it."""

    box: Region
    colour: Colour
    kind: Literal["sweep", "cursor"]
    """Drawn from left to right over what is there, again and again; or the clip's whole trace with a cursor on it."""
    span_s: float = 3.0
    """Of a sweep, from one side to the other."""
    width: int = 2
    cursor: Colour = WHITE


@dataclass(frozen=True, kw_only=True)
class VendorStyle:
    """One invented machine."""

    name: str
    manufacturer: str
    model: str
    rows: int
    columns: int
    sector: Region
    """Where the sector's box may lie: its top in the middle, as large as fits."""
    region: Literal["sector", "place", "none"]
    """What it writes as Sequence of Ultrasound Regions: the box around the sector, all of `sector`, or nothing."""
    texts: tuple[TextBlock, ...]
    depth: DepthScale
    panels: tuple[Panel, ...] = ()
    background: Colour = (0, 0, 0)
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Exponents of red, green and blue over the grey level, which stays white at its top: below 1 is more of it."""
    gamma: float = 1.0
    """Of the grey map, before the tint."""
    grey_bar: Region | None = None
    ecg: Electrocardiogram | None = None
    probe_mark: Literal["dot", "letter", "wedge"] = "dot"
    """Beside the apex: which side the probe's mark is on."""
    mark_colour: Colour = (90, 200, 120)
    focus: Literal["triangle", "line", "none"] = "triangle"
    jpeg_quality: int = 80
    other_syntaxes: tuple[UID, ...] = (JPEGLosslessSV1,)
    """What some of its clips are written in; the others are in JPEG Baseline."""
    retired_codes: bool = False
    """Whether its reports name concepts by SNOMED's retired identifiers (SRT), as older software does."""

    def sector_shape(self, half_angle_deg: float) -> tuple[int, int]:
        """Rows and columns of the box of a sector of this angle, as large as its place allows."""
        width_of_height = 2 * float(np.sin(np.radians(half_angle_deg)))
        rows = min(self.sector.height, int(self.sector.width / width_of_height))
        return rows, min(self.sector.width, round(rows * width_of_height))

    def colours(self) -> npt.NDArray[np.uint8]:
        """uint8 [256, 3]: the colour of each grey level of B-mode, black for 0."""
        level = (np.arange(256) / 255)[:, np.newaxis] ** self.gamma
        return np.asarray(np.rint(255 * level ** np.array(self.tint)), np.uint8)
