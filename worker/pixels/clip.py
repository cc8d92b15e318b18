"""One DICOM instance becomes one clip for the model, or a reason why not, in words for the report."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.uid import UltrasoundImageStorage, UltrasoundMultiFrameImageStorage

from dicom_node.contexts import RETIRED_ULTRASOUND
from worker.pixels.frames import frames_of
from worker.pixels.profiles import FAST, Profile
from worker.pixels.regions import Content, Region
from worker.pixels.source import open_instance
from worker.pixels.timing import frame_times

ULTRASOUND_IMAGES = {UltrasoundMultiFrameImageStorage, UltrasoundImageStorage, *RETIRED_ULTRASOUND}
MINIMUM_FRAMES = 8
"""Fewer frames than this show less than a third of a heartbeat at 30 frames a second: nothing to read a cycle from."""
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
    """Who says that this is where the picture is: `machine`, `motion` or `picture` (all of it)."""
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
    with _faults_named(), open_instance(location) as instance:
        _require_ultrasound(instance.header)
        frames = frames_of(instance)
        _require_length(frames.count)
        times = frame_times(frames.header, frames.count)
        sample = profile.sample(times)
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
