"""Video streams from FFmpeg's encoders, of clips whose every frame can be told from the others."""

from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pydicom
from av.video.reformatter import Interpolation
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HEVCM10P51,
    HEVCMP51,
    MPEG2MPHL,
    MPEG2MPML,
    MPEG2MPMLF,
    MPEG4HP41,
    MPEG4HP41BD,
    MPEG4HP422D,
    UID,
)

from tests.support.clips import made_clip

PATCHES = ((200, 40, 30), (20, 180, 60), (90, 90, 90), (30, 60, 220))
"""Flat colours along the lower edge of each frame, from left to right."""
BIT = 32
"""Pixels: the side of the squares along the upper edge, which are white where the frame's number has that bit."""
BITS = 6
BT709, BT601 = 1, 6
"""Matrix coefficients (ITU-T H.273, table 4)."""
_MATRIX_NAME = {None: "ITU601", BT601: "ITU601", BT709: "ITU709"}
_GOOD = {
    "mpeg2video": {"qmin": 1, "qmax": 2, "bit_rate": 20_000_000, "max_b_frames": 2},
    "libx264": {},
    "libx265": {},
}
_OPTIONS = {
    "mpeg2video": {},
    "libx264": {"crf": "8", "preset": "veryfast", "bf": "3"},
    "libx265": {"crf": "8", "preset": "ultrafast", "x265-params": "log-level=none:bframes=3"},
}

STREAMS: dict[str, tuple[UID, str, str, str]] = {
    "MPEG-2, elementary": (MPEG2MPML, "mpeg2video", "mpeg2video", "yuv420p"),
    "MPEG-2 in a transport stream": (MPEG2MPHL, "mpeg2video", "mpegts", "yuv420p"),
    "MPEG-2 in a program stream": (MPEG2MPMLF, "mpeg2video", "mpeg", "yuv420p"),
    "H.264, elementary": (MPEG4HP41, "libx264", "h264", "yuv420p"),
    "H.264 in a transport stream": (MPEG4HP41BD, "libx264", "mpegts", "yuv420p"),
    "H.264 in MP4": (MPEG4HP422D, "libx264", "mp4", "yuv420p"),
    "HEVC, elementary": (HEVCMP51, "libx265", "hevc", "yuv420p"),
    "HEVC in MP4": (HEVCMP51, "libx265", "mp4", "yuv420p"),
    "HEVC of 10 bits in a transport stream": (HEVCM10P51, "libx265", "mpegts", "yuv420p10le"),
}
"""Transfer syntax, encoder, container and pixel format; all reorder pictures (B)."""


def numbered_clip(number: int = 40, rows: int = 240, columns: int = 320) -> np.ndarray:
    """Frames of a moving texture, each with its number from 0 along the upper and `PATCHES` along the lower edge."""
    coarse = np.random.default_rng(0).integers(0, 256, (rows // 8 + 1, columns // 8 + 1, 3), np.uint8)
    texture = coarse.repeat(8, axis=0).repeat(8, axis=1)[:rows, :columns]
    frames = np.stack([np.roll(texture, 4 * index, axis=1) for index in range(number)])
    frames[:, :BIT] = 0
    for index, bit in np.ndindex(number, BITS):
        if index >> bit & 1:
            frames[index, :BIT, bit * BIT : (bit + 1) * BIT] = 255
    width = columns // len(PATCHES)
    for position, colour in enumerate(PATCHES):
        frames[:, -rows // 4 :, position * width : (position + 1) * width] = colour
    return frames


def number_in(picture: np.ndarray) -> int:
    """The number that a frame of `numbered_clip` carries."""
    middles = picture[BIT // 2, BIT // 2 : BITS * BIT : BIT].mean(axis=-1)
    return sum(1 << bit for bit, level in enumerate(middles) if level > 127)


def patches_in(picture: np.ndarray) -> np.ndarray:
    """The colours of the patches as they came out, [patches, 3]."""
    rows, columns = picture.shape[:2]
    width = columns // len(PATCHES)
    return np.stack([picture[-rows // 8, width * position + width // 2] for position in range(len(PATCHES))])


def video_stream(kind: str, frames: np.ndarray) -> bytes:
    """One of `STREAMS`, of these frames [frames, rows, columns, 3], at a high quality."""
    _, codec, container, pixel_format = STREAMS[kind]
    return encoded(frames, codec, container, pixel_format=pixel_format)


def video_instance(file: Path, kind: str, stream: bytes, frames: np.ndarray, **changes: object) -> Path:
    """An instance that holds this stream of these frames in two fragments, as long streams are."""
    made_clip(file, frames[:1], "RGB", NumberOfFrames=len(frames), **changes)
    dataset = pydicom.dcmread(file)
    dataset.PhotometricInterpretation = "YBR_PARTIAL_420"
    dataset.file_meta.TransferSyntaxUID = STREAMS[kind][0]
    half = len(stream) // 4 * 2
    dataset.PixelData = encapsulate([stream[:half], stream[half:]], has_bot=False)
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.save_as(file)
    return file


def encoded(
    frames: np.ndarray,
    codec: str,
    container: str,
    *,
    pixel_format: str = "yuv420p",
    matrix: int | None = None,
    full_range: bool | None = None,
    options: dict[str, str] | None = None,
    **attributes: object,
) -> bytes:
    """A stream; without `matrix` or `full_range` it does not say them, and is of BT.601 and of limited range."""
    file = BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=30, options=_OPTIONS[codec] | (options or {}))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixel_format
        context = stream.codec_context
        context.thread_count = 1
        context.colorspace = 2 if matrix is None else matrix
        context.color_range = 0 if full_range is None else 1 + full_range
        for name, value in (_GOOD[codec] | attributes).items():
            setattr(context, name, value)
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24").reformat(
                format=pixel_format,
                dst_colorspace=_MATRIX_NAME[matrix],
                dst_color_range="JPEG" if full_range else "MPEG",
                interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND,
            )
            # What a frame says of itself goes into the stream before what the encoder was told.
            picture.colorspace, picture.color_range = context.colorspace, context.color_range
            picture.pts, picture.time_base = index, Fraction(1, 30)
            output.mux(stream.encode(picture))
        output.mux(stream.encode())
    return file.getvalue()
