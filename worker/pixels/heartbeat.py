"""Where the heartbeats of a clip are: R waves and heart rate, as far as they can be true (PS3.3 section C.8.5.6)."""

from itertools import pairwise
from statistics import median

from pydicom.dataset import Dataset

from worker.pixels.raw_numbers import read_number, read_numbers

SLOWEST_HEART, FASTEST_HEART = 20, 300
"""Beats a minute, from a heart in complete block to that of a foetus in tachycardia."""
_SHORTEST_BEAT_MS, _LONGEST_BEAT_MS = 60_000 / FASTEST_HEART, 60_000 / SLOWEST_HEART


def read_r_waves(header: Dataset, end_ms: float, notes: list[str]) -> tuple[float, ...]:
    """R Wave Time Vector (0018,6060): milliseconds from the start of the first frame, of those within the clip.

    `end_ms` is when the last frame ends. Appends to `notes` what was put right or left out.
    """
    written = read_numbers(header, "RWaveTimeVector")
    if not any(value != 0 for value in written):
        return ()  # absent; or the zeros that a machine writes when no electrocardiogram is connected
    waves = sorted({value for value in written if value is not None and value >= 0})
    if len(waves) < len(written):
        notes.append(f"R Wave Time Vector: {len(written) - len(waves)} of {len(written)} values are no times, or twice")
    waves = _in_milliseconds(waves, notes)
    inside = [wave for wave in waves if wave <= end_ms]
    if len(inside) < len(waves):
        notes.append(f"R Wave Time Vector: {len(waves) - len(inside)} of {len(waves)} R waves lie outside the clip")
    kept: list[float] = []
    for wave in inside:
        if not kept or wave - kept[-1] >= _SHORTEST_BEAT_MS:
            kept.append(wave)
    if len(kept) < len(inside):
        notes.append(f"R Wave Time Vector: {len(inside) - len(kept)} R waves too soon after another were left out")
    return tuple(kept)


def read_heart_rate(header: Dataset, r_waves_ms: tuple[float, ...], notes: list[str]) -> float | None:
    """Heart Rate (0018,1088) in beats a minute; from the R waves when the machine gives none that can be."""
    beats = [later - earlier for earlier, later in pairwise(r_waves_ms)]
    measured = 60_000 / median(beats) if beats else None
    if measured is not None and measured < SLOWEST_HEART:
        measured = None
    written = read_number(header, "HeartRate")
    if not written:  # 0 is what machines write when no electrocardiogram is connected
        if read_numbers(header, "HeartRate") and written is None:
            notes.append("Heart Rate is no number")
        return measured
    if not SLOWEST_HEART <= written <= FASTEST_HEART:
        notes.append(f"Heart Rate is {written:.4g}, which is none of a heart")
        return measured
    if measured is not None and abs(measured - written) > 0.2 * written:
        notes.append(f"Heart Rate is {written:.4g}, but the R waves come at {measured:.4g} a minute")
    return written


def _in_milliseconds(waves: list[float], notes: list[str]) -> list[float]:
    beats = [later - earlier for earlier, later in pairwise(waves)]
    if beats and _SHORTEST_BEAT_MS <= median(beats) * 1000 <= _LONGEST_BEAT_MS:
        notes.append("R Wave Time Vector is in seconds: taken times a thousand")
        return [wave * 1000 for wave in waves]
    return waves
