"""Frames as DICOM stores them, and what lossy coding leaves of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

Picture = npt.NDArray[np.uint8]
"""[rows, columns, 3], RGB."""


@dataclass(frozen=True, kw_only=True)
class Coding:
    """How frames of one transfer syntax are written."""

    photometric: str
    """Photometric Interpretation (0028,0004) of what is stored (PS3.5 section 8.2)."""
    encode: Callable[[Picture], bytes]
    lossy: bool = False


def coding_of(syntax: UID, *, jpeg_quality: int) -> Coding:
    """How an RGB picture is written in this transfer syntax; `jpeg_quality` is 1..100.

    Raises
    ------
    KeyError
        It is none of those that the styles name.
    """
    codings: dict[UID, Coding] = {
        ExplicitVRLittleEndian: Coding(photometric="RGB", encode=np.ndarray.tobytes),
        JPEGBaseline8Bit: Coding(photometric="YBR_FULL_422", encode=partial(_jpeg, quality=jpeg_quality), lossy=True),
        JPEGLosslessSV1: Coding(photometric="RGB", encode=_jpeg_lossless),
        JPEG2000Lossless: Coding(photometric="YBR_RCT", encode=_jpeg_2000),
        RLELossless: Coding(photometric="RGB", encode=_rle),
    }
    return codings[syntax]


def jpeg_round_trip(frames: Iterable[Picture], *, quality: int) -> npt.NDArray[np.uint8]:
    """Frames as they come back from JPEG Baseline with half the colour resolution across: uint8 [T, rows, columns, 3].

    What a clip in memory lacks of one that was stored: the same blocks and ringing that the scoring worker sees.
    """
    return np.stack([imagecodecs.jpeg8_decode(_jpeg(frame, quality=quality)) for frame in frames])


def _jpeg(picture: Picture, *, quality: int) -> bytes:
    return bytes(
        imagecodecs.jpeg8_encode(picture, level=quality, colorspace="RGB", outcolorspace="YCbCr", subsampling="422")
    )


def _jpeg_lossless(picture: Picture) -> bytes:
    stream = imagecodecs.jpeg8_encode(picture, lossless=True, predictor=1, colorspace="RGB", outcolorspace="RGB")
    return bytes(stream)


def _jpeg_2000(picture: Picture) -> bytes:
    stream = imagecodecs.jpeg2k_encode(picture, codecformat="j2k", reversible=True, mct=True, numthreads=1)
    return bytes(stream)


def _rle(picture: Picture) -> bytes:
    """PS3.5 annex G: 64 bytes of offsets, then a segment for each plane, packed row by row, of even length."""
    segments = []
    for channel in range(3):
        packed = b"".join(imagecodecs.packbits_encode(row.tobytes()) for row in picture[..., channel])
        segments.append(packed + b"\0" * (len(packed) % 2))
    offsets = np.cumsum([64, *map(len, segments[:-1])])
    header = np.zeros(16, "<u4")
    header[0], header[1:4] = 3, offsets
    return header.tobytes() + b"".join(segments)
