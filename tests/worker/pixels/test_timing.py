"""Frame times and heartbeats, from right headers and from what real machines write in place of them."""

import struct
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile

import deid_data
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset

from tests.support.headers import as_read, floats
from worker.pixels.timing import ASSUMED, STILL, frame_times

ULTRASOUNDS = Path(deid_data.__file__).parent / "data" / "ultrasounds"
TIMING = [
    *("FrameTime", "FrameTimeVector", "CineRate", "RecommendedDisplayFrameRate", "ActualFrameDuration"),
    *("EffectiveDuration", "FrameIncrementPointer", "HeartRate", "RWaveTimeVector", "FrameDelay"),
    *("StartTrim", "StopTrim", "TriggerTime"),
]
POINTS_AT_TIME, POINTS_AT_VECTOR = struct.pack("<HH", 0x18, 0x1063), struct.pack("<HH", 0x18, 0x1065)


def evenly(interval: float, frames: int) -> object:
    return pytest.approx([index * interval for index in range(frames)])


# Right headers


def test_frame_time_spaces_the_frames() -> None:
    times = frame_times(as_read(FrameTime=b"33.333", CineRate=b"30", FrameIncrementPointer=POINTS_AT_TIME), 5)
    assert times.milliseconds == evenly(33.333, 5)
    assert (times.origin, times.notes) == ("Frame Time", ())
    assert times.interval_ms == pytest.approx(33.333)


def test_frame_time_vector_holds_increments() -> None:
    times = frame_times(as_read(FrameTimeVector=b"0\\20\\30\\500\\20", FrameIncrementPointer=POINTS_AT_VECTOR), 5)
    assert times.milliseconds == (0, 20, 50, 550, 570)
    assert (times.origin, times.notes) == ("Frame Time Vector", ())


@pytest.mark.parametrize(
    ("pointer", "origin"),
    [(POINTS_AT_VECTOR, "Frame Time Vector"), (POINTS_AT_TIME, "Frame Time"), (b"", "Frame Time")],
)
def test_the_pointer_chooses(pointer: bytes, origin: str) -> None:
    header = as_read(FrameTime=b"40", FrameTimeVector=b"0\\20\\30", FrameIncrementPointer=pointer)
    assert frame_times(header, 3).origin == origin


@pytest.mark.parametrize(
    ("keyword", "value", "interval"),
    [
        ("CineRate", b"50", 20),
        ("ActualFrameDuration", b"25", 25),
        ("EffectiveDuration", b"2", 50),
        ("RecommendedDisplayFrameRate", b"20", 50),
    ],
)
def test_without_frame_times_the_next_best_attribute_is_used(keyword: str, value: bytes, interval: float) -> None:
    times = frame_times(as_read(**{keyword: value}), 40)
    assert times.milliseconds == evenly(interval, 40)
    assert times.origin == pydicom.datadict.dictionary_description(keyword)
    assert times.notes == ()


def test_with_nothing_thirty_frames_a_second_are_assumed_and_said_to_be() -> None:
    times = frame_times(Dataset(), 4)
    assert times.milliseconds == evenly(1000 / 30, 4)
    assert times.origin == ASSUMED
    assert "30 frames a second were assumed" in times.notes[0]


@pytest.mark.parametrize(("frames", "milliseconds"), [(1, (0.0,)), (0, ()), (-3, ())])
def test_a_still_has_no_intervals(frames: int, milliseconds: tuple[float, ...]) -> None:
    times = frame_times(as_read(FrameTime=b"junk"), frames)
    assert (times.milliseconds, times.origin, times.notes, times.interval_ms) == (milliseconds, STILL, (), 0)


def test_values_set_by_a_program_are_read_as_those_of_a_file() -> None:
    header = Dataset()
    header.FrameTimeVector, header.RWaveTimeVector, header.HeartRate = ["0", "20", "30"], [5.0, 45.0], "60"
    header.FrameIncrementPointer = [0x00181065]
    times = frame_times(header, 3)
    assert times.milliseconds == (0, 20, 50)
    assert (times.heart_rate, times.r_waves_ms[:1]) == (60, (5,))


