"""Video streams, against the frames that they were made of, and against damage."""

import re
from io import BytesIO
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import HEVCMP51, MPEG2MPML, MPEG4HP41, UID, MPEGTransferSyntaxes

from config.errors import ClipError
from tests.support.clips import SMALL, made_clip, region
from tests.support.videos import (
    BT601,
    BT709,
    PATCHES,
    STREAMS,
    encoded,
    number_in,
    numbered_clip,
    patches_in,
    video_instance,
    video_stream,
)
from worker.pixels.clip import read_clip
from worker.pixels.video import CODEC_OF, count_frames, decode_video

FRAMES = numbered_clip()
SIZE = {"rows": 240, "columns": 320}


@pytest.fixture(scope="module")
def streams() -> dict[str, bytes]:
    return {kind: video_stream(kind, FRAMES) for kind in STREAMS}


def test_every_video_transfer_syntax_of_the_standard_has_a_decoder() -> None:
    assert set(CODEC_OF) == set(MPEGTransferSyntaxes)


@pytest.mark.parametrize("kind", STREAMS)
def test_wanted_frames_come_in_the_order_of_display_and_in_their_colours(streams: dict[str, bytes], kind: str) -> None:
    syntax = STREAMS[kind][0]
    wanted = [0, 1, 2, 7, 20, 38, 39]
    pictures = list(decode_video(streams[kind], wanted, transfer_syntax=syntax, **SIZE))
    assert [number_in(picture) for picture in pictures] == wanted
    for picture in pictures:
        assert (picture.shape, picture.dtype) == ((240, 320, 3), np.uint8)
        assert np.abs(patches_in(picture).astype(int) - PATCHES).max() <= 3  # levels of 255


@pytest.mark.parametrize("kind", STREAMS)
def test_frames_are_counted(streams: dict[str, bytes], kind: str) -> None:
    assert count_frames(streams[kind], transfer_syntax=STREAMS[kind][0]) == len(FRAMES)


@pytest.mark.parametrize("kind", STREAMS)
def test_a_real_clip_comes_back_frame_by_frame(kind: str) -> None:
    source = pydicom.dcmread(SMALL).pixel_array
    stream = video_stream(kind, source)
    pictures = np.stack(list(decode_video(stream, range(30), transfer_syntax=STREAMS[kind][0], **SIZE)))
    assert np.abs(pictures.astype(np.int16) - source).mean(axis=(1, 2, 3)).max() <= 2  # levels of 255, of each frame
    thumbnails, originals = (frames[:, None, ::4, ::4].astype(np.int16) for frames in (pictures, source))
    difference = np.abs(thumbnails - originals.swapaxes(0, 1)).mean(axis=(2, 3, 4))
    assert np.array_equal(np.diag(difference), difference.min(axis=1))  # some frames of the clip are shown twice


@pytest.mark.parametrize("kind", STREAMS)
def test_an_instance_gives_the_clip_that_it_gives_without_compression(
    streams: dict[str, bytes], kind: str, tmp_path: Path
) -> None:
    about: dict[str, object] = {"SequenceOfUltrasoundRegions": [region(10, 20, 299, 219)], "FrameTime": "40"}
    plain = read_clip(made_clip(tmp_path / "plain.dcm", FRAMES, "RGB", **about))
    video = read_clip(video_instance(tmp_path / "video.dcm", kind, streams[kind], FRAMES, **about))
    assert (video.frame_numbers, video.frame_times_ms) == (plain.frame_numbers, plain.frame_times_ms)
    assert (video.rows, video.columns, video.number_of_frames) == (240, 320, 40)
    patches = np.s_[:, -30:]  # the texture above loses its finest colours to 4:2:0
    assert np.abs(video.frames[patches].astype(int) - plain.frames[patches]).mean() <= 4


def test_an_instance_that_holds_fewer_frames_than_it_says_gives_those(
    streams: dict[str, bytes], tmp_path: Path
) -> None:
    kind = "H.264, elementary"
    clip = read_clip(video_instance(tmp_path / "video.dcm", kind, streams[kind], np.concatenate([FRAMES, FRAMES])))
    assert clip.number_of_frames == 40
    assert any("80" in note for note in clip.notes)


