"""Video inside an instance: MPEG-2, H.264 and HEVC (PS3.5 sections 8.2.5 to 8.2.11), a picture at a time.

All fragments of such an instance, joined, are one stream: an elementary one, an MPEG-2 transport or program stream, or
an MP4 file. It is read once, from its start, and no further than the last picture that is wanted: pictures depend on
those before them, and jumping to a key frame would need an index that most of these streams do not have.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO, cast

import av
import numpy as np
import numpy.typing as npt
from av.container.input import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from pydicom.uid import (
    HEVCM10P51,
    HEVCMP51,
    MPEG2MPHL,
    MPEG2MPHLF,
    MPEG2MPML,
    MPEG2MPMLF,
    MPEG4HP41,
    MPEG4HP41BD,
    MPEG4HP41BDF,
    MPEG4HP41F,
    MPEG4HP42STEREO,
    MPEG4HP42STEREOF,
    MPEG4HP422D,
    MPEG4HP422DF,
    MPEG4HP423D,
    MPEG4HP423DF,
    UID,
)

from config.errors import ClipError

_MPEG2 = (MPEG2MPML, MPEG2MPMLF, MPEG2MPHL, MPEG2MPHLF)
_H264 = (
    *(MPEG4HP41, MPEG4HP41F, MPEG4HP41BD, MPEG4HP41BDF, MPEG4HP422D, MPEG4HP422DF),
    *(MPEG4HP423D, MPEG4HP423DF, MPEG4HP42STEREO, MPEG4HP42STEREOF),
)
_HEVC = (HEVCMP51, HEVCM10P51)

CODEC_OF: dict[UID, str] = {
    **dict.fromkeys(_MPEG2, "mpeg2video"),
    **dict.fromkeys(_H264, "h264"),
    **dict.fromkeys(_HEVC, "hevc"),
}
"""The transfer syntaxes whose pixel data are one video stream, and the name of the decoder for each."""

_CHUNK = 1 << 16
_PROBED = 1 << 20
"""Bytes of a container that are searched for its streams."""
_LARGEST_PICTURE = 8_912_896
"""Pixels: level 5.1 of HEVC, the largest of these transfer syntaxes (ITU-T H.265, table A.8). A damaged stream may
claim 16384 x 16384, and the decoder takes the memory before anything of the picture is read."""
_TRANSPORT_PACKET = 188
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")

_DECODING = {
    "max_pixels": str(_LARGEST_PICTURE),
    # What cannot be decoded is an error; by default a decoder invents what is missing, from the pictures before.
    "err_detect": "explode",
    # Without it, H.264 that does not say how far it reorders is shown out of order until the decoder has found out.
    "strict": "strict",
}
_DEMULTIPLEXING = {
    "probesize": str(_PROBED),
    "protocol_whitelist": "none",
    # While it looks what streams there are, FFmpeg decodes a little of each: of no other codec.
    "codec_whitelist": ",".join(sorted(set(CODEC_OF.values()))),
    # PyAV 18 keeps a byte for each stream there is at first, and reads on behind them where damage makes more appear;
    # so few end within what malloc gives at least.
    "max_streams": "16",
    **_DECODING,
}

_RGB_MATRIX, _UNSPECIFIED_MATRIX, _RESERVED_MATRIX, _BT601_MATRIX = 0, 2, 3, 6
"""Matrix coefficients as streams number them (ITU-T H.273, table 4)."""


def count_frames(stream: BinaryIO | bytes, *, transfer_syntax: UID) -> int:
    """How many coded pictures the stream holds, found without decoding them.

    A machine that codes the two fields of an interlaced picture apart has two of them for each frame, so take the
    smaller of this and Number of Frames (0028,0008).

    Raises
    ------
    ClipError
        The bytes are no video stream.
    """
    with _opened(stream, transfer_syntax) as video:
        return sum(1 for _ in video.packets)


def decode_video(
    stream: BinaryIO | bytes, indices: Sequence[int], *, transfer_syntax: UID, rows: int, columns: int
) -> Iterator[npt.NDArray[np.uint8]]:
    """Decode the frames at `indices`: from 0, ascending, counted in the order in which they are shown.

    Each is uint8 [rows, columns, 3], RGB. The two fields of an interlaced frame stay woven, and pixels that are not
    square stay so, as with every other transfer syntax. Decoding runs on one thread and without the GIL.

    Parameters
    ----------
    stream
        All fragments, joined; a file is read from its start.
    transfer_syntax
        One of `CODEC_OF`.
    rows, columns
        What the header says. Regions are given in its pixels, so a stream of other pictures is refused.

    Raises
    ------
    ClipError
        The stream is damaged or ends before the last wanted frame; frames before that have been given. Where the
        decoder notices damage it stops, and makes up no picture.
    """
    wanted = iter(indices)
    due = next(wanted, None)
    shown = 0
    with _opened(stream, transfer_syntax) as video:
        reformatter = VideoReformatter()
        for shown, picture in enumerate(video.pictures(), start=1):
            if (picture.width, picture.height) != (columns, rows):
                raise ClipError(
                    f"the video's pictures have {picture.width} x {picture.height} pixels, "
                    f"the header says {columns} x {rows}"
                )
            if shown - 1 == due:
                yield _rgb(picture, reformatter)
                due = next(wanted, None)
            if due is None:
                return
    if shown == 0:
        raise ClipError("the video holds no picture that can be decoded")
    if due is not None:
        raise ClipError(f"the video ends after {shown} frames, before frame {due + 1}")


@dataclass(frozen=True)
class _Video:
    decoder: VideoCodecContext
    packets: Iterator["Packet[VideoStream]"]

    def pictures(self) -> Iterator[VideoFrame]:
        """In the order of display, those at the end that the decoder still holds included."""
        for packet in self.packets:
            yield from self.decoder.decode(packet)
        yield from self.decoder.decode(None)


@contextmanager
def _opened(stream: BinaryIO | bytes, transfer_syntax: UID) -> Iterator[_Video]:
    file = BytesIO(stream) if isinstance(stream, bytes) else stream
    file.seek(0)
    container = _container_format(file.read(_CHUNK))
    file.seek(0)
    try:
        if container is None:
            decoder = cast(VideoCodecContext, av.CodecContext.create(CODEC_OF[transfer_syntax], "r"))
            yield _Video(_configured(decoder), _elementary_packets(file, decoder))
            return
        # The format is named, so that no other demultiplexer looks at what a sender wrote: some open further files.
        with av.open(file, "r", format=container, options=_DEMULTIPLEXING, metadata_errors="replace") as opened:
            streams = [video for video in opened.streams.video if _decoder_name(video) in CODEC_OF.values()]
            if not streams:
                raise ClipError("the video cannot be decoded: its container holds no MPEG-2, H.264 or HEVC stream")
            yield _Video(_configured(streams[0].codec_context), _container_packets(opened, streams[0]))
    except av.FFmpegError as error:
        # Its own text may quote the stream; and some are OSErrors, which would pass for those of our disk.
        raise ClipError(f"the video cannot be decoded ({type(error).__name__})") from error


def _container_format(head: bytes) -> str | None:
    """What the stream is wrapped in, by its first bytes; None for an elementary stream."""
    for start in (0, 4):  # a time code of 4 bytes may precede each packet (M2TS)
        stride = _TRANSPORT_PACKET + start
        if head[start : start + 2 * stride : stride] == b"\x47\x47":
            return "mpegts"
    if head.startswith(b"\x00\x00\x01\xba"):
        return "mpeg"
    if head[4:8] in _MP4_BOXES:
        return "mp4"
    return None


def _decoder_name(video: VideoStream) -> str | None:
    context: VideoCodecContext | None = video.codec_context  # None where no decoder is built in, whatever its type says
    return None if context is None else context.name


def _configured(decoder: VideoCodecContext) -> VideoCodecContext:
    decoder.options = dict(_DECODING)
    decoder.thread_count = 1
    return decoder


def _elementary_packets(file: BinaryIO, decoder: VideoCodecContext) -> Iterator["Packet[VideoStream]"]:
    while chunk := file.read(_CHUNK):
        yield from decoder.parse(chunk)
    yield from decoder.parse(None)


def _container_packets(container: InputContainer, video: VideoStream) -> Iterator["Packet[VideoStream]"]:
    for packet in container.demux(video):
        if not packet.size:  # marks the end; PyAV fails behind it where streams have appeared on the way
            return
        if not packet.is_discard:  # left out by the edit list of an MP4 file
            yield packet


def _rgb(picture: VideoFrame, reformatter: VideoReformatter) -> npt.NDArray[np.uint8]:
    # A stream that does not say has what YBR_PARTIAL_420 says: CCIR 601, black at 16 (PS3.3 section C.7.6.3.1.2).
    if picture.colorspace in (_UNSPECIFIED_MATRIX, _RESERVED_MATRIX) or (
        picture.colorspace == _RGB_MATRIX and not picture.format.is_rgb
    ):
        picture.colorspace = _BT601_MATRIX
    if picture.color_range == ColorRange.UNSPECIFIED:
        picture.color_range = ColorRange.MPEG
    # Into planes, where the scaler's exact arithmetic is also its fast one; packed RGB is up to 3 levels off.
    planes = reformatter.reformat(
        picture,
        format="gbrp",
        dst_color_range=ColorRange.JPEG,
        interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT,
        threads=1,
    )
    return cast(npt.NDArray[np.uint8], planes.to_ndarray())
