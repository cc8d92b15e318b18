"""The frames of an instance as browsers show them: JPEG (ITU-T T.81), one a frame, in the instance's own size.

A frame that came as JPEG is handed on byte for byte; any other is decoded as for the model, and encoded. Nothing here
loads torch.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image

from config.errors import ClipError
from worker.pixels.colour import Frame
from worker.pixels.faults import faults_named
from worker.pixels.frames import Frames, frames_of
from worker.pixels.source import open_instance
from worker.pixels.timing import frame_times

QUALITY = 92
STRIP_HEIGHT = 144
"""Pixels."""
MOST_IN_STRIP = 64


def frame_as_jpeg(location: Path | str, number: int) -> bytes:
    """One frame of an instance; `number` counts from 1.

    Raises
    ------
    ClipError
        It has no such frame, or it cannot be decoded; the message says why.
    OSError
        The instance is not there, or cannot be read.
    """
    with faults_named(), open_instance(location) as instance:
        frames = frames_of(instance)
        if not 1 <= number <= frames.count:
            raise ClipError(f"there is no frame {number}: it has {frames.count}")
        (shown,) = _jpegs(frames, [number - 1])
        if shown is None:
            raise ClipError(f"frame {number} is damaged")
        return shown


def packed_frames(location: Path | str) -> Iterator[bytes]:
    """All frames of an instance, to be read one after the other.

    Each part begins with its length (four bytes, the most significant first). The first part is JSON: `frames`, how
    many there are; `times_ms`, when each was taken, from the first on; `origin`, what says so (`worker.pixels.timing`).
    Then comes each frame as JPEG; of one that is damaged, nothing.

    Raises
    ------
    ClipError
        There are no pixels, or the first frame of a video cannot be decoded: before anything is given.
    OSError
        Likewise, the instance is not there, or cannot be read.
    """
    with faults_named(), open_instance(location) as instance:
        frames = frames_of(instance)
        times = frame_times(frames.header, frames.count)
        shown = _jpegs(frames, range(frames.count))
        first = next(shown, None)
        said = {"frames": frames.count, "times_ms": times.milliseconds, "origin": times.origin}
        yield _part(json.dumps(said).encode())
        yield _part(first or b"")
        for jpeg in shown:
            yield _part(jpeg or b"")


def strip_as_jpeg(location: Path | str, numbers: Sequence[int]) -> bytes:
    """These frames of an instance (counted from 1, ascending) side by side, `STRIP_HEIGHT` pixels high.

    Raises
    ------
    ClipError
        None of them can be decoded; the message says why.
    OSError
        The instance is not there, or cannot be read.
    """
    with faults_named(), open_instance(location) as instance:
        frames = frames_of(instance)
        wanted = [number - 1 for number in numbers if 1 <= number <= frames.count][:MOST_IN_STRIP]
        small = [_small(picture) for picture in frames.pictures(wanted) if picture is not None]
        if not small:
            raise ClipError("none of these frames can be decoded")
        return _encoded(np.concatenate(small, axis=1))


def _jpegs(frames: Frames, indices: Sequence[int]) -> Iterator[bytes | None]:
    """Each as JPEG; None of one that is damaged."""
    if frames.count and frames.as_browsers_show(0) is None:  # no JPEG, or a video: in one go
        yield from (None if picture is None else _encoded(picture) for picture in frames.pictures(indices))
        return
    for index in indices:
        came = frames.as_browsers_show(index)
        if came is not None:
            yield came
            continue
        (picture,) = frames.pictures([index])
        yield None if picture is None else _encoded(picture)


def _encoded(picture: Frame) -> bytes:
    plain = np.ascontiguousarray(picture)
    return bytes(imagecodecs.jpeg8_encode(plain, level=QUALITY, colorspace="RGB", outcolorspace="YCbCr"))


def _small(picture: Frame) -> Frame:
    rows, columns = picture.shape[:2]
    size = (max(round(columns * STRIP_HEIGHT / rows), 1), STRIP_HEIGHT)
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize(size, Image.Resampling.BILINEAR))


def _part(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content
