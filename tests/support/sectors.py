"""Made pictures whose every pixel is known: sectors of moving speckle, and what machines draw around them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from worker.pixels.regions import Region

Mask = npt.NDArray[np.bool_]
Frames = npt.NDArray[np.uint8]
WHITE, GREEN = (230, 230, 230), (40, 230, 60)


def fan(rows: int, columns: int, *, apex: tuple[float, float], depth: float, half_angle: float, face: float) -> Mask:
    """A sector below its apex (x, y) in pixels; `face` is the radius of the probe, large for a curved array."""
    down, across = np.mgrid[:rows, :columns]
    x, y = across - apex[0], down - apex[1]
    radius = np.hypot(x, y)
    return (radius >= face) & (radius <= face + depth) & (np.abs(np.arctan2(x, y)) <= np.radians(half_angle))


def box(rows: int, columns: int, region: Region) -> Mask:
    """What a linear probe shows."""
    mask = np.zeros((rows, columns), bool)
    mask[region.top : region.bottom, region.left : region.right] = True
    return mask


def around(mask: Mask) -> Region:
    """The box around a mask."""
    down, across = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return Region(left=int(across[0]), top=int(down[0]), right=int(across[-1]) + 1, bottom=int(down[-1]) + 1)


def overlap(one: Region, other: Region) -> float:
    """Intersection over union."""
    common = one.common(other).area
    return common / (one.area + other.area - common)


def speckle(mask: Mask, *, number: int = 8, seed: int = 0, brightness: float = 60.0) -> Frames:
    """Tissue in the mask, [number, rows, columns, 3]: grains of three pixels that come and go, around dark chambers."""
    random = np.random.default_rng(seed)
    frames = np.zeros((number, *mask.shape), np.float32)
    down, across = np.mgrid[: mask.shape[0], : mask.shape[1]]
    where = around(mask)
    centre = ((where.top + where.bottom) / 2, (where.left + where.right) / 2)
    for index in range(number):
        # A dark ventricle of two thirds of the sector's width at most, which beats.
        size = 1 + 0.2 * np.sin(2 * np.pi * index / number)
        ventricle = np.hypot((down - centre[0]) / where.height * 4, (across - centre[1]) / where.width * 5) < size
        grains = ndimage.gaussian_filter(random.rayleigh(1.0, mask.shape).astype(np.float32), 1.0)
        frames[index] = np.where(mask & ~ventricle, grains * brightness, 0)
    return np.repeat(np.clip(frames, 0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=-1)


@dataclass
class Screen:
    """The frames of a clip, to draw on."""

    frames: Frames

    def text(self, at: tuple[int, int], words: str, *, size: int = 16, only: range | None = None) -> "Screen":
        """Words that stand still, or are seen in some frames only."""
        for index in only if only is not None else range(len(self.frames)):
            with self._drawing(index) as draw:
                draw.text(at, words, fill=WHITE, font_size=size)
        return self

    def clock(self, at: tuple[int, int]) -> "Screen":
        """A time that changes from frame to frame, and a heart rate that blinks."""
        for index in range(len(self.frames)):
            self.text(at, f"12:34:{41 + index // 3} {70 + index % 2} bpm", only=range(index, index + 1))
        return self

    def ecg(self, region: Region) -> "Screen":
        """A green line drawn from left to right over the clip, with a bright cursor at its end."""
        across = np.arange(region.width)
        beat = np.exp(-(((across % 90) - 45.0) ** 2) / 18)
        down = region.bottom - 3 - beat * (region.height - 6)
        for index in range(len(self.frames)):
            end = region.width * (index + 1) // len(self.frames)
            line = [(region.left + int(x), int(y)) for x, y in zip(across[:end], down[:end], strict=True)]
            with self._drawing(index) as draw:
                draw.line(line, fill=GREEN, width=2)
                draw.line([(line[-1][0], region.top), (line[-1][0], region.bottom)], fill=WHITE, width=2)
        return self

    def bar(self, region: Region, *, coloured: bool) -> "Screen":
        """The scale of greys, or of velocities from cyan over blue and red to yellow."""
        ramp = np.linspace(255, 0, region.height, dtype=np.uint8)[:, np.newaxis]
        plane = np.broadcast_to(ramp, (region.height, region.width))
        blank = np.zeros_like(plane)
        picture = np.stack([plane, blank, 255 - plane] if coloured else [plane] * 3, axis=-1)
        self.frames[:, region.top : region.bottom, region.left : region.right] = picture
        return self

    def banner(self, height: int, words: str) -> "Screen":
        """A filled strip along the whole upper edge, with words in it."""
        self.frames[:, :height] = (40, 60, 90)
        return self.text((8, 4), words)

    def flow(self, region: Region, *, seed: int = 0) -> "Screen":
        """Colour Doppler: red and blue patches that come and go inside a box with a white frame."""
        random = np.random.default_rng(seed)
        for index in range(len(self.frames)):
            velocity = ndimage.gaussian_filter(random.normal(size=(region.height, region.width)), 8)
            inside = self.frames[index, region.top : region.bottom, region.left : region.right]
            inside[velocity > 0.01] = (200, 30, 10)
            inside[velocity < -0.01] = (10, 40, 210)
            edges = (region.left, region.top, region.right - 1, region.bottom - 1)
            with self._drawing(index) as draw:
                draw.rectangle(edges, outline=WHITE, width=2)
        return self

    def sweep(self, region: Region, *, seed: int = 0) -> "Screen":
        """A spectral trace, drawn column by column over the clip; what was drawn stays."""
        random = np.random.default_rng(seed)
        trace = ndimage.gaussian_filter(random.rayleigh(60.0, (region.height, region.width)), 1).astype(np.uint8)
        for index in range(len(self.frames)):
            end = region.width * (index + 1) // len(self.frames)
            shown = trace[:, :end, np.newaxis]
            self.frames[index, region.top : region.bottom, region.left : region.left + end] = shown
        return self

    def tint(self, colour: tuple[float, float, float]) -> "Screen":
        """Everything in one hue, as a chroma map shows B-mode."""
        self.frames = (self.frames * np.array(colour, np.float32)).astype(np.uint8)
        return self

    @contextmanager
    def _drawing(self, index: int) -> Iterator[ImageDraw.ImageDraw]:
        picture = Image.fromarray(self.frames[index])
        yield ImageDraw.Draw(picture)
        self.frames[index] = np.asarray(picture)
