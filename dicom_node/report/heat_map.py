"""A heat map for the PACS: a Multi-frame True Color Secondary Capture that plays as a clip (PS3.3 section A.8.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.sr.codedict import codes
from pydicom.uid import UID, JPEGBaseline8Bit

from config.errors import ReportError
from config.sections.report_objects import ReportObject
from db.results.runs import Run
from dicom_node.report.companions import HEAT_MAP_CLASS, code_item, companion
from dicom_node.report.sources import make_all_text_writable
from dicom_node.report.words import ENGLISH, Words

TRANSFER_SYNTAX = JPEGBaseline8Bit
"""As clips of ultrasound come: what shows those shows this, at a twentieth of the size of plain samples."""
QUALITY = 90
_FRAME_TIME = 0x00181063
"""Frame Time, which the frames are paced by (PS3.3 section C.7.6.5)."""


@dataclass(frozen=True, kw_only=True)
class HeatMapFrames:
    """What is drawn, and what it was drawn from."""

    pictures: npt.NDArray[np.uint8]
    """[T, rows, columns, 3], RGB, both even; T at least 1."""
    times_ms: tuple[float, ...]
    """When each frame was taken, ascending."""
    sop_instance_uid: str
    """Of the clip."""
    frame_numbers: tuple[int, ...]
    """Of its frames that are shown, in their order, counted from 1."""
    said: str
    """The answer that it is of, in words."""
    is_in_english: bool = False
    """What is burned in is, whatever the language of the report: its letters could not be drawn."""


def build_heat_map(run: Run, evidence: Sequence[Dataset], shown: HeatMapFrames, words: Words = ENGLISH) -> Dataset:
    """Build the heat map of a run; `evidence` are the headers of the instances that the run used.

    Raises
    ------
    ReportError
        As `companion`, or the clip is none of the run's.
    """
    made = companion(run, evidence, ReportObject.HEAT_MAP, sop_class=HEAT_MAP_CLASS, modality="OT", words=words)
    made.ConversionType = "WSD"
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.BodyPartExamined = "HEART"
    made.PatientOrientation = ""
    made.ImageComments = shown.said
    notes = [words.say("picture.looked"), *([words.say("picture.in_english")] if shown.is_in_english else [])]
    made.DerivationDescription = words.clauses(notes)
    made.SourceImageSequence = [_source(run, evidence, shown)]
    _pace(made, shown.times_ms)
    make_all_text_writable(made)
    _put_pixels(made, shown.pictures)
    return made


def decompressed(heat_map: Dataset) -> Dataset:
    """The same instance with plain samples, RGB; what is handed in stays as it is.

    It has the same SOP Instance UID, and the same bytes whenever it is made. What JPEG lost stays lost, and is still
    said: Lossy Image Compression with its method and ratio (PS3.3 section C.7.6.1.1.5).
    """
    plain = Dataset(heat_map)
    frames = generate_frames(heat_map.PixelData, number_of_frames=int(heat_map.NumberOfFrames))
    samples = b"".join(
        imagecodecs.jpeg8_decode(frame, colorspace="YCbCr", outcolorspace="RGB").tobytes() for frame in frames
    )
    plain.PhotometricInterpretation = "RGB"
    plain.add_new("PixelData", "OB", samples)
    return plain


DECOMPRESSING = {HEAT_MAP_CLASS: decompressed}
"""How our objects are decompressed, by SOP class (dicom_node.send.Decompressing)."""


def _source(run: Run, evidence: Sequence[Dataset], shown: HeatMapFrames) -> Dataset:
    clip = next((header for header in evidence if header.SOPInstanceUID == shown.sop_instance_uid), None)
    if clip is None:
        raise ReportError(f"run {run.run_uid} used no instance {shown.sop_instance_uid}, which its heat map is of")
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = UID(clip.SOPClassUID), shown.sop_instance_uid
    item.ReferencedFrameNumber = list(shown.frame_numbers)
    item.PurposeOfReferenceCodeSequence = [code_item(codes.DCM.SourceImageForImageProcessingOperation)]
    return item


def _pace(made: Dataset, times_ms: Sequence[float]) -> None:
    """At the pace of the heart: frames are sampled evenly in time, so that one interval serves all."""
    intervals = np.diff(times_ms)
    made.FrameIncrementPointer = _FRAME_TIME
    made.FrameTime = f"{fmean(intervals):.3f}" if len(intervals) else "1000"
    made.NumberOfFrames = len(times_ms)


def _put_pixels(made: Dataset, pictures: npt.NDArray[np.uint8]) -> None:
    made.Rows, made.Columns, made.SamplesPerPixel = pictures.shape[1:]
    made.PhotometricInterpretation, made.PlanarConfiguration = "YBR_FULL_422", 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation = 7, 0
    streams = [_jpeg(picture) for picture in pictures]
    made.add_new("PixelData", "OB", encapsulate(streams))
    made["PixelData"].is_undefined_length = True
    made.LossyImageCompression, made.LossyImageCompressionMethod = "01", "ISO_10918_1"
    made.LossyImageCompressionRatio = f"{pictures.nbytes / sum(map(len, streams)):.4g}"


def _jpeg(picture: npt.NDArray[np.uint8]) -> bytes:
    return bytes(
        imagecodecs.jpeg8_encode(picture, level=QUALITY, colorspace="RGB", outcolorspace="YCbCr", subsampling="422")
    )
