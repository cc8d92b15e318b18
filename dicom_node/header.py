"""What the node has to know of an instance, read from its file without the pixels; and whether the file is whole."""

import os
import re
import struct
from collections.abc import Iterator, MutableSequence, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filereader import dcmread, read_dataset, read_file_meta_info, read_partial
from pydicom.uid import DeflatedExplicitVRLittleEndian
from pynetdicom.dsutils import split_dataset

from config.errors import UnreadableInstanceError
from db.lifecycle.received import Identity
from dicom_node.deflated import data_set_start, inflated
from dicom_node.fragments import UNDEFINED_LENGTH, FragmentWalk

MANUFACTURER = "EchoWorker"
"""What our own objects carry as Manufacturer (0008,0070)."""
OUR_MODALITIES = ("SR", "OT", "DOC")
"""What they carry as Modality (0008,0060): reports, heat maps and pages for people (dicom_node.report)."""
PIXEL_DATA = {0x7FE00008, 0x7FE00009, 0x7FE00010}
DEFERRED_BYTES = 4 * 1024 * 1024
"""Larger elements stay in their file (private ones before the pixels may be whole volumes), but of what is inflated."""
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
    calling_ae_title: str | None
    """Who sent it to us: Source Application Entity Title (0002,0016) of the file."""
    is_our_report: bool
    identity: Identity


def is_made_by_us(modality: str | None, manufacturer: str | None) -> bool:
    """Whether an instance with these values is an object of this software, as a PACS may send it back."""
    return manufacturer == MANUFACTURER and modality in OUR_MODALITIES


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
        return header_of(_read_whole_header(path))


def read_file_meta(path: Path) -> FileMetaDataset:
    """The File Meta Information (PS3.10 section 7.1), with what sending the file needs.

    Raises
    ------
    UnreadableInstanceError
        It is not a DICOM file, or does not say its SOP class, instance and transfer syntax.
    """
    return split_file(path)[0]


def split_file(path: Path) -> tuple[FileMetaDataset, int]:
    """The same, and where the data set begins: also of a file that does not say it, as `data_set_position` needs.

    Raises
    ------
    UnreadableInstanceError
        As above.
    """
    with _damage_named(path):
        read, position = split_dataset(path)
        meta = FileMetaDataset(read)
        missing = [keyword for keyword in _META_NEEDED if not meta.get(keyword)]
        if missing:
            raise UnreadableInstanceError(f"{path.name}: its file meta information lacks {missing[0]}")
        return meta, position


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except UnreadableInstanceError:
        raise
    except Exception as error:  # pydicom raises whatever damaged bytes lead it to; its texts quote the data set
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the system's own; pydicom raises some without a number, for data sets that end too soon
        kind = type(error).__name__
        raise UnreadableInstanceError(f"{path.name}: not a readable DICOM data set ({kind})") from error


def data_set_position(path: Path) -> int:
    """Where the data set begins in a file, behind preamble and File Meta Information (PS3.10 section 7.1)."""
    with path.open("rb") as file:
        return data_set_start(file)


def read_image_header(path: Path) -> FileDataset:
    """The data set without its pixels, as evidence for a report."""
    return dcmread(path, stop_before_pixels=True, defer_size=None if _is_deflated(path) else DEFERRED_BYTES)


def header_alone(path: Path) -> bytes:
    """A DICOM file that holds what `read_image_header` gives of this one, but for what is too large to be of a header,
    as its bytes.

    Raises
    ------
    UnreadableInstanceError
        It is no DICOM file, or damaged.
    """
    with _damage_named(path), path.open("rb") as file:
        dataset, pixels = read_until_pixels(file, defer_size=DEFERRED_BYTES)
        volumes = _deferred_elements(dataset)
        if pixels is None:
            header = read_image_header(path)
            for volume in volumes:
                del header[volume.tag]
            content = BytesIO()
            header.save_as(content, enforce_file_format=True)
            return content.getvalue()
        is_implicit, _ = dataset.original_encoding
        tag_to_value = 8 if is_implicit else 12  # tag, VR and length
        left_out = [(volume.value_tell, volume.value_tell + volume.length) for volume in volumes]
        kept, position = b"", 0
        for value_at, end in [*left_out, (pixels.value_at, 0)]:
            file.seek(position)
            kept += file.read(value_at - tag_to_value - position)
            position = end
        return kept


def _deferred_elements(dataset: Dataset) -> list[RawDataElement]:
    """What was left in the file, in its order."""
    deferred = []
    for tag in dataset.keys():  # noqa: SIM118  iterating the data set itself would read them
        element: object = dataset.get_item(tag, keep_deferred=True)
        if isinstance(element, RawDataElement) and element.value is None and element.length > 0:
            deferred.append(element)
    return deferred