@pytest.mark.parametrize("full_range", [False, True, None], ids=["limited", "full", "range-unsaid"])
@pytest.mark.parametrize("matrix", [BT601, BT709, None], ids=["601", "709", "matrix-unsaid"])
@pytest.mark.parametrize(
    ("codec", "container", "syntax"), [("libx264", "h264", MPEG4HP41), ("libx265", "hevc", HEVCMP51)]
)
def test_colours_are_those_that_the_stream_says_or_else_of_dicom(
    codec: str, container: str, syntax: UID, matrix: int | None, full_range: bool | None
) -> None:
    stream = encoded(FRAMES[:3], codec, container, matrix=matrix, full_range=full_range)
    for picture in decode_video(stream, range(3), transfer_syntax=syntax, **SIZE):
        assert np.abs(patches_in(picture).astype(int) - PATCHES).max() <= 3


@pytest.mark.parametrize("matrix", [BT601, BT709, None], ids=["601", "709", "matrix-unsaid"])
def test_mpeg_2_has_a_matrix_and_one_range(matrix: int | None) -> None:
    stream = encoded(FRAMES[:3], "mpeg2video", "mpeg2video", matrix=matrix)
    for picture in decode_video(stream, range(3), transfer_syntax=MPEG2MPML, **SIZE):
        assert np.abs(patches_in(picture).astype(int) - PATCHES).max() <= 3


@pytest.mark.parametrize(
    ("codec", "container", "syntax", "made"),
    [
        ("mpeg2video", "mpeg2video", MPEG2MPML, {"options": {"flags": "+ildct+ilme", "field_order": "tt"}}),
        ("libx264", "h264", MPEG4HP41, {"options": {"x264-params": "tff=1"}}),
    ],
    ids=["MPEG-2", "H.264"],
)
def test_interlaced_frames_come_whole(codec: str, container: str, syntax: UID, made: dict[str, object]) -> None:
    grey = np.repeat(FRAMES.mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1)
    woven = grey.copy()
    woven[:-1, 1::2] = grey[1:, 1::2]  # the lower field is a moment later
    stream = encoded(woven, codec, container, **made)
    assert _is_interlaced(stream, codec)
    wanted = [3, 8, 39]
    for picture, index in zip(decode_video(stream, wanted, transfer_syntax=syntax, **SIZE), wanted, strict=True):
        assert np.abs(picture.astype(int) - woven[index]).mean() < 3


def test_pixels_that_are_not_square_stay_as_they_are_stored() -> None:
    stream = encoded(FRAMES[:5], "libx264", "h264", options={"x264-params": "sar=16/11"})
    (picture,) = decode_video(stream, [4], transfer_syntax=MPEG4HP41, **SIZE)
    assert picture.shape == (240, 320, 3)


def test_a_picture_of_no_whole_macroblocks_is_cut_to_its_size() -> None:
    frames = numbered_clip(5, rows=230, columns=314)
    stream = encoded(frames, "libx264", "h264")
    (picture,) = decode_video(stream, [3], transfer_syntax=MPEG4HP41, rows=230, columns=314)
    assert picture.shape == frames[3].shape
    assert np.abs(patches_in(picture).astype(int) - PATCHES).max() <= 3


