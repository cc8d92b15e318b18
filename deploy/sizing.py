"""How much disk, and how many workers, a number of studies a day needs: reckoned from what was measured.

Each figure has its source. What is of this software was measured with it, on the machine that docs/performance.md
describes; what is of a site (how many studies, clips and megabytes) is asked for.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FRAMES_PER_CLIP = 16
EMBEDDING_BYTES_PER_FRAME = 512 * 2
TENSOR_BYTES_PER_FRAME = 224 * 224 * 3
MADE_BYTES = 2_000_000
HEAT_BYTES = 67_000
HEADER_BYTES_PER_CLIP = 35_000
REGISTRY_BYTES_PER_STUDY = 1_000
REGISTRY_BYTES_PER_CLIP = 8_500
CPU_FRAMES_PER_S = 9.3
PREPARE_CLIPS_PER_S = 40.0
BUSY_AT_MOST = 0.7
CORES_OF_A_WORKER = 2

SOURCES: Mapping[str, tuple[str, str]] = {
    "frames of a clip": (f"at most {FRAMES_PER_CLIP}", "docs/pixels.md, profile fast-1"),
    "embeddings of a frame": (f"{EMBEDDING_BYTES_PER_FRAME} bytes", "512 numbers of half precision (EchoCLIP)"),
    "prepared clip": ("2.4 MB", "16 x 224 x 224 x 3 bytes; gone once it is reported on"),
    "report, heat map and page": ("2.0 MB", "measured: docs/sizing.md"),
    "where the model looked": ("67 kB", "measured: docs/sizing.md"),
    "header of an image": ("35 kB", "measured: docs/sizing.md; kept where its pixels go"),
    "registry": ("1 kB a study and 8.5 kB a clip", "measured: docs/sizing.md"),
    "scoring on a CPU": ("9.3 frames/s on two cores", "docs/performance.md: image tower, float32, without AMX, quiet"),
    "preparing": ("40 clips/s on two cores", "docs/performance.md: 60 clips in 1.5 s"),
    "busy at most": ("70 %", "a rule of thumb: queues grow fast beyond it"),
}
"""What each figure is, and where it is from."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """What is asked of a site."""

    studies_per_day: float
    clips_per_study: float = 60
    megabytes_per_clip: float = 3.0
    """As received; of the study which `bench.receive` sends, 180 MB in 60 clips, it is 3.0."""
    days_per_year: int = 365
    hours_per_day: float = 10.0
    """In which they come."""
    peak: float = 2.0
    """The busiest hour, against the mean of these hours."""
    gpu_frames_per_s: float | None = None
    """That `python -m bench.score tower` has measured on the site's GPU; None: nobody has."""

    @property
    def studies_per_year(self) -> float:
        """Of a year."""
        return self.studies_per_day * self.days_per_year

    @property
    def clips_per_peak_hour(self) -> float:
        """Of the busiest hour."""
        return self.studies_per_day / self.hours_per_day * self.peak * self.clips_per_study


@dataclass(frozen=True, kw_only=True)
class Disk:
    """What a way of keeping needs, in GB (10^9 bytes)."""

    kept: str
    """`[keep]` in words."""
    pixels_gb: float
    """After a year: all of them, or those of so many days."""
    embeddings_gb: float
    rest_gb: float
    """Reports and pictures, and the headers of images whose pixels went: a year of them."""
    total_gb: float
    grows_gb_per_year: float
    """After that year."""


@dataclass(frozen=True, kw_only=True)
class Workers:
    """How many processes of a step keep up with the busiest hour, each with two cores, or a GPU."""

    queue: str
    device: str
    workers: int | None
    """None: it has not been measured."""
    seconds_per_study: float | None
    """Of one study, alone."""
    why: str