@dataclass(frozen=True, kw_only=True)
class PixelDataStart:
    """Where the pixel data element is in a file."""

    value_at: int
    """The position of the first byte of its value."""
    length: int
    """As the element says it; `UNDEFINED_LENGTH` when encapsulated."""

    @property
    def end(self) -> int:
        """The position after its value, when the length is defined."""
        return self.value_at + self.length


def read_until_pixels(file: BinaryIO, *, defer_size: int | None = None) -> tuple[FileDataset, PixelDataStart | None]:
    """The data set up to its pixel data, and where these are; None when there are none, or it is deflated.

    Raises
    ------
    Exception
        Whatever pydicom raises on damaged bytes; its texts quote the data set.
    """
    dataset = read_partial(file, lambda tag, _vr, _length: tag in PIXEL_DATA, defer_size=defer_size)
    if dataset.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        return dataset, None  # the position in the inflated stream says nothing of the file
    implicit, little = dataset.original_encoding
    tag_and_length = file.read(8 if implicit else 12)
    if len(tag_and_length) < 8:
        return dataset, None
    (length,) = struct.unpack(f"{'<' if little else '>'}L", tag_and_length[-4:])
    return dataset, PixelDataStart(value_at=file.tell(), length=length)


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
    if _is_deflated(path):
        return _read_deflated_header(path)
    with path.open("rb") as file:
        dataset, pixels = read_until_pixels(file, defer_size=DEFERRED_BYTES)
        _refuse_cut_off_elements(dataset, os.fstat(file.fileno()).st_size)
        if pixels is not None:
            _refuse_cut_off_pixels(file, pixels)
    return dataset


def _read_deflated_header(path: Path) -> FileDataset:
    """The beginning of the data set; all of it is inflated once, and so seen to be whole, but never in memory."""
    beginning = BytesIO()
    with path.open("rb") as file:
        for part in inflated(file, must_be_whole=True):
            if beginning.tell() < DEFERRED_BYTES:
                beginning.write(part)
    beginning.seek(0)
    dataset = read_dataset(
        beginning, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag in PIXEL_DATA
    )
    meta = FileMetaDataset(read_file_meta_info(path))
    return FileDataset(beginning, dataset, file_meta=meta, is_implicit_VR=False, is_little_endian=True)


def _is_deflated(path: Path) -> bool:
    return bool(read_file_meta_info(path).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian)


def _refuse_cut_off_elements(dataset: Dataset, size: int) -> None:
    for tag in dataset.keys():  # noqa: SIM118  iterating the data set itself would decode every element
        element = dataset.get_item(tag, keep_deferred=True)
        if isinstance(element, RawDataElement) and UNDEFINED_LENGTH != element.length > size - element.value_tell:
            raise UnreadableInstanceError("cut off inside an element of the header")


def _refuse_cut_off_pixels(file: BinaryIO, pixels: PixelDataStart) -> None:
    size = os.fstat(file.fileno()).st_size
    if pixels.length == UNDEFINED_LENGTH:
        fragments = FragmentWalk(pixels.value_at)
        while not fragments.ended and fragments.next_at + 8 <= size:
            file.seek(fragments.next_at)
            fragments.see(memoryview(file.read(8)), fragments.next_at)
        fragments.require_whole(size)
    elif pixels.end > size:
        raise UnreadableInstanceError(f"cut off: pixel data miss {pixels.end - size} bytes")


def header_of(dataset: FileDataset) -> InstanceHeader:
    """The identifying attributes.

    Raises
    ------
    UnreadableInstanceError
        A UID is missing or malformed.
    """
    return InstanceHeader(
        study_instance_uid=_uid(dataset, "StudyInstanceUID"),
        series_instance_uid=_uid(dataset, "SeriesInstanceUID"),
        sop_instance_uid=_uid(dataset, "SOPInstanceUID"),
        sop_class_uid=_uid(dataset, "SOPClassUID"),
        transfer_syntax_uid=str(dataset.file_meta.TransferSyntaxUID),
        modality=_text(dataset, "Modality", 16),
        calling_ae_title=_text(dataset.file_meta, "SourceApplicationEntityTitle", 16),
        is_our_report=is_made_by_us(_text(dataset, "Modality", 16), _text(dataset, "Manufacturer", 64)),
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
    value = dataset.get(keyword) or ""
    text = "\\".join(map(str, value)) if isinstance(value, MutableSequence) else str(value)  # several, or a backslash
    return text.encode(errors="replace").decode().replace("\0", "")[:longest].strip() or None
