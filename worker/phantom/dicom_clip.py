"""A screen as a DICOM instance, written as echo machines write theirs (PS3.3 sections A.6 and A.7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    generate_uid,
)

from worker.phantom.coding import coding_of
from worker.phantom.screen_parts import VendorStyle
from worker.phantom.words import Patient

SOFTWARE = "PHANTOM 1"


@dataclass(frozen=True, kw_only=True)
class StudyIdentity:
    """What all instances of a study have in common."""

    patient: Patient
    style: VendorStyle
    seed: int

    def uid(self, *parts: str) -> UID:
        """The same for the same seed and parts, under pydicom's root."""
        return generate_uid(entropy_srcs=["echoworker phantom", str(self.seed), *parts])

    @property
    def study_instance_uid(self) -> UID:
        """Of the whole study."""
        return self.uid("study")


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When the frames of a clip and its heartbeats were."""

    frame_time_ms: float
    heart_rate: float
    r_wave_times_ms: Sequence[float]


def write_instance(
    file: Path,
    identity: StudyIdentity,
    frames: npt.NDArray[np.uint8],
    *,
    number: int,
    taken: datetime,
    syntax: UID,
    timing: Timing | None,
    regions: Sequence[Dataset] = (),
) -> str:
    """Write frames as an instance; returns its SOP Instance UID.

    Parameters
    ----------
    frames
        uint8 [T, rows, columns, 3], RGB; a still has one.
    number
        Instance Number, from 1; within the study, it makes the UID.
    timing
        None for a still.
    """
    dataset = _header(identity, number=number, taken=taken, is_clip=timing is not None)
    dataset.SequenceOfUltrasoundRegions = list(regions)
    if not regions:
        del dataset.SequenceOfUltrasoundRegions
    if timing is not None:
        _put_timing(dataset, timing, len(frames))
    _put_pixels(dataset, frames, syntax, identity.style.jpeg_quality)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    FileDataset(file, dataset, preamble=b"\0" * 128, file_meta=dataset.file_meta).save_as(
        file, enforce_file_format=True
    )
    return str(dataset.SOPInstanceUID)


def put_patient_and_study(dataset: Dataset, identity: StudyIdentity) -> None:
    """The attributes of patient, study and equipment, the same in all objects of the study."""
    patient, style = identity.patient, identity.style
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName, dataset.PatientID = patient.name, patient.patient_id
    dataset.PatientBirthDate, dataset.PatientSex = patient.birth_date, patient.sex
    dataset.StudyInstanceUID = identity.study_instance_uid
    dataset.StudyDate, dataset.StudyTime = (
        patient.study_began.strftime("%Y%m%d"),
        patient.study_began.strftime("%H%M%S"),
    )
    dataset.AccessionNumber = f"PH{identity.seed % 10**8:08}"
    dataset.StudyID = f"{identity.seed % 10**6}"
    dataset.ReferringPhysicianName = "PHANTOM^REFERRING"
    dataset.StudyDescription = "Transthoracic echocardiogram (synthetic)"
    dataset.Manufacturer, dataset.ManufacturerModelName = style.manufacturer, style.model
    dataset.InstitutionName = patient.institution
    dataset.SoftwareVersions = SOFTWARE
    dataset.DeviceSerialNumber = f"{style.name.upper()}-1"


def _header(identity: StudyIdentity, *, number: int, taken: datetime, is_clip: bool) -> Dataset:
    dataset = Dataset()
    put_patient_and_study(dataset, identity)
    dataset.SOPClassUID = UltrasoundMultiFrameImageStorage if is_clip else UltrasoundImageStorage
    dataset.SOPInstanceUID = identity.uid("instance", str(number))
    dataset.Modality = "US"
    dataset.SeriesInstanceUID = identity.uid("series", "images")
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number
    dataset.BodyPartExamined = "HEART"
    dataset.PatientOrientation = ""
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "TTE", "0001"]
    dataset.ContentDate, dataset.ContentTime = taken.strftime("%Y%m%d"), taken.strftime("%H%M%S")
    dataset.AcquisitionDateTime = taken.strftime("%Y%m%d%H%M%S")
    dataset.BurnedInAnnotation = "YES"
    return dataset


def _put_timing(dataset: Dataset, timing: Timing, frames: int) -> None:
    dataset.NumberOfFrames = frames
    dataset.FrameIncrementPointer = 0x00181063  # Frame Time
    dataset.FrameTime = f"{timing.frame_time_ms:.6g}"
    dataset.CineRate = round(1000 / timing.frame_time_ms)
    dataset.EffectiveDuration = f"{frames * timing.frame_time_ms / 1000:.6g}"
    dataset.HeartRate = round(timing.heart_rate)
    if timing.r_wave_times_ms:
        dataset.RWaveTimeVector = [float(f"{time:.3f}") for time in timing.r_wave_times_ms]


def _put_pixels(dataset: Dataset, frames: npt.NDArray[np.uint8], syntax: UID, jpeg_quality: int) -> None:
    coding = coding_of(syntax, jpeg_quality=jpeg_quality)
    _, dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = frames.shape
    dataset.PhotometricInterpretation = coding.photometric
    dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.UltrasoundColorDataPresent = 0
    streams = [coding.encode(frame) for frame in frames]
    if syntax == ExplicitVRLittleEndian:
        stored = b"".join(streams)
        dataset.add_new("PixelData", "OB", stored + b"\0" * (len(stored) % 2))
        return
    dataset.add_new("PixelData", "OB", encapsulate(streams))
    dataset["PixelData"].is_undefined_length = True
    dataset.LossyImageCompression = "01" if coding.lossy else "00"
    if coding.lossy:
        dataset.LossyImageCompressionRatio = f"{frames.nbytes / sum(map(len, streams)):.4g}"
        dataset.LossyImageCompressionMethod = "ISO_10918_1"