@dataclass(frozen=True, kw_only=True)
class Sizing:
    """All of it."""

    disk: tuple[Disk, ...]
    tensors_gb: float
    """Of a day's studies that all wait to be scored: room to keep free."""
    registry_gb_per_year: float
    registry_rows_per_year: int
    """Of the two large tables: an instance and a clip for each image."""
    backup_gb: float
    """Of a first backup of a year, where everything is kept; each further one has what is new."""
    workers: tuple[Workers, ...]


def size(site: Site, pixels_days: Sequence[int]) -> Sizing:
    """Reckon what a site needs, with pixels kept for so many days each; 0 is for ever."""
    disk = tuple(_disk(site, days) for days in pixels_days)
    registry = site.studies_per_year * (REGISTRY_BYTES_PER_STUDY + REGISTRY_BYTES_PER_CLIP * site.clips_per_study)
    return Sizing(
        disk=disk,
        tensors_gb=_gb(site.studies_per_day * site.clips_per_study * FRAMES_PER_CLIP * TENSOR_BYTES_PER_FRAME),
        registry_gb_per_year=_gb(registry),
        registry_rows_per_year=round(2 * site.studies_per_year * site.clips_per_study),
        backup_gb=_disk(site, 0).total_gb + _gb(registry),
        workers=(_preparing(site), _scoring_on_a_cpu(site), _scoring_on_a_gpu(site)),
    )


def _disk(site: Site, pixels_days: int) -> Disk:
    pixels_a_year = _gb(site.studies_per_year * site.clips_per_study * site.megabytes_per_clip * 1e6)
    share = min(pixels_days / 365, 1.0) if pixels_days else 1.0
    embeddings = _gb(site.studies_per_year * site.clips_per_study * FRAMES_PER_CLIP * EMBEDDING_BYTES_PER_FRAME)
    made = _gb(site.studies_per_year * (MADE_BYTES + HEAT_BYTES))
    headers_a_year = _gb(site.studies_per_year * site.clips_per_study * HEADER_BYTES_PER_CLIP)
    rest = made + headers_a_year * (1 - share)
    pixels_stay = not 0 < pixels_days <= 365
    return Disk(
        kept=f"pixels_days = {pixels_days}" if pixels_days else "everything",
        pixels_gb=pixels_a_year * share,
        embeddings_gb=embeddings,
        rest_gb=rest,
        total_gb=pixels_a_year * share + embeddings + rest,
        grows_gb_per_year=embeddings + made + (pixels_a_year if pixels_stay else headers_a_year),
    )


def _preparing(site: Site) -> Workers:
    return Workers(
        queue="prepare",
        device=f"{CORES_OF_A_WORKER} cores",
        workers=_needed(site.clips_per_peak_hour, PREPARE_CLIPS_PER_S),
        seconds_per_study=site.clips_per_study / PREPARE_CLIPS_PER_S,
        why="decoding",
    )


def _scoring_on_a_cpu(site: Site) -> Workers:
    frames = site.clips_per_study * FRAMES_PER_CLIP
    return Workers(
        queue="score",
        device=f"{CORES_OF_A_WORKER} cores",
        workers=_needed(site.clips_per_peak_hour * FRAMES_PER_CLIP, CPU_FRAMES_PER_S),
        seconds_per_study=frames / CPU_FRAMES_PER_S,
        why="without a GPU",
    )


def _scoring_on_a_gpu(site: Site) -> Workers:
    frames, speed = site.clips_per_study * FRAMES_PER_CLIP, site.gpu_frames_per_s
    return Workers(
        queue="score",
        device="1 GPU",
        workers=None if speed is None else _needed(site.clips_per_peak_hour * FRAMES_PER_CLIP, speed),
        seconds_per_study=None if speed is None else frames / speed,
        why="in place of these cores"
        if speed
        else "not measured: python -m bench.score tower, then --gpu-frames-per-s",
    )


def _needed(per_hour: float, per_s: float) -> int:
    return max(1, math.ceil(per_hour / 3600 / (per_s * BUSY_AT_MOST)))


def _gb(size_bytes: float) -> float:
    return size_bytes / 1e9
