"""Synthetic clips as the image tower gets them, made once and kept in a folder: what a model is trained on.

A clip is decided by its seed alone. It goes the way of a real one, but in memory: scanned, put on a machine's screen,
JPEG and back, cropped to the sector and made 224 x 224 by the code that prepares studies.
"""

import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import numpy.typing as npt

import worker.phantom
import worker.pixels
from config.errors import ClipError
from worker.phantom.acquisition import Acquisition, PhantomView, sample_acquisition
from worker.phantom.captions import PAGE
from worker.phantom.coding import jpeg_round_trip
from worker.phantom.heart import MOST_ENLARGED, SMALLEST, Device, Heart, sample_heart
from worker.phantom.lettering import letters, stamp
from worker.phantom.screen import Screen, compose
from worker.phantom.screen_parts import VendorStyle
from worker.phantom.styles import TRAINING_STYLES, sample_style
from worker.phantom.ultrasound import SectorClip, image_clip
from worker.phantom.words import sample_patient, words_for
from worker.pixels.profiles import FAST, SIDE
from worker.pixels.regions import Region
from worker.pixels.sector import find_sector

SHARES: Mapping[str, float] = {
    PhantomView.APICAL_FOUR_CHAMBER: 0.46,
    PhantomView.APICAL_FIVE_CHAMBER: 0.16,
    PhantomView.APICAL_TWO_CHAMBER: 0.16,
    PhantomView.PARASTERNAL_LONG_AXIS: 0.07,
    PhantomView.PARASTERNAL_SHORT_AXIS: 0.04,
    PhantomView.SUBCOSTAL: 0.05,
    PhantomView.ABDOMEN: 0.04,
    PAGE: 0.02,
}
"""How often each view is shown."""
DEVICE_SHARE = 0.33
"""How often a heart has each device: more often than in the studies of a demo, since there is more to learn from."""
ANY_SIZE_SHARE = 0.15
"""How often each chamber's size is drawn evenly from all that there are: most hearts that come to a laboratory have
chambers of normal size, and too few of these would be severely enlarged to learn from, or to choose a cut point by."""
CHAMBERS: Mapping[str, str] = {
    "end_diastolic_volume_ml": "lv",
    "rv_diameter_mm": "rv",
    "la_volume_ml": "la",
    "ra_area_cm2": "ra",
}

Frames = npt.NDArray[np.uint8]
"""[N, T, 224, 224, 3], RGB."""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """One clip to be made, and all that is true of it."""

    view: str
    heart: Heart | None
    acquisition: Acquisition | None
    style: VendorStyle
    random: np.random.Generator
    """For whatever else is to be drawn."""


def scan_of(
    seed: int,
    number: int,
    *,
    frames: int,
    view: str | None = None,
    repeat: int = 0,
    styles: Sequence[VendorStyle] = TRAINING_STYLES,
) -> Scan:
    """Clip `number` of a seed: its heart, and how it is scanned: one beat from any moment on, evenly.

    The heart is that of the seed and the number, whatever the view, so that several views of it can be made, and each
    of them again and again.
    """
    heart_random = np.random.default_rng((seed, number, 0))
    which = list(SHARES).index(view) if view else len(SHARES)
    random = np.random.default_rng((seed, number, 1 + repeat, which))
    view = view or str(random.choice(list(SHARES), p=list(SHARES.values())))
    style = sample_style(random, styles)
    if view == PAGE:
        return Scan(view=view, heart=None, acquisition=None, style=style, random=random)
    heart = sample_heart(heart_random, devices=_devices(heart_random), **_sizes(heart_random))
    acquisition = sample_acquisition(
        random, PhantomView(view), heart, frame_rate=frames * heart.heart_rate / 60, number_of_frames=frames
    )
    return Scan(view=view, heart=heart, acquisition=acquisition, style=style, random=random)


