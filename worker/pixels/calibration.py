"""What the machine says of its picture: Sequence of Ultrasound Regions, read with tolerance (PS3.3 C.8.5.5).

Real machines write a last pixel that is one past the picture, swapped corners, regions of no size, and leave
attributes out. What was odd is said in notes; what cannot be read is left out, with a note.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pydicom.dataset import Dataset

OUTSIDE = 0.02
"""A region that leaves the picture by more than this part of its side was written for another picture."""
SANE_SPACING_MM = (0.01, 5.0)
CENTIMETRES = 3
"""Physical Units X and Y Direction (0018,6024), (0018,6026)."""
LOW_PRIORITY = 0b1
"""Bit 0 of Region Flags (0018,6016): where regions overlap, the pixels belong to the other one."""


class Content(StrEnum):
    """What a region of an ultrasound picture shows."""

    TISSUE = "tissue"
    COLOUR_DOPPLER = "colour Doppler"
    SPECTRAL_DOPPLER = "spectral Doppler"
    M_MODE = "M-mode"
    ECG = "ECG"
    WAVE_FORM = "wave form"
    """A pulse, a phonocardiogram, respiration, or a curve of volumes or areas over time."""
    BAR = "grey or colour bar"
    GRAPHICS = "graphics"


PICTURES = frozenset({Content.TISSUE, Content.COLOUR_DOPPLER})
BY_SPATIAL_FORMAT = {
    0x0001: Content.TISSUE,
    0x0002: Content.M_MODE,
    0x0003: Content.SPECTRAL_DOPPLER,
    0x0004: Content.WAVE_FORM,
    0x0005: Content.GRAPHICS,
}
"""Region Spatial Format (0018,6012), PS3.3 C.8.5.5.1.1."""
BY_DATA_TYPE = {
    0x0001: Content.TISSUE,
    0x0002: Content.COLOUR_DOPPLER,
    0x0003: Content.SPECTRAL_DOPPLER,  # pulsed wave
    0x0004: Content.SPECTRAL_DOPPLER,  # continuous wave
    0x0005: Content.SPECTRAL_DOPPLER,  # its mean,
    0x0006: Content.SPECTRAL_DOPPLER,  # mode
    0x0007: Content.SPECTRAL_DOPPLER,  # and maximum, traced
    0x0008: Content.WAVE_FORM,  # volume
    0x0009: Content.WAVE_FORM,  # d(volume)/dt
    0x000A: Content.ECG,
    0x000B: Content.WAVE_FORM,  # pulse
    0x000C: Content.WAVE_FORM,  # phonocardiogram
    0x000D: Content.BAR,  # grey
    0x000E: Content.BAR,  # colour
    0x000F: Content.TISSUE,  # integrated backscatter
    0x0010: Content.WAVE_FORM,  # area
    0x0011: Content.WAVE_FORM,  # d(area)/dt
    0x0012: Content.WAVE_FORM,  # other physiological input: respiration
}
"""Region Data Type (0018,6014), PS3.3 C.8.5.5.1.2."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """A rectangle of the picture in pixels; `right` and `bottom` are one past the last column and row."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    @property
    def area(self) -> int:
        """In square pixels; 0 of a rectangle that is empty."""
        return max(self.width, 0) * max(self.height, 0)

    def common(self, other: "Region") -> "Region":
        """The part that lies in both, with an area of 0 when they are apart."""
        return Region(
            left=max(self.left, other.left),
            top=max(self.top, other.top),
            right=min(self.right, other.right),
            bottom=min(self.bottom, other.bottom),
        )


@dataclass(frozen=True, kw_only=True)
class Part:
    """One item of the sequence that could be read."""

    content: Content
    region: Region
    spacing_mm: tuple[float, float] | None
    low_priority: bool


@dataclass(frozen=True, kw_only=True)
class Described:
    """The whole sequence."""

    contents: frozenset[Content]
    """What its items show, those included whose place cannot be read."""
    parts: tuple[Part, ...]
    notes: tuple[str, ...]


