"""The storage SCU: DICOM files to a storage SCP, with what it answered for each."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context

from config.errors import DeliveryError, UnreadableInstanceError
from dicom_node.contexts import VERIFICATION
from dicom_node.header import read_file_meta
from dicom_node.network import configure_pynetdicom, send_without_delay

CONNECT_TIMEOUT_S = 10
ANSWER_TIMEOUT_S = 60
MAXIMUM_CONTEXTS = 128
"""PS3.8 section 9.3.2.2: presentation context ids are the odd numbers of one byte."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Where to send, and as whom."""

    host: str
    port: int
    ae_title: str
    calling_ae_title: str

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the peer answered for one file."""

    path: Path
    sop_instance_uid: str
    status: int | None
    """The C-STORE-RSP status; None when no answer came or no presentation context fits."""
    comment: str

    @property
    def accepted(self) -> bool:
        """Whether the peer has the object: success, or a warning (PS3.4 table B.2-1: Bxxx)."""
        return self.status is not None and (self.status == 0x0000 or self.status & 0xF000 == 0xB000)

    def __str__(self) -> str:
        code = "no answer" if self.status is None else f"0x{self.status:04X}"
        return f"{code} {self.comment}".strip()


@dataclass(frozen=True, kw_only=True)
class _Object:
    path: Path
    sop_class_uid: UID
    sop_instance_uid: str
    transfer_syntax_uid: UID


def send_files(paths: Sequence[Path], peer: Peer) -> Iterator[Answer]:
    """Send DICOM files in one association, in their own transfer syntaxes; an answer for each as it comes.

    Raises
    ------
    UnreadableInstanceError
        A path is not a DICOM file; nothing was sent.
    DeliveryError
        The peer is out of reach, rejects the association, or broke it off; what had no answer was not accepted.
    """
    objects = [_object(path) for path in paths]
    with _association(peer, _contexts(objects)) as association:
        for item in objects:
            yield _send(association, item, peer)


def echo(peer: Peer) -> None:
    """C-ECHO.

    Raises
    ------
    DeliveryError
        The peer is out of reach, rejects us, or does not answer.
    """
    with _association(peer, [build_context(VERIFICATION)]) as association:
        if not association.accepted_contexts or "Status" not in association.send_c_echo():
            raise DeliveryError(f"{peer}: no answer to C-ECHO")


@contextmanager
def _association(peer: Peer, contexts: list[PresentationContext]) -> Iterator[Association]:
    configure_pynetdicom()
    ae = AE(ae_title=peer.calling_ae_title)
    ae.connection_timeout = CONNECT_TIMEOUT_S
    ae.acse_timeout = CONNECT_TIMEOUT_S
    ae.dimse_timeout = ANSWER_TIMEOUT_S
    association = ae.associate(
        peer.host,
        peer.port,
        contexts=contexts,
        ae_title=peer.ae_title,
        evt_handlers=[(evt.EVT_CONN_OPEN, send_without_delay)],
    )
    if association.is_rejected:
        raise DeliveryError(f"{peer}: rejected the association of {peer.calling_ae_title}")
    if not association.is_established:
        raise DeliveryError(f"{peer}: cannot be reached or accepts none of our presentation contexts")
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


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
        response = association.send_c_store(item.path)
    except ValueError:
        return _answer(item, None, f"accepts no {item.sop_class_uid.name} in {item.transfer_syntax_uid.name}")
    return _answer(item, response.get("Status"), str(response.get("ErrorComment", "")))


def _answer(item: _Object, status: int | None, comment: str) -> Answer:
    return Answer(path=item.path, sop_instance_uid=item.sop_instance_uid, status=status, comment=comment)