def frames_of(scan: Scan, frames: int) -> Frames:
    """What the image tower gets of a clip: uint8 [T, 224, 224, 3]."""
    if scan.heart is None or scan.acquisition is None:
        return _page(scan.random, frames)
    return _taken(scan, scan.heart, scan.acquisition, frames).frames()


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A clip as the image tower gets it, and where in it what is."""

    frames: Frames
    """[T, 224, 224, 3]."""
    devices: npt.NDArray[np.bool_]
    """[T, 224, 224]."""
    fan: npt.NDArray[np.bool_]
    """[224, 224]."""


def shown_of(scan: Scan, heart: Heart, acquisition: Acquisition, frames: int) -> Shown:
    """A clip of a heart."""
    taken = _taken(scan, heart, acquisition, frames)
    return Shown(
        frames=taken.frames(),
        devices=np.stack([taken.where(mask) for mask in taken.clip.devices]),
        fan=taken.where(taken.clip.fan),
    )


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """A clip on a machine's screen."""

    clip: SectorClip
    screen: Screen
    pictures: npt.NDArray[np.uint8]
    """Of the whole screen, JPEG and back."""
    region: Region
    """Of the ultrasound picture, as the product finds it."""

    def frames(self) -> Frames:
        return np.stack([FAST.model_frame(picture, self.region) for picture in self.pictures])

    def where(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Of a mask of the sector: bool [224, 224], as frames are cut."""
        picture = np.zeros(self.pictures.shape[1:], np.uint8)
        sector = self.screen.sector
        picture[sector.top : sector.bottom, sector.left : sector.right] = 255 * mask[..., np.newaxis]
        there: npt.NDArray[np.bool_] = FAST.model_frame(picture, self.region)[..., 0] > 127
        return there


def _taken(scan: Scan, heart: Heart, acquisition: Acquisition, frames: int) -> _Taken:
    rows, columns = scan.style.sector_shape(acquisition.half_angle_deg)
    # Frame by frame: at so few frames a second, one would otherwise shine through into the next.
    clip = image_clip(heart, acquisition, rows=rows, columns=columns, only=list(range(frames)))
    words = words_for(sample_patient(scan.random), acquisition, heart.heart_rate)
    screen = compose(clip, scan.style, words)
    pictures = jpeg_round_trip(screen.frames, quality=scan.style.jpeg_quality)
    region = screen.region
    if scan.style.region == "none":
        try:
            region = find_sector(list(pictures[::2])).region
        except ClipError:
            region = screen.sector
    return _Taken(clip=clip, screen=screen, pictures=pictures, region=region)


def make_clips(folder: Path, *, seed: int, clips: int, frames: int, processes: int) -> Frames:
    """The clips 0 to `clips` - 1 of a seed, kept in a folder and made where they are not; mapped from there.

    What an earlier generator made is made anew.
    """
    file, done = folder / "frames.npy", folder / "made.json"
    made = {"seed": seed, "clips": clips, "frames": frames, "generator": _generator()}
    if not done.exists() or json.loads(done.read_text()) != made:
        folder.mkdir(parents=True, exist_ok=True)
        done.unlink(missing_ok=True)
        shape = (clips, frames, SIDE, SIDE, 3)
        np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape).flush()
        began = time.monotonic()
        with Pool(processes) as pool:
            for count, _ in enumerate(pool.imap_unordered(partial(_keep, file, seed, frames), range(clips), 8), 1):
                if count % 500 == 0 or count == clips:
                    print(f"{count} clips made in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        done.write_text(json.dumps(made))
    mapped: Frames = np.load(file, mmap_mode="r")
    return mapped


def scans_of(*, seed: int, clips: int, frames: int) -> Sequence[Scan]:
    """What is true of the clips of `make_clips`."""
    return [scan_of(seed, number, frames=frames) for number in range(clips)]


def _generator() -> str:
    """A digest of all code that decides a clip: SHA-256."""
    sources = [Path(__file__), *sorted(Path(worker.phantom.__file__).parent.glob("*.py"))]
    sources += sorted(Path(worker.pixels.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _devices(random: np.random.Generator) -> frozenset[Device]:
    there = {device for device in Device if random.random() < DEVICE_SHARE}
    if {Device.TAVR, Device.IMPELLA} <= there:  # both go through the aortic valve
        there.remove(Device(random.choice([Device.TAVR, Device.IMPELLA])))
    return frozenset(there)


def _sizes(random: np.random.Generator) -> dict[str, float]:
    """Those that are not left to what else the heart has."""
    return {
        size: float(random.uniform(SMALLEST[chamber], MOST_ENLARGED[chamber]))
        for size, chamber in CHAMBERS.items()
        if random.random() < ANY_SIZE_SHARE
    }


def _keep(file: Path, seed: int, frames: int, number: int) -> None:
    kept = np.load(file, mmap_mode="r+")
    kept[number] = frames_of(scan_of(seed, number, frames=frames), frames)


def _page(random: np.random.Generator, frames: int) -> Frames:
    """A table of letters and numbers on a dark page, cut as a region would be."""
    picture = np.full((600, 600, 3), random.integers(0, 40, 3), np.uint8)
    red, green, blue = (int(value) for value in random.integers(120, 256, 3))
    size = int(random.integers(12, 26))
    for row in range(int(random.integers(20, 60)), 580, int(size * random.uniform(1.3, 2.2))):
        for column in range(int(random.integers(4, 40)), 560, int(random.integers(100, 220))):
            word = "".join(random.choice(list("ABCDEFGHIKLMNOPRSTUVW0123456789.:/%"), int(random.integers(2, 10))))
            mask = letters(word, size=size)
            room = 600 - column
            stamp(picture, mask[: 600 - row, :room], left=column, top=row, colour=(red, green, blue))
    shown = FAST.model_frame(picture, Region(left=0, top=0, right=600, bottom=600))
    return np.repeat(shown[np.newaxis], frames, axis=0)