def described_regions(header: Dataset, picture: Region) -> Described:
    """The items of Sequence of Ultrasound Regions (0018,6011) that can be read; of a file without one, none."""
    items = [(item, content) for item in _items(header) if (content := _content(item))]
    notes: list[str] = []
    parts = (_part(item, content, picture, notes) for item, content in items)
    return Described(
        contents=frozenset(content for _, content in items),
        parts=tuple(dict.fromkeys(part for part in parts if part)),
        notes=tuple(dict.fromkeys(notes)),
    )


def _items(header: Dataset) -> list[Dataset]:
    # A sequence of an unknown or wrong value representation arrives as bytes or text.
    value = header.get("SequenceOfUltrasoundRegions")
    listed = isinstance(value, Iterable) and not isinstance(value, (bytes, str))
    return [item for item in value if isinstance(item, Dataset)] if listed else []


def _content(item: Dataset) -> Content | None:
    """What an item shows; its two codes may disagree, or one be missing."""
    by_format = BY_SPATIAL_FORMAT.get(_whole(item, "RegionSpatialFormat") or 0)
    by_type = BY_DATA_TYPE.get(_whole(item, "RegionDataType") or 0)
    if by_format is None or by_format is Content.TISSUE or by_type is Content.BAR:
        return by_type or by_format
    if by_format is Content.WAVE_FORM and by_type not in (None, *PICTURES):
        return by_type
    return by_format  # colour M-mode is M-mode, whatever it is made of


def _part(item: Dataset, content: Content, picture: Region, notes: list[str]) -> Part | None:
    if _whole(item, "RegionSpatialFormat") is None:
        notes.append(f"a region without a spatial format was taken for {content}")
    region = _location(item, notes)
    if region is None:
        notes.append(f"a region of {content} without a location was left out")
        return None
    if not _belongs(region, picture):
        notes.append(f"a region of {content} lies outside the picture and was left out")
        return None
    region = region.common(picture)
    if region.area == 0:
        notes.append(f"a region of {content} has no size and was left out")
        return None
    return Part(
        content=content,
        region=region,
        spacing_mm=_spacing_mm(item, notes) if content in PICTURES else None,
        low_priority=bool((_whole(item, "RegionFlags") or 0) & LOW_PRIORITY),
    )


def _location(item: Dataset, notes: list[str]) -> Region | None:
    """The rectangle from its first to its last pixel, both inside it."""
    corners = [_whole(item, f"RegionLocation{name}") for name in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
    if any(corner is None for corner in corners):
        return None
    left, top, right, bottom = (corner or 0 for corner in corners)
    if left > right or top > bottom:
        notes.append("a region's first and last pixel were swapped")
        left, right, top, bottom = min(left, right), max(left, right), min(top, bottom), max(top, bottom)
    if left == right or top == bottom:
        return Region(left=left, top=top, right=left, bottom=top)
    return Region(left=left, top=top, right=right + 1, bottom=bottom + 1)


def _belongs(region: Region, picture: Region) -> bool:
    # Max as one past the last pixel is within this tolerance in every picture.
    tolerance_x, tolerance_y = max(OUTSIDE * picture.width, 2), max(OUTSIDE * picture.height, 2)
    return (
        region.left >= -tolerance_x
        and region.top >= -tolerance_y
        and region.right <= picture.right + tolerance_x
        and region.bottom <= picture.bottom + tolerance_y
    )


def _spacing_mm(item: Dataset, notes: list[str]) -> tuple[float, float] | None:
    units = {_whole(item, "PhysicalUnitsXDirection"), _whole(item, "PhysicalUnitsYDirection")}
    deltas = [_number(item, "PhysicalDeltaY"), _number(item, "PhysicalDeltaX")]
    least, most = SANE_SPACING_MM
    if units != {CENTIMETRES}:
        notes.append("the picture is not calibrated in cm: no pixel spacing")
        return None
    vertical, horizontal = ((delta or 0) * 10 for delta in deltas)
    if not (least <= vertical <= most and least <= horizontal <= most):
        notes.append("the picture's calibration is not credible: no pixel spacing")
        return None
    return vertical, horizontal


def _whole(item: Dataset, keyword: str) -> int | None:
    number = _number(item, keyword)
    return None if number is None else int(number)


def _number(item: Dataset, keyword: str) -> float | None:
    try:
        number = float(item.get(keyword))
    except (TypeError, ValueError):
        return None
    return number if abs(number) < 2**32 else None  # neither infinite nor NaN
