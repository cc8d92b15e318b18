"""What the node has to know of an instance, read from its file without the pixels; and whether the file is whole."""

import os
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filereader import dcmread, read_file_meta_info, read_partial
from pydicom.uid import DeflatedExplicitVRLittleEndian

from config.errors import UnreadableInstanceError
from db.studies import Identity

MANUFACTURER = "EchoWorker"
"""What our own objects carry as Manufacturer (0008,0070)."""
PIXEL_DATA = {0x7FE00008, 0x7FE00009, 0x7FE00010}
UNDEFINED_LENGTH = 0xFFFFFFFF
ITEM, SEQUENCE_DELIMITATION = 0xFFFEE000, 0xFFFEE0DD
_META_NEEDED = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
_UID = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+")


@dataclass(frozen=True, kw_only=True)
class InstanceHeader:
    """The identifying attributes of an instance, its UIDs valid."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    modality: str | None
    is_our_report: bool
    identity: Identity


def is_valid_uid(uid: str) -> bool:
    """Whether a UID has the form of PS3.5 section 9.1; only such may become part of a path or a log line."""
    return len(uid) <= 64 and _UID.fullmatch(uid) is not None


def read_header(path: Path) -> InstanceHeader:
    """Read the header of a DICOM file and check that no element, pixel data included, is cut off.

    Raises
    ------
    UnreadableInstanceError
        It is not a DICOM file, a UID is missing or malformed, or the file ends inside an element.
    """
    with _damage_named(path):
        return _header(_read_whole_header(path))


def read_file_meta(path: Path) -> FileMetaDataset:
    """The File Meta Information (PS3.10 section 7.1), with what sending the file needs.

    Raises
    ------
    UnreadableInstanceError
        It is not a DICOM file, or does not say its SOP class, instance and transfer syntax.
    """
    with _damage_named(path):
        meta = read_file_meta_info(path)
        missing = [keyword for keyword in _META_NEEDED if not meta.get(keyword)]
        if missing:
            raise UnreadableInstanceError(f"{path.name}: its file meta information lacks {missing[0]}")
        return meta


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, UnreadableInstanceError):
        raise
    except Exception as error:  # pydicom raises whatever damaged bytes lead it to; its texts quote the data set
        kind = type(error).__name__
        raise UnreadableInstanceError(f"{path.name}: not a readable DICOM data set ({kind})") from error


def read_image_header(path: Path) -> FileDataset:
    """The data set without its pixels, as evidence for a report."""
    return dcmread(path, stop_before_pixels=True)


def read_attributes(path: Path, keywords: Sequence[str]) -> FileDataset:
    """These attributes of a DICOM file, whatever else it holds.

    Raises
    ------
    UnreadableInstanceError
        It is not a DICOM file.
    """
    with _damage_named(path):
        return dcmread(path, stop_before_pixels=True, specific_tags=list(keywords))


def _read_whole_header(path: Path) -> FileDataset:
    with path.open("rb") as file:
        dataset = read_partial(file, lambda tag, _vr, _length: tag in PIXEL_DATA)
        if dataset.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
            return dataset  # the stream's own end mark proves it whole
        _refuse_cut_off_elements(dataset)
        _refuse_cut_off_pixels(file, dataset)
    return dataset


def _refuse_cut_off_elements(dataset: Dataset) -> None:
    for tag in dataset.keys():  # noqa: SIM118  iterating the data set itself would decode every element
        element = dataset.get_item(tag)
        if (
            isinstance(element, RawDataElement)
            and element.length != UNDEFINED_LENGTH
            and len(element.value or b"") < element.length
        ):
            raise UnreadableInstanceError("cut off inside an element of the header")


def _refuse_cut_off_pixels(file: BinaryIO, dataset: FileDataset) -> None:
    implicit, little = dataset.original_encoding
    size = os.fstat(file.fileno()).st_size
    byte_order = "<" if little else ">"
    tag_and_length = file.read(8 if implicit else 12)
    if len(tag_and_length) < 8:
        return  # the data set ended: it has no pixel data
    (length,) = struct.unpack(f"{byte_order}L", tag_and_length[-4:])
    if length != UNDEFINED_LENGTH:
        if file.tell() + length > size:
            raise UnreadableInstanceError(f"cut off: pixel data miss {file.tell() + length - size} bytes")
        return
    _walk_fragments(file, size)


def _walk_fragments(file: BinaryIO, size: int) -> None:
    """Encapsulated pixel data are items up to a delimiter (PS3.5 A.4), always little endian."""
    while len(head := file.read(8)) == 8:
        group, element, length = struct.unpack("<HHL", head)
        if (group << 16 | element) == SEQUENCE_DELIMITATION:
            return
        if (group << 16 | element) != ITEM or file.tell() + length > size:
            raise UnreadableInstanceError("cut off inside an encapsulated frame")
        file.seek(length, 1)
    # Some machines forget the delimiter; every frame before it is whole.


def _header(dataset: FileDataset) -> InstanceHeader:
    return InstanceHeader(
        study_instance_uid=_uid(dataset, "StudyInstanceUID"),
        series_instance_uid=_uid(dataset, "SeriesInstanceUID"),
        sop_instance_uid=_uid(dataset, "SOPInstanceUID"),
        sop_class_uid=_uid(dataset, "SOPClassUID"),
        transfer_syntax_uid=str(dataset.file_meta.TransferSyntaxUID),
        modality=_text(dataset, "Modality", 16),
        is_our_report=(_text(dataset, "Modality", 16), _text(dataset, "Manufacturer", 64)) == ("SR", MANUFACTURER),
        identity=Identity(
            patient_id=_text(dataset, "PatientID", 64),
            patient_name=_text(dataset, "PatientName", 324),
            birth_date=_text(dataset, "PatientBirthDate", 8),
            accession_number=_text(dataset, "AccessionNumber", 64),
            study_date=_text(dataset, "StudyDate", 8),
        ),
    )


def _uid(dataset: Dataset, keyword: str) -> str:
    uid = str(dataset.get(keyword, ""))
    if not uid:
        raise UnreadableInstanceError(f"{keyword} is missing")
    if not is_valid_uid(uid):
        raise UnreadableInstanceError(f"{keyword} is not a valid UID")
    return uid


def _text(dataset: Dataset, keyword: str, longest: int) -> str | None:
    # Machines send more than the VR allows, and undecodable text; a database takes neither, nor a NUL.
    text = str(dataset.get(keyword) or "").encode(errors="replace").decode().replace("\0", "")
    return text[:longest].strip() or None
