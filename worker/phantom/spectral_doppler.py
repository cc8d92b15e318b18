"""A still of continuous-wave Doppler through the tricuspid valve: the jet whose velocity tells the pressure."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter

from worker.phantom.heart import SYSTOLE_S, Heart
from worker.phantom.lettering import letters, stamp, write
from worker.phantom.screen import blank
from worker.phantom.screen_parts import GREY, WHITE, TextBlock, VendorStyle
from worker.phantom.words import Words
from worker.pixels.regions import Region

RIGHT_ATRIAL_PRESSURE = 5.0
"""mmHg, of every phantom: what is added to the gradient of the jet."""
SHOWN_S = 3.0
BASELINE = 0.22
"""Of the height, from the top: the jet goes down, away from the probe."""


@dataclass(frozen=True, kw_only=True)
class SpectralStill:
    """The picture, where its trace is, and what its pixels stand for."""

    picture: npt.NDArray[np.uint8]
    """[rows, columns, 3], RGB."""
    trace: Region
    seconds_per_pixel: float
    cm_per_second_per_pixel: float
    """Negative: velocities go down."""
    baseline: int
    """Rows from the top of the trace."""
    frozen: Region
    """The small B-mode picture above it."""
    shrunk: float
    """The frozen picture's pixels for one of the clip's."""


def jet_velocity(heart: Heart) -> float:
    """Peak velocity of tricuspid regurgitation in m/s, by the simplified Bernoulli equation, gradient = 4 v^2."""
    return float(np.sqrt(max(heart.pa_pressure - RIGHT_ATRIAL_PRESSURE, 1.0) / 4))


def spectral_still(
    heart: Heart, style: VendorStyle, words: Words, sector: npt.NDArray[np.uint8], *, seed: int
) -> SpectralStill:
    """Draw the still.

    Parameters
    ----------
    sector
        uint8 [rows, columns], grey: a frame of a clip, shown small above the trace.
    """
    picture = blank(style)
    for block in style.texts:
        write(picture, block, words)
    place = style.sector
    top = place.top + round(0.42 * place.height)
    trace = Region(left=place.left + 8, top=top, right=place.right - 48, bottom=place.bottom)
    frozen = _put_frozen(picture, sector, style, top)
    full_scale = 1.35 * max(jet_velocity(heart), 1.5)
    per_pixel = full_scale / (trace.height * (1 - BASELINE))
    levels = _trace(heart, trace, per_pixel, np.random.default_rng(seed))
    picture[trace.top : trace.bottom, trace.left : trace.right] = style.colours()[levels]
    baseline = round(BASELINE * trace.height)
    picture[trace.top + baseline, trace.left : trace.right] = GREY
    _label(picture, heart, trace, baseline, per_pixel, words)
    return SpectralStill(
        picture=picture,
        trace=trace,
        seconds_per_pixel=SHOWN_S / trace.width,
        cm_per_second_per_pixel=-100 * per_pixel,
        baseline=baseline,
        frozen=frozen,
        shrunk=frozen.height / sector.shape[0],
    )


def _put_frozen(
    picture: npt.NDArray[np.uint8], sector: npt.NDArray[np.uint8], style: VendorStyle, below: int
) -> Region:
    height = below - style.sector.top - 8
    width = round(height * sector.shape[1] / sector.shape[0])
    small = np.asarray(Image.fromarray(sector).resize((width, height), Image.Resampling.BILINEAR))
    left = style.sector.left + (style.sector.width - width) // 2
    box = Region(left=left, top=style.sector.top, right=left + width, bottom=style.sector.top + height)
    inside = picture[box.top : box.bottom, box.left : box.right]
    np.maximum(inside, style.colours()[small], out=inside)
    return box


def _trace(heart: Heart, trace: Region, per_pixel: float, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Grey levels of the spectrum, [rows, columns]: a parabola in each systole, bright at its envelope."""
    beat = 60 / heart.heart_rate
    seconds = np.arange(trace.width) * SHOWN_S / trace.width + random.uniform(0, beat)
    ejecting = ((seconds % beat) - 0.03) / (SYSTOLE_S * 1.25 * np.sqrt(beat))
    envelope = np.where((ejecting > 0) & (ejecting < 1), 4 * ejecting * (1 - ejecting), 0) ** 0.6 * jet_velocity(heart)
    filling = np.exp(-(((seconds % beat - 0.62 * beat) / 0.09) ** 2)) * 0.6
    velocity = (np.arange(trace.height)[:, np.newaxis] - BASELINE * trace.height) * per_pixel
    jet = (velocity > 0) & (velocity < envelope)
    inflow = (velocity < 0) & (-velocity < filling)
    brightness = np.where(jet, 70 + 110 * (velocity / np.maximum(envelope, 1e-6)) ** 2, np.where(inflow, 110, 10))
    wall = np.abs(velocity) < 0.12
    brightness = np.where(wall, 25, brightness)
    grains = gaussian_filter(random.rayleigh(1.0, brightness.shape), (1.2, 0.6))
    return np.asarray(np.clip(brightness * grains * 0.8, 0, 255), np.uint8)


def _label(
    picture: npt.NDArray[np.uint8], heart: Heart, trace: Region, baseline: int, per_pixel: float, words: Words
) -> None:
    for speed in range(1, int(trace.height * (1 - BASELINE) * per_pixel) + 1):
        y = trace.top + baseline + round(speed / per_pixel)
        picture[y, trace.right : trace.right + 6] = WHITE
        stamp(picture, letters(f"-{speed}", size=12), left=trace.right + 10, top=y - 8, colour=WHITE)
    velocity = jet_velocity(heart)
    text = f"TR Vmax  {velocity:.2f} m/s\nTR maxPG  {4 * velocity**2:.0f} mmHg"
    write(picture, TextBlock(at=(trace.left + 6, trace.top - 40), text=text, size=14), words)
