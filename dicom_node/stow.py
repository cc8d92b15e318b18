"""Objects to a DICOMweb server by STOW-RS, one a request, over one connection (PS3.18 section 10.5)."""

import json
import uuid
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from pydicom.dataset import FileMetaDataset
from pydicom.filereader import dcmread
from pydicom.uid import ExplicitVRLittleEndian

from config.errors import DeliveryError, UnansweredError, UnreadableInstanceError
from config.sections.dicomweb import DicomWebSettings
from config.sections.peers import TLSSettings
from dicom_node.header import read_file_meta
from dicom_node.report.companions import file_of
from dicom_node.send import Answer, Decompressing, is_warning
from dicom_node.tls import client_context
from dicom_node.web_server import WebServer, read_bearer_token

JSON = "application/dicom+json"
ALL_STORED, SOME_STORED, NONE_STORED = 200, 202, 409
"""PS3.18 table 10.5.3-1: the statuses whose answer tells of each object."""
_REFERENCED, _FAILED = "00081199", "00081198"
"""Referenced and Failed SOP Sequence of a Store Instances Response Module (PS3.18 annex I)."""
_SOP_INSTANCE_UID, _WARNING_REASON, _FAILURE_REASON = "00081155", "00081196", "00081197"


def stow_files(
    paths: Sequence[Path],
    server: DicomWebSettings,
    tls: TLSSettings,
    *,
    decompressing: Decompressing | None = None,
    still_wanted: Callable[[Path], bool] = lambda _: True,
) -> Generator[Answer, None, None]:
    """Send DICOM files as they are; an answer for each as it comes, its status as one of C-STORE.

    A compressed one of a class of `decompressing` goes uncompressed: unlike an association, a request negotiates
    nothing, and a server says only by its refusal that it takes no JPEG.

    `still_wanted` is asked about each right before it goes: what it declines is not sent, and has no answer.

    The first that could not be sent, as the server is out of reach or in trouble, is the last that there is an answer
    for. Closing the generator closes the connection.

    Raises
    ------
    UnreadableInstanceError
        A path is not a DICOM file; nothing was sent.
    ConfigurationError
        A certificate, key or token cannot be used.
    """
    objects = [(path, _meta(path)) for path in paths]
    setting = f"dicomweb {server.name}"
    context = client_context(tls, trusted=server.trusted, setting=f"{setting}: trusted") if server.is_secure else None
    token = read_bearer_token(server.bearer_token_file, setting=setting)
    with WebServer(f"{server.url.rstrip('/')}/studies", tls=context, bearer_token=token) as connection:
        for path, meta in objects:
            if not still_wanted(path):
                continue
            uid = str(meta.MediaStorageSOPInstanceUID)
            body, content_type = _message(_content(path, meta, decompressing or {}))
            try:
                status, content = connection.post(body, {"Content-Type": content_type, "Accept": JSON})
            except DeliveryError as error:
                yield Answer(
                    path=path,
                    sop_instance_uid=uid,
                    status=None,
                    obstacle=str(error),
                    is_trouble=True,
                    may_be_there=isinstance(error, UnansweredError),
                )
                return
            yield _answer(path, uid, status, content)


def _meta(path: Path) -> FileMetaDataset:
    try:
        return read_file_meta(path)
    except OSError as error:
        raise UnreadableInstanceError(f"{path.name}: {error.strerror}") from error


def _content(path: Path, meta: FileMetaDataset, decompressing: Decompressing) -> bytes:
    """The file as it goes; decompressed it is the same instance, and has the same bytes each time."""
    decompress = decompressing.get(meta.MediaStorageSOPClassUID)
    if decompress is None or not meta.TransferSyntaxUID.is_compressed:
        return path.read_bytes()
    return file_of(decompress(dcmread(path)), ExplicitVRLittleEndian)


def _message(file: bytes) -> tuple[bytes, str]:
    """The one part of a multipart message, and its Content-Type (PS3.18 section 8.7.1, RFC 2387)."""
    boundary = uuid.uuid4().hex
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    content_type = f'multipart/related; type="application/dicom"; boundary={boundary}'
    return head + file + f"\r\n--{boundary}--\r\n".encode(), content_type


def _answer(path: Path, uid: str, status: int, content: bytes) -> Answer:
    """What the server says of the object; where it says nothing, nobody knows that it has it."""
    said = f"HTTP {status}"
    if status not in (ALL_STORED, SOME_STORED, NONE_STORED):
        return Answer(path=path, sop_instance_uid=uid, status=None, obstacle=f"answered {said}; its own log says why")
    try:
        told = json.loads(content)
    except ValueError:
        told = None
    told = told[0] if isinstance(told, list) and told else told  # some wrap the data set
    for item in _items(told, _FAILED):
        if _value(item, _SOP_INSTANCE_UID) == uid:
            reason = _value(item, _FAILURE_REASON)
            if isinstance(reason, int) and reason and not is_warning(reason):
                return Answer(path=path, sop_instance_uid=uid, status=reason)
            return Answer(path=path, sop_instance_uid=uid, status=None, obstacle=f"{said}: failed, without a reason")
    for item in _items(told, _REFERENCED):
        if _value(item, _SOP_INSTANCE_UID) == uid:
            warning = _value(item, _WARNING_REASON)
            accepted = warning if isinstance(warning, int) and is_warning(warning) else 0x0000
            return Answer(path=path, sop_instance_uid=uid, status=accepted)
    unsaid = f"{said}: the answer does not name the object"
    return Answer(path=path, sop_instance_uid=uid, status=None, obstacle=unsaid, may_be_there=status != NONE_STORED)


def _items(dataset: object, sequence: str) -> list[dict[str, object]]:
    element = dataset.get(sequence) if isinstance(dataset, dict) else None
    items = element.get("Value") if isinstance(element, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _value(item: dict[str, object], tag: str) -> object:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None
