"""B-mode pictures of a synthetic heart, made as a machine makes them: scatterers, pulse, envelope, scan conversion.

The tissue is full of point scatterers that move with it. Echo by echo, in polar coordinates, their complex amplitudes
(the carrier's phase is that of the way there and back) are convolved with the system's point-spread function: along the
beam the pulse, across it the beam, which is narrowest at the focus and has side lobes. The envelope's speckle is what
interference makes of them. Then attenuation, shadows, noise and drop-out, logarithmic compression, and the fan.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from worker.phantom.acquisition import Acquisition
from worker.phantom.heart import Heart
from worker.phantom.slices import slice_at
from worker.phantom.tissue import METAL, Slice

Complex = npt.NDArray[np.complex64]
Float = npt.NDArray[np.float32]

SAMPLES, BEAMS = 448, 160
"""Of the polar grid, along and across: 0.036 cm and half a degree at 16 cm and 80 degrees."""
SOUND_CM_PER_US = 0.154
BRIGHTEST_DB = 25.0
"""The echo that is white, against the myocardium's."""
TEXEL_CM, TEXELS = 0.05, 512
"""The scatterers: one in each square of this edge; after so many of them they repeat."""
SIDE_LOBES = 0.01
"""Of the beam, in amplitude."""
PATCHES_DB, PATCHES_AROUND_DB, AROUND_DB = 2.8, 4.5, -8.0
"""How unevenly muscle echoes, and what echoes less than the last: the lung and fat around a heart."""
CONTRAST = 1.3
"""The exponent of the grey levels: the darker, the darker still."""
REVERBERATION_CM, REVERBERATIONS = 0.4, 4
"""Between the ghosts below an implant, each weaker; and how many."""


@dataclass(frozen=True, kw_only=True)
class SectorClip:
    """The fan of a clip, without anything that a machine draws around it."""

    frames: npt.NDArray[np.uint8]
    """[T, rows, columns], grey; black outside the fan, whose apex is in the middle of the upper edge."""
    cm_per_pixel: float
    """Down and across."""
    frame_times_ms: npt.NDArray[np.float64]
    """When each frame was taken, from the first."""
    r_wave_times_ms: tuple[float, ...]
    """Within the clip."""
    heart_rate: float
    devices: npt.NDArray[np.bool_]
    """[T, rows, columns]: where an implant is."""
    fan: npt.NDArray[np.bool_]
    """[rows, columns]: what is not outside."""


def image_clip(
    heart: Heart, acquisition: Acquisition, *, rows: int, columns: int, only: list[int] | None = None
) -> SectorClip:
    """Scan a heart.

    Parameters
    ----------
    rows, columns
        Of the picture; the fan is as large in it as it can be.
    only
        Which frames to make, from 0; None: all of them. The others' times are left out as well.
    """
    random = np.random.default_rng(acquisition.seed)
    machine = Machine(acquisition, random)
    screen = _ScanConversion(acquisition, rows, columns)
    numbers = list(range(acquisition.number_of_frames)) if only is None else only
    frames = np.zeros((len(numbers), rows, columns), np.uint8)
    devices = np.zeros((len(numbers), rows, columns), bool)
    shown: Float | None = None
    for index, number in enumerate(numbers):
        phase = acquisition.first_phase + number / acquisition.frame_rate * heart.heart_rate / 60
        tissue = slice_at(heart, acquisition, phase, machine.x, machine.z)
        level = machine.level(tissue)
        stays = acquisition.persistence if shown is not None and only is None else 0.0
        shown = level if shown is None else stays * shown + (1 - stays) * level
        frames[index] = screen.convert(shown)
        if tissue.device.any():
            devices[index] = screen.convert(255 * tissue.device.astype(np.float32)) > 100
    beat_ms = 60_000 / heart.heart_rate
    first_wave = (-acquisition.first_phase % 1.0) * beat_ms
    length_ms = acquisition.number_of_frames / acquisition.frame_rate * 1000
    return SectorClip(
        frames=frames,
        cm_per_pixel=screen.cm_per_pixel,
        frame_times_ms=np.asarray(numbers) / acquisition.frame_rate * 1000,
        r_wave_times_ms=tuple(float(at) for at in np.arange(first_wave, length_ms, beat_ms)),
        heart_rate=heart.heart_rate,
        devices=devices,
        fan=screen.fan,
    )


