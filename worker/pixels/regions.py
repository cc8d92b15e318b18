"""Where in the picture the heart is: the machine's own calibrated regions (PS3.3 section C.8.5.5)."""

from dataclasses import dataclass

from pydicom.dataset import Dataset

from config.errors import ClipError

TWO_DIMENSIONAL = 0x0001
"""Region Spatial Format (0018,6012): a sector or rectangle of tissue, not a trace."""
TRACES = {0x0002: "M-mode", 0x0003: "spectral Doppler", 0x0004: "wave form"}
TISSUE = 0x0001
"""Region Data Type (0018,6014): grey tissue, without colour over it."""
MINIMUM_SIDE = 64
"""Pixels; a smaller picture has nothing left that the model could see at 224 x 224."""


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


@dataclass(frozen=True, kw_only=True)
class ChosenRegion:
    """The region to crop to, and what people should know of the choice."""

    region: Region
    notes: tuple[str, ...] = ()


def choose_region(header: Dataset) -> ChosenRegion:
    """The largest two-dimensional region; the whole picture where the machine names none that can be used.

    Raises
    ------
    ClipError
        The picture shows traces alone (M-mode, Doppler), or is too small.
    """
    picture = Region(left=0, top=0, right=int(header.Columns), bottom=int(header.Rows))
    _refuse_small(picture)
    described = list(header.get("SequenceOfUltrasoundRegions", []))
    pictures = [item for item in described if item.get("RegionSpatialFormat") == TWO_DIMENSIONAL]
    if described and not pictures:
        _refuse_traces(described)
    usable = [(region, item) for item in pictures if _fits(region := _region(item), picture)]
    if not usable:
        notes = ("the machine's region lies outside the picture: the whole picture was used",) if pictures else ()
        return ChosenRegion(region=picture, notes=notes)
    region, item = max(usable, key=lambda pair: pair[0].width * pair[0].height)
    coloured = item.get("RegionDataType", TISSUE) != TISSUE
    return ChosenRegion(region=region, notes=("colour over the tissue",) if coloured else ())


def _region(item: Dataset) -> Region:
    # The locations name the first and the last pixel of the region, both inside it.
    return Region(
        left=int(item.RegionLocationMinX0),
        top=int(item.RegionLocationMinY0),
        right=int(item.RegionLocationMaxX1) + 1,
        bottom=int(item.RegionLocationMaxY1) + 1,
    )


def _fits(region: Region, picture: Region) -> bool:
    # Machines write Max as the last pixel or as one past it: one pixel too many is within the picture.
    inside = region.right <= picture.right + 1 and region.bottom <= picture.bottom + 1
    return inside and min(region.width, region.height) >= MINIMUM_SIDE


def _refuse_small(picture: Region) -> None:
    if min(picture.width, picture.height) < MINIMUM_SIDE:
        raise ClipError(f"too small: {picture.width} x {picture.height} pixels")


def _refuse_traces(described: list[Dataset]) -> None:
    seen = {TRACES.get(item.get("RegionSpatialFormat"), "") for item in described} - {""}
    if seen:
        raise ClipError(f"no picture of the heart, only {' and '.join(sorted(seen))}")
