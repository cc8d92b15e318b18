"""The frames that a run's heat maps are of, as large as the machine stored them and as they were on its screen."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from config.errors import ClipError
from worker.pictures.heat import Heat
from worker.pixels.colour import Frame
from worker.pixels.frames import frames_of
from worker.pixels.source import open_instance

EDGE = 480
"""Rows and columns of a picture."""


def frames_shown(file: Path, heat: Heat) -> npt.NDArray[np.uint8]:
    """What the model saw of each frame, from the instance itself: uint8 [T, EDGE, EDGE, 3], RGB.

    Nothing outside the tissue's region is in it, where machines write names and dates.

    Raises
    ------
    ClipError
        A frame that was scored cannot be decoded any more.
    OSError
        The instance is not there, or cannot be read.
    """
    with open_instance(file) as instance:
        pictures = frames_of(instance).pictures([number - 1 for number in heat.frame_numbers])
        return np.stack(list(_cut(pictures, heat)))


def maps_shown(heat: Heat) -> npt.NDArray[np.float32]:
    """The maps as large as these frames: float32 [T, EDGE, EDGE], 0..1."""
    size = (EDGE, EDGE)
    fine = [np.asarray(Image.fromarray(each).resize(size, Image.Resampling.BICUBIC)) for each in heat.maps]
    maps: npt.NDArray[np.float32] = np.clip(np.stack(fine), 0, 1).astype(np.float32)  # the interpolation overshoots
    return maps


def _cut(pictures: Iterator[Frame | None], heat: Heat) -> Iterator[Frame]:
    left, top, right, bottom = heat.region
    for number, picture in zip(heat.frame_numbers, pictures, strict=True):
        if picture is None:
            raise ClipError(f"frame {number} of instance {heat.sop_instance_uid} cannot be decoded any more")
        tissue = np.zeros_like(picture)
        tissue[top:bottom, left:right] = picture[top:bottom, left:right]
        shown = Image.fromarray(tissue[heat.seen[1] : heat.seen[3], heat.seen[0] : heat.seen[2]])
        yield np.asarray(shown.resize((EDGE, EDGE), Image.Resampling.LANCZOS))
