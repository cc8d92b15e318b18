"""What becomes of one file: its clip as the model will see it, or the reason why it gives none; for people to check."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import UID

from config.errors import ClipError
from dicom_node.header import read_header, read_image_header
from worker.pixels.clip import Clip, first_picture, read_clip
from worker.pixels.profiles import Profile
from worker.pixels.raw_numbers import read_number
from worker.pixels.regions import Region

_ORIGINS = {"machine": "as the machine says", "motion": "found by what moves", "picture": "found by what is bright"}


@dataclass(frozen=True, kw_only=True)
class Look:
    """One file under one profile; it names the instance and never the patient."""

    sop_instance_uid: str
    transfer_syntax: str
    rows: int
    columns: int
    number_of_frames: int
    profile: str
    clip: Clip | None
    skip_reason: str | None
    """Why there is no clip."""


def look_at(file: Path, profile: Profile) -> Look:
    """Read a file as the worker would.

    Raises
    ------
    UnreadableInstanceError
        It is no DICOM file.
    """
    identity = read_header(file)
    header = read_image_header(file)
    clip, skip_reason = None, None
    try:
        clip = read_clip(file, profile)
    except ClipError as error:
        skip_reason = error.reason
    return Look(
        sop_instance_uid=identity.sop_instance_uid,
        transfer_syntax=identity.transfer_syntax_uid,
        rows=clip.rows if clip else _count(header, "Rows"),
        columns=clip.columns if clip else _count(header, "Columns"),
        number_of_frames=clip.number_of_frames if clip else _count(header, "NumberOfFrames", otherwise=1),
        profile=profile.name,
        clip=clip,
        skip_reason=skip_reason,
    )


def picture_to_show(file: Path) -> npt.NDArray[np.uint8] | None:
    """The first frame, uint8 [rows, columns, 3] in RGB; None where there is none that can be decoded."""
    try:
        return first_picture(file)
    except ClipError:
        return None


def stated(look: Look) -> list[tuple[str, str]]:
    """The facts in words, each with its heading."""
    facts = [
        ("SOP Instance UID", look.sop_instance_uid),
        ("Transfer syntax", UID(look.transfer_syntax).name),
        ("Stored", f"{look.columns} x {look.rows} pixels, {_counted(look.number_of_frames, 'frame')}"),
        ("Profile", look.profile),
    ]
    if look.clip is None:
        return [*facts, ("Skipped", look.skip_reason or "")]
    return [*facts, *_of_clip(look.clip)]


def as_json(look: Look) -> dict[str, Any]:
    """The facts as JSON can hold them; times in milliseconds from the first frame, lengths in pixels or mm."""
    clip = look.clip
    return {
        "sop_instance_uid": look.sop_instance_uid,
        "transfer_syntax_uid": look.transfer_syntax,
        "rows": look.rows,
        "columns": look.columns,
        "number_of_frames": look.number_of_frames,
        "profile": look.profile,
        "skip_reason": look.skip_reason,
        "clip": None
        if clip is None
        else {
            "frame_numbers": clip.frame_numbers,
            "frame_times_ms": clip.frame_times_ms,
            "time_origin": clip.time_origin,
            "heart_rate": clip.heart_rate,
            "region": vars(clip.region),
            "region_origin": clip.region_origin,
            "pixel_spacing_mm": clip.pixel_spacing_mm,
            "contents": sorted(clip.contents),
            "notes": clip.notes,
        },
    }


def _of_clip(clip: Clip) -> list[tuple[str, str]]:
    span = f"{clip.frame_times_ms[0]:.0f} to {clip.frame_times_ms[-1]:.0f} ms"
    return [
        ("Sampled", f"{_counted(len(clip.frame_numbers), 'frame')}, {span}; times from {clip.time_origin}"),
        ("Heart rate", "unknown" if clip.heart_rate is None else f"{clip.heart_rate:.0f} a minute"),
        ("Region", f"{_placed(clip.region)}, {_ORIGINS.get(clip.region_origin, clip.region_origin)}"),
        ("Shows", ", ".join(sorted(clip.contents)) or "not known"),
        ("Pixel spacing", _spacing(clip.pixel_spacing_mm)),
        *(("Note", note) for note in clip.notes),
    ]


def _placed(region: Region) -> str:
    return f"{region.width} x {region.height} pixels at {region.left}, {region.top}"


def _spacing(spacing: tuple[float, float] | None) -> str:
    return "unknown" if spacing is None else f"{spacing[0]:.3f} mm down, {spacing[1]:.3f} mm across"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _count(header: Dataset, keyword: str, *, otherwise: int = 0) -> int:
    return int(read_number(header, keyword) or otherwise)
