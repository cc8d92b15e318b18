"""Whole synthetic studies: clips of several views, stills, the machine's report, the reader's report, and the truth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.uid import UID

from config.errors import EchoWorkerError
from worker.phantom.acquisition import PhantomView, sample_acquisition
from worker.phantom.contradictions import plant, truly_said
from worker.phantom.dicom_clip import StudyIdentity
from worker.phantom.heart import Heart, sample_heart
from worker.phantom.measurements import Measurements
from worker.phantom.report_text import ReportText, report_text, unreadable_text
from worker.phantom.screen_parts import VendorStyle
from worker.phantom.study_folder import StudyFolder
from worker.phantom.styles import USUAL_SYNTAX, sample_style
from worker.phantom.truth import Contradiction, HeartTruth, StudyKind, StudyTruth, write_truth
from worker.phantom.ultrasound import SectorClip
from worker.phantom.words import Words, sample_patient

FEWEST_FRAMES, MOST_FRAMES = 45, 75
"""Of a clip whose number of frames is not given."""
IN_ANOTHER_SYNTAX = 0.1
"""The part of the clips that are not in the usual transfer syntax."""
WANTED = (
    PhantomView.APICAL_FOUR_CHAMBER, PhantomView.APICAL_FIVE_CHAMBER, PhantomView.APICAL_TWO_CHAMBER,
    PhantomView.APICAL_FOUR_CHAMBER, PhantomView.PARASTERNAL_LONG_AXIS, PhantomView.APICAL_FOUR_CHAMBER,
    PhantomView.PARASTERNAL_SHORT_AXIS, PhantomView.SUBCOSTAL, PhantomView.APICAL_FOUR_CHAMBER, PhantomView.ABDOMEN,
)  # fmt: skip
"""The views of ten clips, the most wanted first; a longer study has them again and again."""
EXAMINED = (
    PhantomView.PARASTERNAL_LONG_AXIS, PhantomView.PARASTERNAL_SHORT_AXIS, PhantomView.APICAL_FOUR_CHAMBER,
    PhantomView.APICAL_FIVE_CHAMBER, PhantomView.APICAL_TWO_CHAMBER, PhantomView.SUBCOSTAL, PhantomView.ABDOMEN,
)  # fmt: skip
"""The order of a sonographer."""


def make_study(
    folder: Path,
    *,
    seed: int,
    clips: int = 10,
    style: VendorStyle | None = None,
    kind: StudyKind = StudyKind.ORDINARY,
    heart: Heart | None = None,
    **acquisition: Any,
) -> StudyTruth:
    """Make a study: the same bytes for the same arguments.

    Parameters
    ----------
    folder
        Made where it is not there; the instances and their truth go into it.
    clips
        Multi-frame instances, at least 1; stills and reports come on top of them.
    style
        The machine; one of those for training by default.
    heart
        By default, one as they come.
    acquisition
        Fields of `Acquisition` that are given and not drawn, as `number_of_frames=20`, for every clip.

    Raises
    ------
    EchoWorkerError
        The folder holds something already, or there is no clip to make.
    """
    if folder.exists() and any(folder.iterdir()):
        raise EchoWorkerError(f"{folder} holds something already: name another folder")
    if clips < 1:
        raise EchoWorkerError(f"a study of {clips} clips: give at least 1")
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    style = sample_style(random) if style is None else style
    heart = sample_heart(random) if heart is None else heart
    identity = StudyIdentity(patient=sample_patient(random), style=style, seed=seed)
    study = StudyFolder(folder, identity, heart)
    to_show = _scan(study, heart, _views(clips, kind), _syntaxes(clips, style, random), random, acquisition)
    text, contradictions = _report(study, heart, kind, to_show, random)
    truth = StudyTruth(
        study_instance_uid=identity.study_instance_uid,
        seed=seed,
        kind=kind,
        style=style.name,
        patient_id=identity.patient.patient_id,
        heart=HeartTruth.of(heart),
        report_text=str(text),
        instances=tuple(study.instances),
        contradictions=contradictions,
    )
    write_truth(truth, folder)
    return truth


def _scan(
    study: StudyFolder,
    heart: Heart,
    views: Sequence[PhantomView],
    syntaxes: Sequence[UID],
    random: np.random.Generator,
    fixed: Mapping[str, Any],
) -> tuple[SectorClip, Words]:
    """Add the clips; returns the one that stills are made from: the last apical one, or the last of all."""
    taken = []
    for view, syntax in zip(views, syntaxes, strict=True):
        frames = int(random.integers(FEWEST_FRAMES, MOST_FRAMES + 1))
        acquisition = sample_acquisition(random, view, heart, **{"number_of_frames": frames, **fixed})
        taken.append((view is PhantomView.APICAL_FOUR_CHAMBER, *study.add_clip(acquisition, syntax)))
        taken = sorted(taken, key=lambda clip: clip[0])[-1:]  # one is kept: they are large
    _, clip, words = taken[0]
    return clip, words


def _report(
    study: StudyFolder, heart: Heart, kind: StudyKind, shown: tuple[SectorClip, Words], random: np.random.Generator
) -> tuple[ReportText, tuple[Contradiction, ...]]:
    """Add stills and reports."""
    if kind is StudyKind.NO_VIEW:
        study.add_still(*shown)
        text = unreadable_text(random)
        study.add_text_report(text)
        return text, ()
    said, ejection_fraction, contradictions = truly_said(heart)
    if kind is StudyKind.CONTRADICTED:
        said, ejection_fraction, contradictions = plant(heart, random)
    measurements = Measurements.of(heart, ejection_fraction=ejection_fraction)
    study.add_spectral_doppler(*shown, seed=int(random.integers(2**31)))
    study.add_page(measurements, shown[1])
    study.add_vendor_report(measurements)
    text = report_text(said, random)
    study.add_text_report(text)
    return text, contradictions


def _views(clips: int, kind: StudyKind) -> list[PhantomView]:
    if kind is StudyKind.NO_VIEW:
        return [PhantomView.ABDOMEN] * clips
    wanted = [WANTED[index % len(WANTED)] for index in range(clips)]
    return sorted(wanted, key=EXAMINED.index)


def _syntaxes(clips: int, style: VendorStyle, random: np.random.Generator) -> list[UID]:
    """The transfer syntax of each clip."""
    syntaxes = [USUAL_SYNTAX] * clips
    others = round(IN_ANOTHER_SYNTAX * clips + 0.01)  # so that 5 clips have one
    for index in random.choice(clips, size=others, replace=False):
        syntaxes[int(index)] = style.other_syntaxes[int(random.integers(len(style.other_syntaxes)))]
    return syntaxes
