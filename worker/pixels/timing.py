"""When each frame of a clip was taken, and where the heartbeats are, from whatever the machine wrote.

Cine module (PS3.3 section C.7.6.5), Multi-frame module (C.7.6.6), US Image module (C.8.5.6). Some attributes of these
modules are left out on purpose: Frame Delay, Image Trigger Delay and Trigger Time say when the first frame came, not
how far apart the frames are; Preferred Playback Sequencing, Start Trim and Stop Trim say how to show a clip, not how
it was taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import median

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset

from worker.pixels.heartbeat import read_heart_rate, read_r_waves
from worker.pixels.raw_numbers import read_number, read_numbers, read_tags

SHORTEST_INTERVAL_MS, LONGEST_INTERVAL_MS = 1.0, 2000.0
"""From the fastest research scanners to one frame for each beat of a heart at 30 a minute (a triggered loop)."""
LONGEST_GAP_MS = 600_000.0
"""Between two frames of one clip, as between the stages of a stress test; more is a damaged number."""
ASSUMED_RATE = 30
"""Frames a second, where the machine says nothing: what echo machines export when they are not asked."""
ASSUMED, STILL = "assumed", "still"
"""`FrameTimes.origin` where it is no attribute: nothing usable was written, or there is but one frame."""
TIMES_NOT_INCREMENTS = 8
"""So many values of a Frame Time Vector, each larger than the one before, are no increments but their sums."""

_INTERVAL_MS: dict[str, Callable[[float, int], float]] = {
    "FrameTime": lambda milliseconds, _frames: milliseconds,
    "CineRate": lambda rate, _frames: 1000 / rate,
    "ActualFrameDuration": lambda milliseconds, _frames: milliseconds,
    "EffectiveDuration": lambda seconds, frames: seconds * 1000 / frames,
    # Last: how fast to show a clip is the only one of them that need not be how fast it was taken.
    "RecommendedDisplayFrameRate": lambda rate, _frames: 1000 / rate,
}
"""Attributes that space all frames evenly, the most trusted first: milliseconds from a value above 0."""
_VECTOR = "FrameTimeVector"


@dataclass(frozen=True, kw_only=True)
class FrameTimes:
    """When the frames of a clip were taken, in milliseconds from the first one's start."""

    milliseconds: tuple[float, ...]
    """One for each frame, ascending, the first 0."""
    origin: str
    """The attribute that says so, as PS3.6 names it; else `ASSUMED` or `STILL`."""
    heart_rate: float | None = None
    """Beats a minute, 20 to 300."""
    r_waves_ms: tuple[float, ...] = ()
    """Within the clip, ascending, at least 200 ms apart."""
    notes: tuple[str, ...] = ()
    """What the machine wrote that cannot be right, and what was done about it; free of the values of strings."""

    @property
    def interval_ms(self) -> float:
        """From one frame to the next, the median over the clip; 0 for fewer than two frames."""
        return median(later - earlier for earlier, later in pairwise(self.milliseconds)) if self.milliseconds[1:] else 0


def frame_times(header: Dataset, number_of_frames: int) -> FrameTimes:
    """The times of the frames and of the heartbeats, from the best source in a header; never raises.

    The source is what Frame Increment Pointer (0028,0009) names, else Frame Time, Frame Time Vector, and then the
    other attributes that tell a rate or a duration. A value that cannot be (0, negative, no number, no rate of an echo
    machine) sends to the next source, with a note; one that is off by a factor of a thousand is put right, with a note.
    """
    notes: list[str] = []
    origin, increments = _increments(header, number_of_frames, notes)
    milliseconds = tuple(accumulate(increments, initial=0.0)) if number_of_frames > 0 else ()
    interval = median(increments) if increments else 0.0
    end = milliseconds[-1] + interval if milliseconds else 0.0
    r_waves = read_r_waves(header, end, notes)
    heart_rate = read_heart_rate(header, r_waves, notes)
    if interval > 0.5 * 60_000 / (heart_rate or 60):
        notes.append(f"frames {interval:.0f} ms apart: too few in a beat to show the heart move")
    _note_trim(header, number_of_frames, notes)
    return FrameTimes(
        milliseconds=milliseconds, origin=origin, heart_rate=heart_rate, r_waves_ms=r_waves, notes=tuple(notes)
    )