def test_a_stream_shorter_than_the_header_says_gives_what_it_has_and_says_so(streams: dict[str, bytes]) -> None:
    pictures = decode_video(streams["H.264 in MP4"], [0, 39, 40], transfer_syntax=MPEG4HP41, **SIZE)
    assert [number_in(picture) for picture in islice(pictures, 2)] == [0, 39]
    with pytest.raises(ClipError, match="the video ends after 40 frames, before frame 41"):
        next(pictures)


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_cut_off_gives_its_frames_as_they_were_and_then_an_error(streams: dict[str, bytes], kind: str) -> None:
    syntax = STREAMS[kind][0]
    # The first picture of the HEVC streams is longer than all others; and an MP4 file says behind its pictures where
    # they are.
    part = streams[kind][: len(streams[kind]) * 3 // 4]
    pictures: list[np.ndarray] = []
    with pytest.raises(ClipError, match=r"cannot be decoded|ends after"):
        for picture in decode_video(part, range(40), transfer_syntax=syntax, **SIZE):
            pictures.append(picture)
    whole = decode_video(streams[kind], range(len(pictures)), transfer_syntax=syntax, **SIZE)
    assert all(np.array_equal(picture, intact) for picture, intact in zip(pictures, whole, strict=True))
    assert ("MP4" in kind) == (not pictures)


def test_a_damaged_picture_is_an_error_and_not_one_that_the_decoder_invents(streams: dict[str, bytes]) -> None:
    stream = bytearray(streams["MPEG-2, elementary"])
    middle = len(stream) // 2
    stream[middle : middle + 200] = b"\x55" * 200
    with pytest.raises(ClipError, match="cannot be decoded"):
        list(decode_video(bytes(stream), [39], transfer_syntax=MPEG2MPML, **SIZE))


@pytest.mark.parametrize("syntax", [MPEG2MPML, MPEG4HP41, HEVCMP51])
@pytest.mark.parametrize(
    "content",
    [b"", bytes(5000), np.random.default_rng(2).bytes(200_000), b"\x47" + bytes(187) + b"\x47" + bytes(4000)],
    ids=["nothing", "zeros", "noise", "looks-like-a-transport-stream"],
)
def test_what_is_no_video_is_an_error(syntax: UID, content: bytes) -> None:
    with pytest.raises(ClipError, match=r"^the video "):
        list(decode_video(content, [0], transfer_syntax=syntax, **SIZE))


def test_a_picture_of_another_size_is_refused(streams: dict[str, bytes]) -> None:
    with pytest.raises(ClipError, match="have 320 x 240 pixels, the header says 300 x 240"):
        next(decode_video(streams["H.264, elementary"], [0], transfer_syntax=MPEG4HP41, rows=240, columns=300))


def test_a_claim_of_a_huge_picture_takes_no_memory(streams: dict[str, bytes]) -> None:
    stream = bytearray(streams["MPEG-2, elementary"])
    for header in re.finditer(b"\x00\x00\x01\xb3", streams["MPEG-2, elementary"]):
        stream[header.end() : header.end() + 3] = b"\xff\xff\xff"  # 4095 x 4095 (ISO/IEC 13818-2, 6.2.2.1)
    with pytest.raises(ClipError, match="cannot be decoded"):  # refused before a picture of that size is made
        list(decode_video(bytes(stream), [0], transfer_syntax=MPEG2MPML, **SIZE))


def test_nothing_is_read_beyond_the_last_wanted_frame() -> None:
    stream = encoded(np.concatenate([FRAMES] * 4), "mpeg2video", "mpeg2video")
    file = BytesIO(stream)
    (picture,) = decode_video(file, [5], transfer_syntax=MPEG2MPML, **SIZE)
    assert number_in(picture) == 5
    assert file.tell() < len(stream) / 4


@pytest.mark.parametrize("kind", ["H.264, elementary", "H.264 in a transport stream"])
def test_a_disk_that_fails_is_not_taken_for_a_damaged_stream(streams: dict[str, bytes], kind: str) -> None:
    class Failing(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > len(streams[kind]) // 4:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(OSError, match="Input/output error"):
        list(decode_video(Failing(streams[kind]), [39], transfer_syntax=STREAMS[kind][0], **SIZE))


def test_a_playlist_opens_no_other_file(streams: dict[str, bytes], tmp_path: Path) -> None:
    other = tmp_path / "of-another-patient.ts"
    other.write_bytes(streams["H.264 in a transport stream"])
    for playlist in (f"#EXTM3U\n#EXTINF:1,\nfile://{other}\n", f"ffconcat version 1.0\nfile {other}\n"):
        with pytest.raises(ClipError, match=r"^the video "):
            list(decode_video(playlist.encode(), [0], transfer_syntax=MPEG4HP41, **SIZE))


def test_streams_that_appear_on_the_way_are_left_alone(streams: dict[str, bytes]) -> None:
    kind = "MPEG-2 in a program stream"
    stream = bytearray(streams[kind])
    packets = [start.end() for start in re.finditer(b"\x00\x00\x01\xe0", streams[kind])]
    for number, identifier in enumerate(packets[len(packets) // 2 :]):
        stream[identifier - 1] = 0xE1 + number % 10
    assert 0 < count_frames(bytes(stream), transfer_syntax=MPEG2MPML) < len(FRAMES)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(STREAMS)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=60),
    near_the_start=st.booleans(),
    kept=st.floats(0.05, 1),
)
def test_any_damage_gives_frames_of_the_right_size_or_an_error(
    streams: dict[str, bytes], kind: str, changes: list[tuple[float, int]], near_the_start: bool, kept: float
) -> None:
    syntax = STREAMS[kind][0]
    stream = bytearray(streams[kind])
    for place, value in changes:
        stream[int(place * (1024 if near_the_start else len(stream)))] = value
    damaged = bytes(stream[: int(len(stream) * kept)])
    try:
        assert count_frames(damaged, transfer_syntax=syntax) <= 10 * len(FRAMES)
        for picture in decode_video(damaged, [0, 5, 20, 39], transfer_syntax=syntax, **SIZE):
            assert picture.shape == (240, 320, 3)
    except ClipError:
        pass


def _is_interlaced(stream: bytes, codec: str) -> bool:
    with av.open(BytesIO(stream), format={"mpeg2video": "mpegvideo", "libx264": "h264"}[codec]) as container:
        return next(container.decode(video=0)).interlaced_frame
