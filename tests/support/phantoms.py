"""Of synthetic hearts: sectors without physics, for tests of what machines draw around them; what is true of a clip."""

from collections.abc import Mapping
from datetime import datetime

import numpy as np

from worker.phantom.acquisition import Acquisition, PhantomView
from worker.phantom.captions import Answer, Sentence
from worker.phantom.screen_parts import VendorStyle
from worker.phantom.ultrasound import SectorClip
from worker.phantom.words import Patient, Words, words_for

ACQUISITION = Acquisition(view=PhantomView.APICAL_FOUR_CHAMBER, seed=1, number_of_frames=60, frame_rate=40.0)
PATIENT = Patient(
    name="PHANTOM^TEST^SUBJECT",
    patient_id="PHANTOM-000001",
    birth_date="19500101",
    sex="O",
    institution="PHANTOM GENERAL",
    study_began=datetime(2024, 2, 3, 9, 5, 1),  # noqa: DTZ001
)
BEAT_MS, FIRST_R_WAVE_MS = 800.0, 250.0


def words(**changes: object) -> Words:
    return Words(**{**vars(words_for(PATIENT, ACQUISITION, 60_000 / BEAT_MS)), **changes})


def noise_in_a_fan(style: VendorStyle, *, times_ms: tuple[float, ...], seed: int = 0) -> SectorClip:
    """As large as the style has place for; every level from 1 to 255 within the fan."""
    rows, columns = style.sector_shape(40.0)
    down, across = np.mgrid[:rows, :columns]
    x = across - (columns - 1) / 2
    fan = (np.hypot(x, down + 0.5) < rows) & (np.abs(np.arctan2(x, down + 0.5)) <= np.radians(40.0))
    levels = np.random.default_rng(seed).integers(1, 256, (len(times_ms), rows, columns), np.uint8)
    return SectorClip(
        frames=np.where(fan, levels, 0).astype(np.uint8),
        cm_per_pixel=16.0 / rows,
        frame_times_ms=np.array(times_ms),
        r_wave_times_ms=(FIRST_R_WAVE_MS, FIRST_R_WAVE_MS + BEAT_MS),
        heart_rate=60_000 / BEAT_MS,
        devices=np.zeros((len(times_ms), rows, columns), bool),
        fan=fan,
    )


def is_true(sentence: Sentence, known: Mapping[str, Answer]) -> bool | None:
    """Whether a sentence is true of a clip with these `answers`; None: they do not say.

    That of a measurement is true where its number is the nearest.
    """
    answer = known.get(sentence.about)
    if answer is None:
        return None
    return (round(answer) if isinstance(answer, float) else answer) == sentence.answer