def _increments(header: Dataset, frames: int, notes: list[str]) -> tuple[str, list[float]]:
    """The name of the source, and the milliseconds from each frame to the next: one fewer than there are frames."""
    if frames < 2:
        return STILL, []
    for keyword in _sources(header, notes):
        values = read_numbers(header, keyword)
        if not values:
            continue
        name = dictionary_description(keyword)
        if keyword == _VECTOR and len(values) > 1:
            increments = _vector_increments(values, frames, notes)
        else:
            increments = _even_increments(name, _INTERVAL_MS.get(keyword), values[0], frames, notes)
        if increments is not None:
            _note_contradiction(header, keyword, increments, notes)
            return name, increments
    notes.append(f"no usable frame times: {ASSUMED_RATE} frames a second were assumed")
    return ASSUMED, [1000 / ASSUMED_RATE] * (frames - 1)


def _sources(header: Dataset, notes: list[str]) -> list[str]:
    """The attributes to ask, in their order; those that Frame Increment Pointer (PS3.3 section C.7.6.6) names first."""
    named = read_tags(header, "FrameIncrementPointer")
    pointed = [keyword for keyword in ("FrameTime", _VECTOR) if tag_for_keyword(keyword) in named]
    notes.extend(
        f"Frame Increment Pointer names {dictionary_description(keyword)}, which is absent"
        for keyword in pointed
        if not read_numbers(header, keyword)
    )
    return list(dict.fromkeys([*pointed, "FrameTime", _VECTOR, *_INTERVAL_MS]))


def _even_increments(
    name: str, interval_ms: Callable[[float, int], float] | None, value: float | None, frames: int, notes: list[str]
) -> list[float] | None:
    if value is None:
        notes.append(f"{name} is no number")
        return None
    if value <= 0:
        notes.append(f"{name} is {value:g}")
        return None
    interval = value if interval_ms is None else interval_ms(value, frames)
    factor = _unit_factor(name, interval, notes)
    return None if factor is None else [interval * factor] * (frames - 1)


def _vector_increments(values: Sequence[float | None], frames: int, notes: list[str]) -> list[float] | None:
    """Of a Frame Time Vector (PS3.3 section C.7.6.5.1.2): from each frame to the one before, so the first is 0."""
    name = dictionary_description(_VECTOR)
    numbers = [value for value in values if value is not None]
    if len(numbers) == len(values) >= TIMES_NOT_INCREMENTS and all(b > a for a, b in pairwise(numbers)):
        notes.append(f"{name} holds times in place of the increments between them")
        values = [0.0, *(later - earlier for earlier, later in pairwise(numbers))]
    elif len(values) == frames - 1 and values[0] != 0:
        notes.append(f"{name} leaves out the first frame's 0")
        values = [0.0, *values]
    elif values[0] != 0:
        notes.append(f"{name} does not start with 0")
    if len(values) != frames:
        notes.append(f"{name} has {len(values)} values for {frames} frames")
    increments = [*values[1:frames], *[None] * (frames - len(values))]
    usable = [value for value in increments if value is not None and value > 0]
    if len(usable) * 2 < len(increments):
        notes.append(f"{name} has {len(usable)} usable values for {frames} frames: it was not used")
        return None
    usual = median(usable)
    if (factor := _unit_factor(name, usual, notes)) is None:
        return None
    kept = [value if value is not None and 0 < value * factor <= LONGEST_GAP_MS else None for value in increments]
    if replaced := kept.count(None):
        notes.append(f"{name}: {replaced} of {len(kept)} increments were replaced by the median")
    return [(usual if value is None else value) * factor for value in kept]


def _unit_factor(name: str, interval: float, notes: list[str]) -> float | None:
    """What makes an interval one of an echo machine: 1, or a thousand in either direction; None when nothing does."""
    for factor in (1.0, 1000.0, 0.001):
        if SHORTEST_INTERVAL_MS <= interval * factor <= LONGEST_INTERVAL_MS:
            if factor != 1:
                notes.append(f"{name} is off by a factor of a thousand: taken as {interval * factor:.4g} ms a frame")
            return factor
    notes.append(f"{name} says {interval:.4g} ms a frame, which no echo machine does")
    return None


def _note_contradiction(header: Dataset, keyword: str, increments: list[float], notes: list[str]) -> None:
    rate, taken = read_number(header, "CineRate"), 1000 / median(increments)
    # Cine Rate is an integer, and machines cut it off rather than round it.
    if keyword in ("FrameTime", _VECTOR) and rate and abs(rate - taken) > max(1.0, 0.1 * taken):
        name = dictionary_description(keyword)
        notes.append(f"{name} says {taken:.4g} frames a second, Cine Rate {rate:.4g}: {name} was taken")


def _note_trim(header: Dataset, frames: int, notes: list[str]) -> None:
    first, last = read_number(header, "StartTrim"), read_number(header, "StopTrim")
    if first and last and 1 <= first <= last <= frames and (first, last) != (1, frames):
        notes.append(f"the machine shows frames {first:.0f} to {last:.0f} alone: Start and Stop Trim were not applied")
