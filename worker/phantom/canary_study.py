"""The study of a canary: clips of one synthetic heart, under UIDs of their own, that say of themselves what they are.

Clips alone. A synthetic report beside them would be read and compared, and what a model for patients makes of a drawn
heart would stand among the discordances.
"""

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydicom import dcmread
from pydicom.dataset import FileDataset

from worker.phantom.heart import sample_heart
from worker.phantom.study import make_study
from worker.phantom.styles import TRAINING_STYLES

SEED, CLIPS, FRAMES = 27, 1, 32
"""Of the smallest study that is scored: one apical four-chamber view."""
PATIENT_NAME, PATIENT_ID = "CANARY^ECHOWORKER", "ECHOWORKER-CANARY"
DESCRIPTION = "EchoWorker canary: synthetic, nobody's heart"


def make_canary_study(folder: Path, study_instance_uid: str, *, now: datetime) -> list[Path]:
    """Write the instances into a folder that is there; their files.

    They name no birth date, so that no study is taken for another one of the same patient.
    """
    heart = sample_heart(np.random.default_rng(SEED), ejection_fraction=60.0, devices=())
    files = []
    with TemporaryDirectory() as drawn:
        make_study(Path(drawn), seed=SEED, clips=CLIPS, style=TRAINING_STYLES[0], heart=heart, number_of_frames=FRAMES)
        for file in sorted(Path(drawn).glob("*.dcm")):
            instance = dcmread(file)
            if "NumberOfFrames" in instance:
                files.append(folder / file.name)
                _marked(instance, study_instance_uid, len(files), now).save_as(files[-1])
    return files


def _marked(instance: FileDataset, study_instance_uid: str, number: int, now: datetime) -> FileDataset:
    instance.StudyInstanceUID = study_instance_uid
    instance.SeriesInstanceUID = f"{study_instance_uid}.1"
    instance.SOPInstanceUID = f"{study_instance_uid}.1.{number}"
    instance.file_meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
    instance.PatientName, instance.PatientID, instance.PatientBirthDate = PATIENT_NAME, PATIENT_ID, ""
    instance.AccessionNumber, instance.StudyID = "", "CANARY"
    instance.StudyDescription = instance.SeriesDescription = DESCRIPTION
    date, time = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    instance.StudyDate = instance.ContentDate = date
    instance.StudyTime = instance.ContentTime = time
    instance.AcquisitionDateTime = date + time
    instance.InstanceNumber = number
    return instance