class Machine:
    """The probe and what is behind it, for one clip."""

    def __init__(self, acquisition: Acquisition, random: np.random.Generator) -> None:
        self._acquisition, self._random = acquisition, random
        self._step = acquisition.depth_cm / SAMPLES
        depth = (np.arange(SAMPLES, dtype=np.float32) + 0.5)[:, None] * np.float32(self._step)
        angle = np.radians(np.linspace(-1, 1, BEAMS, dtype=np.float32) * acquisition.half_angle_deg)[None, :]
        self.x, self.z = depth * np.sin(angle), depth * np.cos(angle)
        wavelength = SOUND_CM_PER_US / acquisition.frequency_mhz
        self._carrier = np.exp(-4j * np.pi * depth / wavelength).astype(np.complex64)
        self._pulse = 0.9 * wavelength / self._step
        self._beam = self._beam_response(wavelength, depth[:, 0], float(angle[0, 1] - angle[0, 0]))
        self._scatterers = random.normal(size=(TEXELS, TEXELS)).astype(np.float32)
        patches = gaussian_filter(random.normal(size=(TEXELS, TEXELS)), 14, mode="wrap").astype(np.float32)
        self.patches = patches / patches.std()
        self._clutter_db = np.float32(acquisition.clutter_db) - 2 * depth
        self.passes = _amplitude(self._what_the_window_takes(depth, angle))

    def level(self, tissue: Slice) -> Float:
        """The grey level of each sample, 0..255: [SAMPLES, BEAMS]."""
        settings = self._acquisition
        column = (tissue.source_x / TEXEL_CM).astype(np.int32) & (TEXELS - 1)
        row = (tissue.source_z / TEXEL_CM).astype(np.int32) & (TEXELS - 1)
        echo_db = np.maximum(tissue.echo_db, self._clutter_db)
        patchy = np.where(echo_db < AROUND_DB, PATCHES_AROUND_DB, PATCHES_DB) * self.patches[row, column]
        scattered = self._scatterers[row, column] * _amplitude(echo_db + patchy)
        echoes = self._focused(scattered * self._carrier)
        echoes += self._ghosts(tissue.device)
        noise = self._random.normal(size=(2, SAMPLES, BEAMS)).astype(np.float32)
        deeper = 0.9 * (self.z[:, BEAMS // 2] - 8)[:, None]
        strength = _amplitude(settings.noise_db + deeper)
        heard = np.abs(echoes) * self.passes
        if tissue.device.any():
            heard *= _amplitude(-self._shadow(tissue.device))
        envelope = np.hypot(heard + strength * noise[0], strength * noise[1])
        bright = (_decibels(envelope) + settings.gain_db - BRIGHTEST_DB) / settings.dynamic_range_db + 1
        grey: Float = 255 * np.exp(CONTRAST * np.log(np.clip(bright, 1e-6, 1)))
        return grey

    def _beam_response(self, wavelength: float, depth: Float, pitch: float) -> Float:
        """The transfer function across the beams at each depth, [SAMPLES, BEAMS]: of energy 1."""
        settings = self._acquisition
        narrowest = 0.45 * wavelength / settings.aperture_cm
        defocus = np.abs(1 / np.maximum(depth, 1) - 1 / settings.focus_cm) * settings.aperture_cm * 0.22
        width = np.hypot(narrowest, defocus)[:, None] / pitch
        waves = 2 * np.pi * scipy.fft.fftfreq(BEAMS)[None, :]
        main, side = np.exp(-0.5 * (width * waves) ** 2), np.exp(-0.5 * (6 * width * waves) ** 2)
        response = main + SIDE_LOBES * 6 * side
        normalised: Float = (response / np.sqrt((response**2).mean(axis=1, keepdims=True))).astype(np.float32)
        return normalised

    def _focused(self, scattered: Complex) -> Complex:
        across = scipy.fft.ifft(scipy.fft.fft(scattered, axis=1) * self._beam, axis=1)
        along: Complex = gaussian_filter1d(across, self._pulse, axis=0, mode="constant").astype(np.complex64)
        return along * np.float32(np.sqrt(2 * np.sqrt(np.pi) * self._pulse))

    def _ghosts(self, device: npt.NDArray[np.bool_]) -> Complex | float:
        """Sound that goes to and fro within an implant comes back later, again and again."""
        if not device.any():
            return 0.0
        ghosts = np.zeros((SAMPLES, BEAMS), np.complex64)
        metal = self._focused((device * 10 ** (METAL / 20) * self._carrier).astype(np.complex64)) * np.float32(0.25)
        for number in range(1, REVERBERATIONS + 1):
            later = round(number * REVERBERATION_CM / self._step)
            ghosts[later:] += metal[:-later] * np.float32(10 ** (-6.5 * number / 20))
        return ghosts

    def _shadow(self, device: npt.NDArray[np.bool_]) -> Float:
        """What an implant takes from the sound that goes on behind it, in decibels."""
        passed = np.cumsum(device, axis=0, dtype=np.float32) * np.float32(self._step)
        shadow: Float = gaussian_filter1d(np.minimum(14 * passed, 8), 1.5, axis=1)
        return shadow

    def _what_the_window_takes(self, depth: Float, angle: Float) -> Float:
        """Decibels for each sample: depth, ribs and lung at the sides, and the layers of the chest wall."""
        settings, random = self._acquisition, self._random
        lanes = gaussian_filter1d(random.normal(size=BEAMS), 7, mode="nearest")
        lanes = np.minimum(lanes / lanes.std(), 0.6) - 0.6
        sides = -7 * (np.abs(angle[0]) / np.radians(settings.half_angle_deg)) ** 3
        gone = settings.dropout * (5 * lanes + 1.6 * sides) + sides * 0.4
        wall = gaussian_filter1d(random.normal(size=SAMPLES), 3)
        layers = (9 + 5 * wall / wall.std()) * np.exp(-((depth[:, 0] / 0.8) ** 2))
        taken = -settings.attenuation_db_per_cm * np.maximum(depth - 3, 0) + layers[:, None]
        window: Float = (taken + gone[None, :] * np.clip(depth / 4, 0, 1)).astype(np.float32)
        return window


def _amplitude(decibels: Float) -> Float:
    """float32: numpy's exponential of it is many times as fast as its power."""
    amplitude: Float = np.exp(np.float32(np.log(10) / 20) * decibels)
    return amplitude


def _decibels(amplitude: Float) -> Float:
    """Of an amplitude of nothing as well: then far below all that can be seen."""
    decibels: Float = np.float32(20 / np.log(10)) * np.log(amplitude + np.float32(1e-6))
    return decibels


class _ScanConversion:
    """From beams to the fan on a screen: bilinear, the same for every frame of a clip."""

    def __init__(self, acquisition: Acquisition, rows: int, columns: int) -> None:
        half = np.radians(acquisition.half_angle_deg)
        self.cm_per_pixel = float(max(acquisition.depth_cm / rows, 2 * acquisition.depth_cm * np.sin(half) / columns))
        down, across = np.mgrid[:rows, :columns].astype(np.float32)
        x = (across - (columns - 1) / 2) * self.cm_per_pixel
        z = (down + 0.5) * self.cm_per_pixel
        radius, angle = np.hypot(x, z), np.arctan2(x, z)
        self.fan = (radius < acquisition.depth_cm) & (np.abs(angle) <= half)
        sample = radius[self.fan] / acquisition.depth_cm * SAMPLES - 0.5
        beam = (angle[self.fan] / half + 1) / 2 * (BEAMS - 1)
        first_sample = np.clip(sample.astype(np.int32), 0, SAMPLES - 2)
        first_beam = np.clip(beam.astype(np.int32), 0, BEAMS - 2)
        down = np.clip(sample - first_sample, 0, 1).astype(np.float32)
        across = np.clip(beam - first_beam, 0, 1).astype(np.float32)
        first = first_sample * BEAMS + first_beam
        weights = ((1 - down) * (1 - across), (1 - down) * across, down * (1 - across), down * across)
        self._taken = tuple(zip((first, first + 1, first + BEAMS, first + BEAMS + 1), weights, strict=True))
        """Of each pixel of the fan, the four samples around it, and how much each counts."""
        self._shown = np.flatnonzero(self.fan)

    def convert(self, level: Float) -> npt.NDArray[np.uint8]:
        """Grey levels of the polar grid to uint8 [rows, columns]."""
        flat = level.ravel()
        shown = np.full(len(self._shown), 0.5, np.float32)  # so that whole numbers are the nearest
        for samples, weights in self._taken:
            shown += flat.take(samples) * weights
        picture = np.zeros(self.fan.shape, np.uint8)
        picture.ravel()[self._shown] = shown
        return picture
