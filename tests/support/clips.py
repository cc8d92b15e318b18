"""Real ultrasound files, and made ones where a test needs to know every pixel."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import UID, ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

SMALL = Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))
"""SonoSite, apical, JPEG Baseline, 30 frames of 240 x 320; comes with pydicom."""
LARGE = Path(str(get_testdata_file("color3d_jpeg_baseline.dcm", download=False)))
"""The same acquisition, 120 frames of 480 x 640; comes with pydicom-data."""


def as_study_of_its_own(clip: Path, folder: Path, **changes: object) -> Path:
    """A copy with fresh study, series and instance UIDs, and these attributes changed."""
    dataset = pydicom.dcmread(clip)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = (generate_uid() for _ in range(3))
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"{dataset.SOPInstanceUID}.dcm"
    dataset.save_as(copy)
    return copy


def study_of(file: Path) -> str:
    """The Study Instance UID of a file."""
    return str(pydicom.dcmread(file, specific_tags=["StudyInstanceUID"]).StudyInstanceUID)


def data_set_of(file: Path) -> bytes:
    """The bytes behind the File Meta Information."""
    content = file.read_bytes()
    return content[132 + 12 + int.from_bytes(content[140:144], "little") :]


def made_clip(file: Path, pixels: npt.NDArray[np.generic], photometric: str, **changes: object) -> Path:
    """An uncompressed ultrasound clip of these pixels, [frames, rows, columns] or [frames, rows, columns, 3]."""
    dataset = FileDataset(file, {}, preamble=b"\0" * 128)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality = "US"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = pixels.shape[:3]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 4 else 1
    if pixels.ndim == 4:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = 0
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(file, enforce_file_format=True)
    return file


def compressed_clip(
    file: Path,
    pixels: npt.NDArray[np.generic],
    photometric: str,
    streams: list[bytes],
    syntax: UID,
    encoded_photometric: str,
    *,
    extended: bool = False,
    has_table: bool = True,
) -> Path:
    """A clip whose header is that of `pixels`, and whose frames are these streams, which need not fit it."""
    dataset = pydicom.dcmread(made_clip(file, pixels, photometric))
    if extended:
        value, dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = encapsulate_extended(streams)
    else:
        value = encapsulate(streams, has_bot=has_table)
    dataset.add_new("PixelData", "OB", value)
    dataset["PixelData"].is_undefined_length = True
    dataset.PhotometricInterpretation = encoded_photometric
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(file)
    return file


def region(left: int, top: int, last_column: int, last_row: int, *, spatial: int = 1, data: int = 1) -> Dataset:
    """An item of Sequence of Ultrasound Regions (PS3.3 section C.8.5.5)."""
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType = spatial, data
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = last_column, last_row
    return item
