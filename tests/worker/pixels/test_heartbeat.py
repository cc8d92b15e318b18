"""R waves and heart rates, right ones and what machines write without an electrocardiogram."""

import pytest

from tests.support.headers import as_read, floats
from worker.pixels.timing import frame_times


def test_r_waves_give_the_heart_rate_that_is_missing() -> None:
    times = frame_times(as_read(FrameTime=b"40", HeartRate=b"0", RWaveTimeVector=floats(100, 900, 1700)), 60)
    assert times.r_waves_ms == (100, 900, 1700)
    assert times.heart_rate == pytest.approx(75)
    assert times.notes == ()


@pytest.mark.parametrize(
    ("rate", "note"), [(b"0", ()), (b"", ()), (b"400", ("is 400",)), (b"-1", ("is -1",)), (b"x", ("is no number",))]
)
def test_a_heart_rate_that_cannot_be_is_none(rate: bytes, note: tuple[str, ...]) -> None:
    times = frame_times(as_read(FrameTime=b"40", HeartRate=rate), 60)
    assert times.heart_rate is None
    assert [text in written for text, written in zip(note, times.notes, strict=True)] == [True] * len(note)


def test_a_heart_rate_that_contradicts_the_r_waves_is_noted() -> None:
    times = frame_times(as_read(FrameTime=b"40", HeartRate=b"120", RWaveTimeVector=floats(0, 1000, 2000)), 60)
    assert times.heart_rate == 120
    assert "R waves come at 60" in times.notes[0]


@pytest.mark.parametrize(
    ("written", "kept", "note"),
    [
        (floats(0, 0, 0), (), None),
        (floats(1700, 100, 900), (100, 900, 1700), None),
        (floats(-5, 100, 900), (100, 900), "1 of 3 values are no times"),
        (floats(100, 100, 900), (100, 900), "1 of 3 values are no times, or twice"),
        (floats(float("nan"), 100, float("inf")), (100,), "2 of 3 values"),
        (floats(100, 900, 9000), (100, 900), "1 of 3 R waves lie outside"),
        (floats(100, 150, 900), (100, 900), "too soon after another"),
        (floats(0.25, 1.0, 1.75), (250, 1000, 1750), "in seconds"),
        (floats(100, 900) + b"\0\0", (100, 900), "1 of 3 values"),
    ],
)
def test_r_waves_that_cannot_be_are_left_out(written: bytes, kept: tuple[float, ...], note: str | None) -> None:
    times = frame_times(as_read(FrameTime=b"40", RWaveTimeVector=written), 60)
    assert times.r_waves_ms == kept
    assert [note in text for text in times.notes] == ([] if note is None else [True])
