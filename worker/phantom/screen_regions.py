"""What a machine says of its screens: Sequence of Ultrasound Regions (PS3.3 section C.8.5.5) of clips and stills."""

from pydicom.dataset import Dataset

from worker.phantom.screen import Screen
from worker.phantom.screen_parts import VendorStyle
from worker.phantom.spectral_doppler import SpectralStill
from worker.pixels.regions import Region

TISSUE, CONTINUOUS_WAVE = (1, 1), (3, 4)
"""Region Spatial Format (0018,6012) and Region Data Type (0018,6014)."""
CM, SECONDS, CM_PER_SECOND = 3, 4, 7
"""Physical Units X and Y Direction (0018,6024), (0018,6026)."""
_FLAGS = 2
"""Region Flags (0018,6016): of high priority, its scaling stays."""


def regions_of_clip(screen: Screen, style: VendorStyle, cm_per_pixel: float) -> list[Dataset]:
    """The picture of tissue, whose coordinates begin at the sector's apex; none from a machine that writes none."""
    if style.region == "none":
        return []
    apex = (screen.sector.left + screen.sector.width // 2, screen.sector.top)
    return [_tissue(screen.region, cm_per_pixel, apex)]


def regions_of_spectral_still(still: SpectralStill, style: VendorStyle, cm_per_pixel: float) -> list[Dataset]:
    """The trace, and the frozen picture above it; `cm_per_pixel` is that of the clip it was frozen from."""
    if style.region == "none":
        return []
    trace = _item(still.trace, CONTINUOUS_WAVE)
    trace.PhysicalUnitsXDirection, trace.PhysicalUnitsYDirection = SECONDS, CM_PER_SECOND
    trace.ReferencePixelX0, trace.ReferencePixelY0 = 0, still.baseline
    trace.PhysicalDeltaX, trace.PhysicalDeltaY = still.seconds_per_pixel, still.cm_per_second_per_pixel
    apex = (still.frozen.left + still.frozen.width // 2, still.frozen.top)
    return [trace, _tissue(still.frozen, cm_per_pixel / still.shrunk, apex)]


def _tissue(region: Region, cm_per_pixel: float, apex: tuple[int, int]) -> Dataset:
    item = _item(region, TISSUE)
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = CM
    item.ReferencePixelX0, item.ReferencePixelY0 = apex[0] - region.left, apex[1] - region.top
    item.PhysicalDeltaX = item.PhysicalDeltaY = cm_per_pixel
    return item


def _item(region: Region, kind: tuple[int, int]) -> Dataset:
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType = kind
    item.RegionFlags = _FLAGS
    item.RegionLocationMinX0, item.RegionLocationMinY0 = region.left, region.top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = region.right - 1, region.bottom - 1
    item.ReferencePixelPhysicalValueX = item.ReferencePixelPhysicalValueY = 0.0
    return item
