"""Which frames are sampled: whole beats, evenly in time; and the published example's choice."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from worker.pixels.sampling import SAMPLED_FRAMES, WINDOW_MS, sample_as_published, sample_by_time
from worker.pixels.timing import FrameTimes


def clip(frames: int, interval: float, *, rate: float | None = None, r_waves: tuple[float, ...] = ()) -> FrameTimes:
    """A clip with frames evenly in time."""
    return varied([interval] * (frames - 1), rate=rate, r_waves=r_waves)


def varied(increments: list[float], *, rate: float | None = None, r_waves: tuple[float, ...] = ()) -> FrameTimes:
    starts = tuple(accumulate(increments, initial=0.0))
    return FrameTimes(milliseconds=starts, origin="Frame Time Vector", heart_rate=rate, r_waves_ms=r_waves)


def sampled_ms(times: FrameTimes) -> list[float]:
    return [times.milliseconds[index] for index in sample_by_time(times).indices]


# With R waves


def test_from_an_r_wave_over_the_most_beats_that_fit() -> None:
    # Beats of 1100, 600, 600, 600 and 900 ms: the three short ones are the most within two seconds.
    times = clip(200, 20, rate=85, r_waves=(100, 1200, 1800, 2400, 3000, 3900))
    sample = sample_by_time(times)
    assert sample.beats == 3
    assert sampled_ms(times)[0] == 1200
    assert len(sample.indices) == SAMPLED_FRAMES
    # The moment after the last sampled frame would be the next R wave, once more the first one's phase.
    assert sampled_ms(times)[-1] == pytest.approx(3000 - 1800 / 16, abs=10)
    assert sample.notes == ()


def test_of_equal_stretches_the_earliest() -> None:
    assert sampled_ms(clip(200, 20, r_waves=(500, 1500, 2500, 3500)))[0] == 500


def test_a_beat_longer_than_the_window_is_taken_whole() -> None:
    times = clip(200, 20, r_waves=(100, 2700))
    assert sample_by_time(times).beats == 1
    assert sampled_ms(times)[0] == 100
    assert sampled_ms(times)[-1] == pytest.approx(2700 - 2600 / 16, abs=10)


def test_two_r_waves_too_far_apart_are_no_beat() -> None:
    # Twelve seconds: R waves were missed between them. Nothing else says how fast the heart beats.
    assert sample_by_time(clip(400, 40, r_waves=(100, 12_100))).beats is None


def test_no_beat_goes_on_across_a_gap() -> None:
    times = varied([20.0] * 60 + [5000.0] + [20.0] * 100, r_waves=(200, 1000, 6300, 7300, 8200))
    sample = sample_by_time(times)
    assert sample.beats == 2
    assert sampled_ms(times)[0] == pytest.approx(6300, abs=10)
    assert "1 gaps between the frames" in sample.notes[0]


# With a heart rate alone


def test_as_many_whole_beats_as_fit() -> None:
    sample = sample_by_time(clip(80, 33.3, rate=70))
    assert sample.beats == 2
    assert sample.indices[0] == 0
    assert sample.indices[-1] * 33.3 == pytest.approx(2 * 60_000 / 70 * 15 / 16, abs=17)


def test_a_single_r_wave_is_where_the_beats_begin() -> None:
    assert sampled_ms(clip(80, 33.3, rate=75, r_waves=(333,)))[0] == pytest.approx(333)
    # Unless fewer beats were left behind it.
    assert sampled_ms(clip(50, 33.3, rate=75, r_waves=(999,)))[0] == 0


def test_a_slow_beat_alone_is_longer_than_the_window() -> None:
    times = clip(200, 20, rate=24)
    assert sample_by_time(times).beats == 1
    assert sampled_ms(times)[-1] == pytest.approx(2500 * 15 / 16, abs=10)


def test_a_clip_of_one_beat_by_a_rounded_rate_is_one_beat() -> None:
    # Recorded from R wave to R wave at 70.6 a minute; the machine writes 70, which makes a beat 7 ms longer.
    assert sample_by_time(clip(17, 50, rate=70)).beats == 1


def test_less_than_a_beat_is_sampled_and_noted() -> None:
    sample = sample_by_time(clip(20, 20, rate=60))
    assert sample.beats is None
    assert sample.notes == ("less than a whole beat: 400 ms are sampled",)
    assert (sample.indices[0], len(sample.indices)) == (0, 16)
    assert sample.indices[-1] in (18, 19)


# With neither


def test_without_heartbeats_the_window_is_sampled() -> None:
    sample = sample_by_time(clip(120, 33.333))
    assert sample.beats is None
    assert sample.notes == ("heartbeats unknown: 2000 ms are sampled",)
    assert sample.indices == tuple(round(number * 125 / 33.333) for number in range(16))


def test_fewer_frames_than_wanted_are_all_taken() -> None:
    assert sample_by_time(clip(12, 33.3)).indices == tuple(range(12))
    # Of a slow clip, those within the window.
    assert sample_by_time(clip(80, 200)).indices == tuple(range(10))


def test_time_counts_and_not_the_number_of_frames() -> None:
    # 40 frames 10 ms apart, then 40 frames 40 ms apart: two seconds, of which the first half of the frames is a fifth.
    indices = sample_by_time(varied([10.0] * 40 + [40.0] * 39)).indices
    assert sum(index < 40 for index in indices) == 4
    assert len(indices) == SAMPLED_FRAMES


def test_of_a_clip_with_a_gap_the_longer_side_is_used() -> None:
    sample = sample_by_time(varied([20.0] * 20 + [5000.0] + [20.0] * 60))
    assert min(sample.indices) == 21


@pytest.mark.parametrize("frames", [0, 1])
def test_a_still_or_nothing_gives_what_there_is(frames: int) -> None:
    times = FrameTimes(milliseconds=(0.0,) * frames, origin="still")
    assert sample_by_time(times).indices == tuple(range(frames))


# Properties


@st.composite
def any_times(draw: st.DrawFn) -> FrameTimes:
    increments = draw(
        st.lists(st.floats(0.5, 3000), min_size=1, max_size=60)
        | st.builds(lambda interval, count: [interval] * count, st.floats(1, 200), st.integers(1, 300))
    )
    starts = tuple(accumulate(increments, initial=0.0))
    beats = draw(st.lists(st.floats(200, 3500), max_size=20))
    first = draw(st.floats(0, 1000))
    waves = tuple(wave for wave in accumulate(beats, initial=first) if wave <= starts[-1]) if beats else ()
    rate = draw(st.none() | st.floats(20, 300))
    return FrameTimes(milliseconds=starts, origin="Frame Time", heart_rate=rate, r_waves_ms=waves)


@given(any_times())
def test_indices_are_valid_ascending_distinct_and_at_most_sixteen(times: FrameTimes) -> None:
    indices = sample_by_time(times).indices
    assert len(indices) <= SAMPLED_FRAMES
    assert all(0 <= index < len(times.milliseconds) for index in indices)
    assert all(earlier < later for earlier, later in pairwise(indices))


@given(st.floats(5, 40), st.floats(40, 290), st.floats(0, 500))
def test_what_is_sampled_spans_whole_beats_within_a_frame(interval: float, rate: float, first: float) -> None:
    beat = 60_000 / rate
    waves = tuple(first + number * beat for number in range(40) if first + number * beat <= 4000)
    times = clip(int(4000 / interval) + 1, interval, rate=rate, r_waves=waves)
    sample, at = sample_by_time(times), sampled_ms(times)
    assert sample.beats == int(WINDOW_MS / beat + 1e-6)
    span = sample.beats * beat
    assert abs(at[0] - first) <= interval / 2 + 1e-3
    slot = span / len(at)
    assert abs(at[-1] + slot - at[0] - span) <= interval + 1e-3
    # Evenly: no two neighbours further from a slot than a frame.
    assert all(abs(later - earlier - slot) <= interval + 1e-3 for earlier, later in pairwise(at))


@given(any_times(), st.sampled_from([0.25, 0.5]))
def test_a_clip_within_the_window_is_sampled_alike_at_any_speed(times: FrameTimes, scale: float) -> None:
    # The window is a time of its own: only what fits it before and after can be alike.
    assume(times.milliseconds[-1] + 2 * times.interval_ms <= WINDOW_MS)
    assume(not times.heart_rate or times.heart_rate >= 30)
    faster = FrameTimes(
        milliseconds=tuple(at * scale for at in times.milliseconds),
        origin=times.origin,
        heart_rate=None if times.heart_rate is None else times.heart_rate / scale,
        r_waves_ms=tuple(wave * scale for wave in times.r_waves_ms),
    )
    assert sample_by_time(faster).indices == sample_by_time(times).indices
    assert sample_by_time(faster).beats == sample_by_time(times).beats


# As published


@given(st.integers(min_value=1, max_value=2000))
def test_every_second_frame_of_the_first_forty(number_of_frames: int) -> None:
    indices = sample_as_published(number_of_frames).indices
    assert list(indices) == [index for index in range(number_of_frames) if index % 2 == 0 and index < 40]
    assert 1 <= len(indices) <= 20
