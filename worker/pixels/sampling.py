"""Which frames of a clip the model sees: whole heartbeats, evenly in time; or the published example's choice."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from worker.pixels.heartbeat import SLOWEST_HEART
from worker.pixels.timing import FrameTimes

SAMPLED_FRAMES = 16
"""What scoring costs grows with it. Over one beat of a second, end systole and end diastole are each within 31 ms of a
sampled frame; over two beats, within 63 ms."""
WINDOW_MS = 2000.0
"""How much of a clip is looked at, in milliseconds: at least one whole beat of every heart at 30 a minute or faster.

More would spread the same frames thinner over more beats; a clip is rarely longer than three.
"""
GAP = 5
"""Times the usual interval: with more between two frames, something was left out, and no beat goes on across it."""
PUBLISHED_SPAN, PUBLISHED_STRIDE = 40, 2
_EXACTLY = 1e-6
"""Milliseconds below which two times are the same one."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The frames to read."""

    indices: tuple[int, ...]
    """From 0, ascending, distinct."""
    beats: int | None = None
    """How many whole beats they cover; None when that is not known."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Span:
    """A stretch of the clip, in milliseconds from the first frame's start."""

    start: float
    end: float
    beats: int | None = None

    @property
    def length(self) -> float:
        return self.end - self.start


def sample_by_time(times: FrameTimes) -> Sample:
    """At most `SAMPLED_FRAMES` frames, evenly in time over whole beats, within `WINDOW_MS`.

    - With R waves: the most complete beats in a row that fit the window, the earliest of several; from its R wave.
    - With a heart rate alone: as many whole beats as fit, from an R wave if one is known, else from the first frame.
    - With neither, or less than a beat: what there is, up to the window.

    A beat longer than the window is taken whole. A stretch with fewer frames than wanted gives all that it has; a clip
    with a gap is read on one side of it. The moment after the last frame is the first one's phase of the next beat,
    so that no phase counts twice.
    """
    if len(times.milliseconds) < 2:
        return Sample(indices=tuple(range(len(times.milliseconds))))
    parts = _continuous_parts(times)
    longest = max(parts, key=lambda part: part.length)
    span = _beats_between_r_waves(times, parts) or _beats_by_rate(times, longest) or _window(longest)
    half = times.interval_ms / 2 - _EXACTLY  # the frame nearest to the R wave may begin just before it
    there = [index for index, at in enumerate(times.milliseconds) if span.start - half <= at < span.end - half]
    notes = (
        [] if len(parts) == 1 else [f"{len(parts) - 1} gaps between the frames: one stretch of {len(parts)} is used"]
    )
    if span.beats is None:
        known = "less than a whole beat" if times.heart_rate else "heartbeats unknown"
        notes.append(f"{known}: {span.length:.0f} ms are sampled")
    return Sample(indices=_evenly(times.milliseconds, there, span), beats=span.beats, notes=tuple(notes))


def sample_as_published(number_of_frames: int) -> Sample:
    """Every second frame of the first 40, counted from 0: at most 20 (the example of echonet/echo_CLIP)."""
    return Sample(indices=tuple(range(0, min(number_of_frames, PUBLISHED_SPAN), PUBLISHED_STRIDE)))


def _continuous_parts(times: FrameTimes) -> list[_Span]:
    """The stretches of a clip without a gap; a frame lasts until the next one, the last as long as is usual."""
    starts, usual = times.milliseconds, times.interval_ms
    after_gap = [index for index in range(1, len(starts)) if starts[index] - starts[index - 1] > GAP * usual]
    bounds = pairwise([0, *after_gap, len(starts)])
    return [_Span(start=starts[first], end=starts[last - 1] + usual) for first, last in bounds]


def _beats_between_r_waves(times: FrameTimes, parts: Sequence[_Span]) -> _Span | None:
    best: _Span | None = None
    for part in parts:
        of_part = slice(bisect_left(times.r_waves_ms, part.start), bisect_right(times.r_waves_ms, part.end + _EXACTLY))
        waves = times.r_waves_ms[of_part]
        for first, start in enumerate(waves):
            for last in range(first + 1, len(waves)):
                # An R wave that was missed leaves two beats that look like one, slower than any heart.
                if waves[last] - waves[last - 1] > 60_000 / SLOWEST_HEART + _EXACTLY:
                    break
                beats = last - first
                if beats > 1 and waves[last] - start > WINDOW_MS + _EXACTLY:
                    break
                if best is None or beats > (best.beats or 0):
                    best = _Span(start=start, end=waves[last], beats=beats)
    return best


def _beats_by_rate(times: FrameTimes, part: _Span) -> _Span | None:
    if times.heart_rate is None:
        return None
    beat = 60_000 / times.heart_rate

    def beats_from(start: float) -> int:
        rounding = min(times.interval_ms, beat / 10)  # a rate is rounded: within a frame, a beat is whole
        room = part.end - start + rounding
        return int(min(room, max(WINDOW_MS, beat)) / beat + _EXACTLY)

    starts = [wave for wave in times.r_waves_ms if part.start <= wave < part.end]
    start = max([*starts, part.start], key=beats_from)
    beats = beats_from(start)
    return _Span(start=start, end=start + beats * beat, beats=beats) if beats else None


def _window(part: _Span) -> _Span:
    return _Span(start=part.start, end=min(part.end, part.start + WINDOW_MS))


def _evenly(starts: Sequence[float], there: Sequence[int], span: _Span) -> tuple[int, ...]:
    """Of the frames that are there, those nearest to moments evenly spread over the span, no frame twice."""
    if len(there) <= SAMPLED_FRAMES:
        return tuple(there)
    chosen: list[int] = []
    position = 0
    for number in range(SAMPLED_FRAMES):
        moment = span.start + number * span.length / SAMPLED_FRAMES
        last = len(there) - (SAMPLED_FRAMES - number)  # each moment that follows needs a frame of its own
        while position < last and _is_nearer(starts[there[position + 1]], starts[there[position]], moment):
            position += 1
        chosen.append(there[position])
        position += 1
    return tuple(chosen)


def _is_nearer(one: float, other: float, moment: float) -> bool:
    return abs(one - moment) < abs(other - moment) - _EXACTLY
