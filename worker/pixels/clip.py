"""One DICOM file becomes one clip for the model, or a reason why not, in words for the report."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import FileDataset
from pydicom.uid import UID, UltrasoundImageStorage, UltrasoundMultiFrameImageStorage

from config.errors import ClipError
from dicom_node.contexts import RETIRED_ULTRASOUND
from dicom_node.header import read_image_header
from worker.pixels.decode import decode_frames, require_decoder
from worker.pixels.preprocess import PROFILE, SIDE, model_frame
from worker.pixels.regions import Region, choose_region
from worker.pixels.sampling import MINIMUM_FRAMES, sampled_indices

ULTRASOUND_IMAGES = {UltrasoundMultiFrameImageStorage, UltrasoundImageStorage, *RETIRED_ULTRASOUND}


@dataclass(frozen=True, kw_only=True)
class Clip:
    """The sampled frames of one instance, ready for the image tower."""

    sop_instance_uid: str
    frames: npt.NDArray[np.uint8]
    """[T, 224, 224, 3], RGB."""
    frame_numbers: tuple[int, ...]
    """Which frames of the instance these are, counted from 1."""
    region: Region
    notes: tuple[str, ...]
    profile: str = PROFILE


def read_clip(path: Path) -> Clip:
    """Read the frames of a multiframe ultrasound file that the model is to see.

    Raises
    ------
    ClipError
        The instance is no ultrasound clip, is a still or too short, shows no picture of the heart, or cannot be
        decoded; the message says which.
    """
    with _faults_named():
        header = read_image_header(path)
        number_of_frames = _require_clip(header)
        chosen = choose_region(header)
        require_decoder(header.file_meta.TransferSyntaxUID)
        indices = sampled_indices(number_of_frames)
        frames = np.empty((len(indices), SIDE, SIDE, 3), np.uint8)
        decoded = zip(range(len(indices)), decode_frames(path, indices), strict=True)
        for position, picture in decoded:
            frames[position] = model_frame(picture, chosen.region)
    return Clip(
        sop_instance_uid=str(header.SOPInstanceUID),
        frames=frames,
        frame_numbers=tuple(index + 1 for index in indices),
        region=chosen.region,
        notes=chosen.notes,
    )


def _require_clip(header: FileDataset) -> int:
    """The number of frames, once it is sure that this is a clip long enough to read."""
    sop_class = UID(header.SOPClassUID)
    if sop_class not in ULTRASOUND_IMAGES:
        raise ClipError(f"not an ultrasound clip: {sop_class.name}")
    if "Rows" not in header or "Columns" not in header:
        raise ClipError("holds no pixels")
    number_of_frames = int(header.get("NumberOfFrames") or 1)
    if number_of_frames == 1:
        raise ClipError("a still image")
    if number_of_frames < MINIMUM_FRAMES:
        raise ClipError(f"too short: {number_of_frames} frames, {MINIMUM_FRAMES} are needed")
    return number_of_frames


@contextmanager
def _faults_named() -> Iterator[None]:
    try:
        yield
    except (ClipError, OSError):
        raise
    except Exception as error:  # damaged bytes lead pydicom and its decoders to any error; their texts quote data
        raise ClipError(f"cannot be decoded ({type(error).__name__})") from error
