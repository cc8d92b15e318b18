"""The storage SCU: DICOM files to a storage SCP, with what it answered for each."""

import shutil
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context

from config.errors import DeliveryError, UnreadableInstanceError
from dicom_node.audit.events import SentInstances, Transfer
from dicom_node.calling import Peer, association_with
from dicom_node.header import read_attributes, read_file_meta

DUPLICATE = 0x0111
MEANINGS = (
    (0xFF00, 0xA700, "out of resources"),
    (0xFF00, 0xA900, "data set does not match SOP class"),
    (0xF000, 0xB000, "warning"),
    (0xF000, 0xC000, "cannot understand"),
    (0xFFFF, DUPLICATE, "duplicate SOP instance"),
    (0xFFFF, 0x0110, "processing failure"),
    (0xFFFF, 0x0122, "SOP class not supported"),
    (0xFFFF, 0x0124, "not authorized"),
)
"""PS3.4 table B.2-1 and PS3.7 annex C, in words of our own."""
MAXIMUM_CONTEXTS = 128
"""PS3.8 section 9.3.2.2: presentation context ids are the odd numbers of one byte."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the peer answered for one file."""

    path: Path
    sop_instance_uid: str
    status: int | None
    """The C-STORE-RSP status; None when no answer came or no presentation context fits."""
    obstacle: str = ""
    """Why there is no status, in our words."""
    comment: str = ""
    """The peer's own words, which may name the patient: for the eyes of who sends, never logged or stored."""

    @property
    def accepted(self) -> bool:
        """Whether the peer took the object: success, or a warning (PS3.4 table B.2-1: Bxxx)."""
        return self.status is not None and (self.status == 0x0000 or self.status & 0xF000 == 0xB000)

    @property
    def already_there(self) -> bool:
        """Whether the peer has an object of this UID (PS3.7 C.5.7)."""
        return self.status == DUPLICATE

    @property
    def is_out_of_resources(self) -> bool:
        """Whether the peer has no room for anything now (PS3.4 table B.2-1: A7xx)."""
        return self.status is not None and self.status & 0xFF00 == 0xA700

    @property
    def is_missing(self) -> bool:
        """Whether the peer gave none: it broke off the association, or said nothing in time."""
        return self.status is None and not self.obstacle

    def __str__(self) -> str:
        if self.status is None:
            return self.obstacle or "no answer"
        meaning = next((text for mask, code, text in MEANINGS if self.status & mask == code), "")
        return f"0x{self.status:04X} {meaning}".strip()


@dataclass(frozen=True, kw_only=True)
class _Object:
    path: Path
    sop_class_uid: UID
    sop_instance_uid: str
    transfer_syntax_uid: UID


def send_files(paths: Sequence[Path], peer: Peer) -> Generator[Answer, None, None]:
    """Send DICOM files in one association, in their own transfer syntaxes; an answer for each as it comes.

    Closing the generator releases the association.

    Raises
    ------
    UnreadableInstanceError
        A path is not a DICOM file; nothing was sent.
    DeliveryError
        The peer is out of reach, rejects the association, or broke it off; what had no answer was not accepted.
    """
    objects = [_object(path) for path in paths]
    sent = SentInstances(peer.remote)
    try:
        with association_with(peer, _contexts(objects)) as association:
            for item in objects:
                answer = _send(association, item, peer)
                if peer.audit is not None:
                    sent.add(_transfer(item, answer))
                yield answer
    finally:
        peer.tell(sent.messages())


def _transfer(item: _Object, answer: Answer) -> Transfer:
    dataset = read_attributes(item.path, ("StudyInstanceUID", "PatientID"))
    return Transfer(
        sop_class_uid=item.sop_class_uid,
        study_instance_uid=str(dataset.get("StudyInstanceUID") or ""),
        patient_id=str(dataset.get("PatientID") or "") or None,
        failure="" if answer.accepted or answer.already_there else str(answer),
    )


def _object(path: Path) -> _Object:
    try:
        meta = read_file_meta(path)
    except OSError as error:
        raise UnreadableInstanceError(f"{path.name}: {error.strerror}") from error
    return _Object(
        path=path,
        sop_class_uid=meta.MediaStorageSOPClassUID,
        sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
        transfer_syntax_uid=meta.TransferSyntaxUID,
    )


def _contexts(objects: Iterable[_Object]) -> list[PresentationContext]:
    pairs = dict.fromkeys((item.sop_class_uid, item.transfer_syntax_uid) for item in objects)
    return [build_context(sop_class, syntax) for sop_class, syntax in pairs][:MAXIMUM_CONTEXTS]


def _send(association: Association, item: _Object, peer: Peer) -> Answer:
    if not association.is_established:
        raise DeliveryError(f"{peer}: broke off the association")
    try:
        with _of_even_length(item.path) as path:
            response = association.send_c_store(path)
    except ValueError:
        obstacle = f"accepts no {item.sop_class_uid.name} in {item.transfer_syntax_uid.name}"
        return Answer(path=item.path, sop_instance_uid=item.sop_instance_uid, status=None, obstacle=obstacle)
    except RuntimeError as error:  # the association ended between our look and the request
        raise DeliveryError(f"{peer}: broke off the association") from error
    return Answer(
        path=item.path,
        sop_instance_uid=item.sop_instance_uid,
        status=response.get("Status"),
        comment=str(response.get("ErrorComment", "")),
    )


@contextmanager
def _of_even_length(path: Path) -> Iterator[Path]:
    """The file, or a copy with a null byte more: peers abort an association in which an odd number of bytes comes.

    Deflated data sets come so: PS3.5 section A.5 has the stream padded, and DCMTK, for one, does not in files.
    """
    if path.stat().st_size % 2 == 0:
        yield path
        return
    with NamedTemporaryFile() as copy:
        with path.open("rb") as file:
            shutil.copyfileobj(file, copy)
        copy.write(b"\0")
        copy.flush()
        yield Path(copy.name)
