"""One DICOM instance becomes one clip for the model, or a reason why not, in words for the report."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import UID, UltrasoundImageStorage, UltrasoundMultiFrameImageStorage

from config.errors import ClipError
from config.reasons import Reason, ReasonKind
from dicom_node.contexts import RETIRED_ULTRASOUND
from worker.pixels.colour import Frame
from worker.pixels.faults import faults_named
from worker.pixels.frames import Frames, frames_of
from worker.pixels.profiles import FAST, SIDE, Profile
from worker.pixels.regions import MINIMUM_SIDE, Content, Layout, Region, machine_layout
from worker.pixels.sampling import Sample
from worker.pixels.sector import find_sector, refined
from worker.pixels.source import open_instance
from worker.pixels.timing import frame_times

ULTRASOUND_IMAGES = {UltrasoundMultiFrameImageStorage, UltrasoundImageStorage, *RETIRED_ULTRASOUND}
MINIMUM_FRAMES = 8
"""Fewer frames than this show less than a third of a heartbeat at 30 frames a second: nothing to read a cycle from."""
MINIMUM_SAMPLED = 4
"""Of them; the published sampling takes every second."""
LOOKED_AT_FOR_SECTOR = 8
"""How many of the sampled frames are compared to find what moves."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """The sampled frames of one instance, ready for the image tower, and what is known of them."""

    sop_instance_uid: str
    frames: npt.NDArray[np.uint8]
    """[T, 224, 224, 3], in the order of channels of the profile."""
    frame_numbers: tuple[int, ...]
    """Which frames of the instance these are, counted from 1."""
    frame_times_ms: tuple[float, ...]
    """When each of them was taken, in milliseconds from the instance's first frame."""
    time_origin: str
    """Which attribute the times are from."""
    heart_rate: float | None
    """Beats a minute."""
    region: Region
    region_origin: str
    """Who says that this is where the picture is: `machine`, `motion` or `picture`, as in `Layout`."""
    pixel_spacing_mm: tuple[float, float] | None
    """Of the instance's own pixels within the region, down and across."""
    contents: frozenset[Content]
    notes: tuple[str, ...]
    profile: str
    rows: int
    columns: int
    transfer_syntax: str
    number_of_frames: int


def read_clip(location: Path | str, profile: Profile = FAST) -> Clip:
    """Read the frames of a multiframe ultrasound instance that the model is to see.

    Parameters
    ----------
    location
        A file, or an object in a bucket by its URL.

    Raises
    ------
    ClipError
        The instance is no ultrasound clip, is a still or too short, shows no picture of tissue, or cannot be decoded;
        the message says which.
    OSError
        It is not there, or cannot be read.
    """
    with faults_named(), open_instance(location) as instance:
        _require_ultrasound(instance.header)
        frames = frames_of(instance)
        _require_size(frames)
        times = frame_times(frames.header, frames.count)
        sample = profile.sample(times)
        _require_sample(sample)
        layout, pictures = _layout(frames, sample.indices)
        shown, numbers = _model_frames(pictures, sample.indices, layout.region, profile)
        return Clip(
            sop_instance_uid=str(frames.header.SOPInstanceUID),
            frames=shown,
            frame_numbers=tuple(index + 1 for index in numbers),
            frame_times_ms=tuple(times.milliseconds[index] for index in numbers),
            time_origin=times.origin,
            heart_rate=times.heart_rate,
            region=layout.region,
            region_origin=layout.origin,
            pixel_spacing_mm=layout.pixel_spacing_mm,
            contents=layout.contents,
            notes=(*frames.notes, *times.notes, *sample.notes, *layout.notes, *_left_out(sample.indices, numbers)),
            profile=profile.name,
            rows=frames.format.rows,
            columns=frames.format.columns,
            transfer_syntax=frames.format.transfer_syntax,
            number_of_frames=frames.count,
        )


def first_picture(location: Path | str) -> Frame:
    """The first frame of an instance as a screen shows it: uint8 [rows, columns, 3], RGB.

    Raises
    ------
    ClipError
        It has no picture, or its first one cannot be decoded.
    OSError
        It is not there, or cannot be read.
    """
    with faults_named(), open_instance(location) as instance:
        (picture,) = frames_of(instance).pictures([0])
        if picture is None:
            raise ClipError("the first frame cannot be decoded")
        return picture


def _require_ultrasound(header: Dataset) -> None:
    sop_class = UID(header.SOPClassUID)
    if sop_class not in ULTRASOUND_IMAGES:
        raise ClipError(Reason(ReasonKind.NOT_ULTRASOUND, sop_class=sop_class.name))


def _require_size(frames: Frames) -> None:
    if frames.count == 1:
        raise ClipError(Reason(ReasonKind.STILL_IMAGE))
    if frames.count < MINIMUM_FRAMES:
        raise ClipError(Reason(ReasonKind.TOO_SHORT, frames=frames.count, needed=MINIMUM_FRAMES))
    rows, columns = frames.format.rows, frames.format.columns
    if min(rows, columns) < MINIMUM_SIDE:
        raise ClipError(Reason(ReasonKind.TOO_SMALL, columns=columns, rows=rows))


def _require_sample(sample: Sample) -> None:
    if len(sample.indices) < MINIMUM_SAMPLED:
        raise ClipError(Reason(ReasonKind.TOO_SLOW, frames=len(sample.indices), needed=MINIMUM_SAMPLED))


def _layout(frames: Frames, indices: Sequence[int]) -> tuple[Layout, Iterator[Frame | None]]:
    """Where the tissue is, and the pictures at the indices; those that were decoded to find it, not once more."""
    described = machine_layout(frames.header, frames.format.rows, frames.format.columns)
    looked_at = indices[:: -(-len(indices) // LOOKED_AT_FOR_SECTOR)]
    seen = dict(zip(looked_at, frames.pictures(looked_at), strict=True))
    readable = [picture for picture in seen.values() if picture is not None]
    if len(readable) < 2:
        raise ClipError(_too_few(len(readable), len(looked_at)))
    layout = find_sector(readable) if described is None else refined(described, readable)
    if described is None and "SequenceOfUltrasoundRegions" in frames.header:
        layout = replace(layout, notes=("the machine's regions cannot be used", *layout.notes))
    others = frames.pictures([index for index in indices if index not in seen])
    return layout, (seen[index] if index in seen else next(others) for index in indices)


def _model_frames(
    pictures: Iterable[Frame | None], indices: Sequence[int], region: Region, profile: Profile
) -> tuple[npt.NDArray[np.uint8], list[int]]:
    """What the model sees of the pictures, and the indices of those that are not damaged."""
    shown = np.empty((len(indices), SIDE, SIDE, 3), np.uint8)
    whole: list[int] = []
    for index, picture in zip(indices, pictures, strict=True):
        if picture is not None:
            shown[len(whole)] = profile.model_frame(picture, region)
            whole.append(index)
    if 2 * len(whole) < len(indices):
        raise ClipError(_too_few(len(whole), len(indices)))
    return shown[: len(whole)], whole


def _too_few(whole: int, sampled: int) -> Reason:
    return Reason(ReasonKind.TOO_FEW_WHOLE, whole=whole, sampled=sampled)


def _left_out(sampled: Sequence[int], whole: Sequence[int]) -> tuple[str, ...]:
    damaged = [str(index + 1) for index in sampled if index not in whole]
    return (f"damaged and left out: frame {', '.join(damaged)}",) if damaged else ()