def test_big_endian_numbers() -> None:
    header = as_read(
        big_endian=True,
        FrameTime=b"40",
        FrameTimeVector=b"0\\20\\30",
        FrameIncrementPointer=struct.pack(">HH", 0x18, 0x1065),
        RWaveTimeVector=struct.pack(">f", 30),
    )
    times = frame_times(header, 3)
    assert (times.origin, times.r_waves_ms) == ("Frame Time Vector", (30,))


# What machines write in their place


@pytest.mark.parametrize(
    ("value", "interval"),
    [(b"0.033333", 33.333), (b"33333", 33.333), (b"33,333", 33.333), (b" 33.333 ", 33.333), (b"33.333\0", 33.333)],
    ids=["seconds", "microseconds", "comma", "spaces", "nul"],
)
def test_a_frame_time_that_can_be_understood_is(value: bytes, interval: float) -> None:
    times = frame_times(as_read(FrameTime=value, CineRate=b"30"), 10)
    assert times.origin == "Frame Time"
    assert times.milliseconds == evenly(interval, 10)
    assert any("factor of a thousand" in note for note in times.notes) == (value in (b"0.033333", b"33333"))


@pytest.mark.parametrize(
    "value", [b"0", b"-33.3", b"fast", b"33.3 ms", b"nan", b"1e400", b"1_0", b"9999999", b"\xff\xfe"]
)
def test_a_frame_time_that_cannot_be_is_passed_over_with_a_note(value: bytes) -> None:
    times = frame_times(as_read(FrameTime=value, CineRate=b"25"), 10)
    assert times.origin == "Cine Rate"
    assert times.milliseconds == evenly(40, 10)
    assert len(times.notes) == 1
    assert times.notes[0].startswith("Frame Time ")


def test_a_string_of_the_machine_never_reaches_a_note() -> None:
    header = as_read(FrameTime=b"Doe^John", HeartRate=b"Doe", FrameTimeVector=b"Doe\\Doe", CineRate=b"Doe")
    assert "Doe" not in " ".join(frame_times(header, 3).notes)


@pytest.mark.parametrize(
    ("vector", "milliseconds", "note"),
    [
        (b"20\\20\\20\\20", (0, 20, 40, 60), "does not start with 0"),
        (b"30\\40\\50", (0, 30, 70, 120), "leaves out the first frame's 0"),
        (b"0\\20\\20", (0, 20, 40, 60), "3 values for 4 frames"),
        (b"0\\20\\30\\20\\99\\99", (0, 20, 50, 70), "6 values for 4 frames"),
        (b"0\\20\\0\\20", (0, 20, 40, 60), "1 of 3 increments were replaced"),
        (b"0\\20\\-5\\20", (0, 20, 40, 60), "1 of 3 increments were replaced"),
        (b"0\\20\\x\\20", (0, 20, 40, 60), "1 of 3 increments were replaced"),
        (b"0\\20\\1e30\\20", (0, 20, 40, 60), "1 of 3 increments were replaced"),
        (b"0\\.02\\.03\\.02", (0, 20, 50, 70), "factor of a thousand"),
    ],
)
def test_a_vector_with_faults_is_put_right(vector: bytes, milliseconds: tuple[float, ...], note: str) -> None:
    times = frame_times(as_read(FrameTimeVector=vector, FrameIncrementPointer=POINTS_AT_VECTOR), 4)
    assert times.milliseconds == pytest.approx(milliseconds)
    assert times.origin == "Frame Time Vector"
    assert any(note in written for written in times.notes)


@pytest.mark.parametrize("vector", [b"0", b"0\\0\\0\\0\\0\\0", b"0\\20", b"0\\x\\x\\x\\x\\20"])
def test_a_vector_that_says_too_little_gives_way(vector: bytes) -> None:
    header = as_read(FrameTimeVector=vector, FrameIncrementPointer=POINTS_AT_VECTOR, FrameTime=b"25")
    times = frame_times(header, 6)
    assert (times.origin, times.milliseconds) == ("Frame Time", evenly(25, 6))
    assert any("Frame Time Vector" in note for note in times.notes)


def test_a_vector_of_times_is_recognised() -> None:
    vector = "\\".join(str(index * 20) for index in range(10)).encode()
    times = frame_times(as_read(FrameTimeVector=vector), 10)
    assert times.milliseconds == evenly(20, 10)
    assert "times in place of the increments" in times.notes[0]


