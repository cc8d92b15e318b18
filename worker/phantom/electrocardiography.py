"""The ECG of a screen: what the heart's beat looks like as a voltage, and the line that it draws."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from worker.phantom.screen_parts import Electrocardiogram

_WAVES = (
    # Height against the R wave, time after it in seconds at 60 beats a minute, half width in seconds.
    (0.13, -0.17, 0.030),  # P
    (-0.12, -0.035, 0.010),  # Q
    (1.00, 0.0, 0.012),  # R
    (-0.22, 0.035, 0.012),  # S
    (0.27, 0.29, 0.055),  # T
)
_LOWEST, _HIGHEST = -0.25, 1.02
_GAP = 0.05
"""Of the width of a sweep: blank ahead of the pen."""
_PER_SAMPLE_S = 0.003


def voltage(seconds: npt.NDArray[np.float64], r_waves_s: Sequence[float], beat_s: float) -> npt.NDArray[np.float64]:
    """The ECG at these times, 1 at the top of an R wave; beats go on before the first and behind the last R wave."""
    waves = list(r_waves_s) or [0.0]
    first, last = waves[0], waves[-1]
    before = np.arange(first - beat_s, float(seconds.min()) - 2 * beat_s, -beat_s)
    behind = np.arange(last + beat_s, float(seconds.max()) + 2 * beat_s, beat_s)
    shrunk = np.sqrt(beat_s)  # the T wave comes earlier in a fast heart
    signal = np.zeros_like(seconds)
    for r_wave in (*before, *waves, *behind):
        for height, after, width in _WAVES:
            away = seconds - r_wave - after * shrunk
            signal += height * np.exp(-((away / width) ** 2))
    return signal


class Trace:
    """Draws the ECG of one clip, frame by frame."""

    def __init__(
        self,
        ecg: Electrocardiogram,
        *,
        frame_times_ms: npt.NDArray[np.float64],
        r_wave_times_ms: Sequence[float],
        heart_rate: float,
    ) -> None:
        """`frame_times_ms` and `r_wave_times_ms` are of the same clock, which is 0 at the first frame."""
        self._ecg = ecg
        self._r_waves_s = [time / 1000 for time in r_wave_times_ms]
        self._beat_s = 60 / heart_rate
        times = frame_times_ms / 1000
        self._end_s = max(float(times[-1]) + 0.03, *self._r_waves_s, 0.03)
        self._begin_s = min(0.0, self._end_s - ecg.span_s)  # what came before a short clip is shown too
        self._whole = None if ecg.kind == "sweep" else self._line(self._begin_s, self._end_s, 0.0, 1.0)

    def draw(self, picture: npt.NDArray[np.uint8], time_ms: float) -> None:
        """Draw the trace as it stands at this time over uint8 [rows, columns, 3]."""
        box, now = self._ecg.box, time_ms / 1000
        canvas = Image.fromarray(picture[box.top : box.bottom, box.left : box.right])
        draw = ImageDraw.Draw(canvas)
        if self._whole is not None:
            at = (now - self._begin_s) / (self._end_s - self._begin_s)
            draw.line(self._whole, fill=self._ecg.colour, width=self._ecg.width)
        else:
            # Where the pen stands: every clip begins somewhere in the sweep.
            begins = now - (now + self._r_waves_s[0] if self._r_waves_s else now) % self._ecg.span_s
            at = (now - begins) / self._ecg.span_s
            draw.line(self._line(begins, now, 0.0, at), fill=self._ecg.colour, width=self._ecg.width)
            if at + _GAP < 1:
                older = begins - self._ecg.span_s * (1 - at - _GAP)
                draw.line(self._line(older, begins, at + _GAP, 1.0), fill=self._ecg.colour, width=self._ecg.width)
        x = at * (box.width - 1)
        if any(self._ecg.cursor):
            draw.line([(x, 0), (x, box.height)], fill=self._ecg.cursor, width=self._ecg.width)
        picture[box.top : box.bottom, box.left : box.right] = np.asarray(canvas)

    def _line(self, from_s: float, to_s: float, left: float, right: float) -> list[tuple[float, float]]:
        """The trace from one time to another between two parts of the width."""
        count = max(2, int((to_s - from_s) / _PER_SAMPLE_S))
        seconds = np.linspace(from_s, to_s, count)
        across = np.linspace(left, right, count) * (self._ecg.box.width - 1)
        height = self._ecg.box.height - 1
        signal = voltage(seconds, self._r_waves_s, self._beat_s)
        down = height * (1 - (signal - _LOWEST) / (_HIGHEST - _LOWEST))
        return list(zip(across.tolist(), down.tolist(), strict=True))