def test_a_pointer_to_what_is_absent_is_noted() -> None:
    times = frame_times(as_read(FrameIncrementPointer=POINTS_AT_VECTOR, FrameTime=b"40"), 3)
    assert times.origin == "Frame Time"
    assert times.notes == ("Frame Increment Pointer names Frame Time Vector, which is absent",)


def test_a_contradiction_between_frame_time_and_cine_rate_is_noted() -> None:
    times = frame_times(as_read(FrameTime=b"33.333", CineRate=b"60"), 10)
    assert times.origin == "Frame Time"
    assert times.notes == ("Frame Time says 30 frames a second, Cine Rate 60: Frame Time was taken",)


def test_a_loop_of_one_frame_a_beat_is_noted() -> None:
    times = frame_times(as_read(FrameTime=b"800", HeartRate=b"75"), 10)
    assert times.milliseconds == evenly(800, 10)
    assert any("too few in a beat" in note for note in times.notes)


def test_trim_is_noted_and_not_applied() -> None:
    times = frame_times(as_read(FrameTime=b"40", StartTrim=b"3", StopTrim=b"8"), 10)
    assert len(times.milliseconds) == 10
    assert any("frames 3 to 8" in note for note in times.notes)
    assert frame_times(as_read(FrameTime=b"40", StartTrim=b"1", StopTrim=b"10"), 10).notes == ()


def test_an_attribute_under_a_strange_vr_is_read_by_its_own() -> None:
    strange = as_read(
        vr={"FrameTime": "UN", "RWaveTimeVector": "UN", "HeartRate": "US"},
        FrameTime=b"40",
        RWaveTimeVector=floats(200, 1000),
        HeartRate=struct.pack("<H", 75),
    )
    times = frame_times(strange, 60)
    assert (times.origin, times.r_waves_ms, times.heart_rate) == ("Frame Time", (200, 1000), 75)


# Whatever comes


@given(
    values=st.dictionaries(
        st.sampled_from(TIMING),
        st.binary(max_size=40) | st.text("0123456789.-+eE\\, ", max_size=60).map(str.encode),
    ),
    strange=st.dictionaries(st.sampled_from(TIMING), st.sampled_from(["UN", "DS", "FL", "FD", "US", "SL", "LO", "AT"])),
    frames=st.integers(-2, 200),
)
def test_any_bytes_give_ascending_times(values: dict[str, bytes], strange: dict[str, str], frames: int) -> None:
    times = frame_times(as_read(vr=strange, **values), frames)
    assert len(times.milliseconds) == max(frames, 0)
    assert list(times.milliseconds[:1]) == [0] * min(len(times.milliseconds), 1)
    assert all(0 < later - earlier < 700_000 for earlier, later in pairwise(times.milliseconds))
    assert times.heart_rate is None or 20 <= times.heart_rate <= 300
    assert all(later - earlier >= 200 for earlier, later in pairwise(times.r_waves_ms))


# Real files


def real(name: str) -> FileDataset:
    if name.endswith("_CINE"):
        with ZipFile(ULTRASOUNDS / f"{name}.zip") as archive:
            return pydicom.dcmread(BytesIO(archive.read(f"{name}.dcm")), stop_before_pixels=True)
    bundled = get_testdata_file(name, download=False)
    return pydicom.dcmread(bundled or ULTRASOUNDS / name, stop_before_pixels=True)


@pytest.mark.parametrize(
    ("name", "interval", "origin"),
    [
        ("ultrasound-multiframe.dcm", 54.241, "Frame Time"),  # Philips; its Cine Rate of 18 is 18.44 cut off
        ("GREYSCALE_CINE", 33.333, "Frame Time"),  # Philips
        ("RGB_CINE", 57.9671, "Frame Time Vector"),  # Terason; its pointer names a private tag as well
        ("examples_ybr_color.dcm", 33.333, "Frame Time"),  # SonoSite
        ("color3d_jpeg_baseline.dcm", 33.333, "Frame Time"),  # SonoSite
    ],
)
def test_the_times_of_real_clips(name: str, interval: float, origin: str) -> None:
    header = real(name)
    times = frame_times(header, int(header.NumberOfFrames))
    assert times.interval_ms == pytest.approx(interval)
    assert (times.origin, times.heart_rate, times.notes) == (origin, None, ())
