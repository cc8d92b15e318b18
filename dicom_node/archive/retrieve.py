"""The retrieve SCU: a study out of an archive, by C-MOVE to our node or by C-GET (PS3.4 sections C.4.2, C.4.3)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from typing import cast

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event as NetworkEvent
from pynetdicom.presentation import PresentationContext, build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from config.errors import DeliveryError, RetrieveError
from dicom_node.archive.answers import texts_of
from dicom_node.archive.statuses import PENDING, QueryRetrieveStatus, named, status_of
from dicom_node.audit.events import query_made, received
from dicom_node.audit.journal import TransferJournal
from dicom_node.calling import Peer, association_with
from dicom_node.contexts import DOCUMENT_CLASSES, SELDOM_COMPRESSED, STORAGE_CLASSES, TRANSFER_SYNTAXES
from dicom_node.header import InstanceHeader, is_valid_uid
from dicom_node.reception.receive import Announced, receive_data_set
from dicom_node.reception.reporting import kept_open
from dicom_node.spool import Kept, Spool
from dicom_node.statuses import StorageStatus, answer

SILENCE_TIMEOUT_S = 600.0
"""An archive may fetch a study from slow storage before it says anything."""
_Responses = Iterator[tuple[Dataset, Dataset | None]]
_PLAIN = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


@dataclass(frozen=True, kw_only=True)
class SubOperations:
    """How far a retrieval is: the archive's count of the instances sent (PS3.7 section 9.1.4)."""

    remaining: int = 0
    completed: int = 0
    failed: int = 0
    warned: int = 0
    """Sent, and answered with a warning."""
    counted: bool = False
    """Whether the archive said any number at all: it need not."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.remaining + self.completed + self.failed + self.warned

    @property
    def sent(self) -> int:
        """Those that have come to us."""
        return self.completed + self.warned

    def after(self, response: Dataset) -> "SubOperations":
        """What they are after one more response."""
        said = {
            name: int(response[keyword].value)
            for name, keyword in (
                ("remaining", "NumberOfRemainingSuboperations"),
                ("completed", "NumberOfCompletedSuboperations"),
                ("failed", "NumberOfFailedSuboperations"),
                ("warned", "NumberOfWarningSuboperations"),
            )
            if keyword in response
        }
        if status_of(response) == QueryRetrieveStatus.SUCCESS and "completed" not in said:
            # The last response need not count; a success means that what remained was sent.
            return replace(self, completed=self.completed + self.remaining, remaining=0)
        if status_of(response) not in PENDING:
            said.setdefault("remaining", 0)
        return replace(self, **said, counted=self.counted or bool(said.keys() - {"remaining"}))


def move_study(peer: Peer, study_instance_uid: str) -> Iterator[SubOperations]:
    """Let the archive send a study to our node, which must be running; the counts as they grow, the last at the end.

    Raises
    ------
    RetrieveError
        The archive is out of reach, does not know our node, has not got the study, or did not send all of it.
    """
    model = StudyRootQueryRetrieveInformationModelMove
    remedy = f"does it know {peer.calling_ae_title}, with the host and port of this node, and does the node run?"
    subject = _Subject(peer, study_instance_uid, remedy)
    with _association(subject, [build_context(model)]) as association:
        send = partial(association.send_c_move, _identifier(study_instance_uid), peer.calling_ae_title, model)
        yield from _told(_follow(association, _begin(send, subject), subject), subject, model)


def get_study(peer: Peer, study_instance_uid: str, spool: Spool) -> Iterator[SubOperations]:
    """Fetch a study into the spool over our own association; the counts as they grow, the last at the end.

    Meanwhile the study is open, as one that somebody sends: it does not fall quiet half-way.

    Raises
    ------
    RetrieveError
        The archive is out of reach, does not support C-GET, has not got the study, or did not send all of it.
    """
    model = StudyRootQueryRetrieveInformationModelGet
    subject = _Subject(peer, study_instance_uid, 'does it support C-GET? Else set retrieve = "move" for this peer')
    came = TransferJournal(spool.receivers, peer.remote, by_get=True)
    handlers: list[evt.EventHandlerType] = [(evt.EVT_C_STORE, _on_c_store, [spool, subject, came])]
    contexts = [build_context(model), *_storage_contexts()]
    try:
        with kept_open(spool, study_instance_uid), _association(subject, contexts, handlers) as association:
            send = partial(association.send_c_get, _identifier(study_instance_uid), model)
            yield from _told(_follow(association, _begin(send, subject), subject), subject, model)
    finally:
        peer.tell(came.messages())
        came.close()


def _on_c_store(event: NetworkEvent, spool: Spool, subject: "_Subject", came: TransferJournal) -> Dataset:
    """Take an instance of a C-GET as any that is sent to us: success only once it is durable in the spool."""
    request = cast(C_STORE, event.request)
    announced = Announced(
        sop_class_uid=str(request.AffectedSOPClassUID),
        sop_instance_uid=str(request.AffectedSOPInstanceUID),
        transfer_syntax_uid=str(event.context.transfer_syntax),
        calling_ae_title=subject.peer.ae_title,
        abstract_syntax_uid=str(event.context.abstract_syntax),
    )

    def note(header: InstanceHeader | None, outcome: Kept | StorageStatus) -> None:
        came.add(received(announced.sop_class_uid, header, outcome))

    status, comment = receive_data_set(spool, announced, cast(BytesIO, request.DataSet), note)
    if status not in (StorageStatus.SUCCESS, StorageStatus.COERCED):
        subject.refusals.append(comment)
    return answer(status, comment)


def _storage_contexts() -> list[PresentationContext]:
    """One for each compression of an image class: of those in one context the archive would choose a single one.

    An archive that cannot convert an instance into that one would fail to send it. Documents are not compressed.
    """
    contexts = [build_context(sop_class, list(_PLAIN)) for sop_class in STORAGE_CLASSES]
    compressions = [syntax for syntax in TRANSFER_SYNTAXES if syntax not in _PLAIN]
    images = [sop_class for sop_class in STORAGE_CLASSES if sop_class not in (*DOCUMENT_CLASSES, *SELDOM_COMPRESSED)]
    return contexts + [build_context(sop_class, syntax) for sop_class in images for syntax in compressions]


def _identifier(study_instance_uid: str) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = UID(study_instance_uid)
    return identifier


@dataclass(frozen=True)
class _Subject:
    """What an error is about, and what to look at when nothing came."""

    peer: Peer
    study_instance_uid: str
    remedy: str
    refusals: list[str] = field(default_factory=list)
    """Why our own spool did not take what the archive sent."""

    @property
    def advice(self) -> str:
        """What to look at."""
        return f"our spool refused {len(self.refusals)}: {self.refusals[0]}" if self.refusals else self.remedy

    def __str__(self) -> str:
        return f"{self.peer}: study {self.study_instance_uid}"


@contextmanager
def _association(
    subject: _Subject, contexts: Sequence[PresentationContext], handlers: Sequence[evt.EventHandlerType] = ()
) -> Iterator[Association]:
    # For a C-GET the archive is SCU of the storage classes, and we are their SCP (PS3.7 annex D.3.3.4).
    roles = [build_role(sop_class, scp_role=True) for sop_class in STORAGE_CLASSES] if handlers else []
    try:
        with association_with(subject.peer, contexts, roles=roles, handlers=handlers) as association:
            association.dimse_timeout = SILENCE_TIMEOUT_S
            yield association
    except DeliveryError as error:
        raise RetrieveError(f"study {subject.study_instance_uid}: {error}") from error


def _begin(send: Callable[[], _Responses], subject: _Subject) -> _Responses:
    try:
        return send()
    except ValueError as error:  # pynetdicom: no accepted presentation context for the request
        raise RetrieveError(f"{subject}: the archive accepts no such request: {subject.remedy}") from error
    except RuntimeError as error:  # the association ended between our look and the request
        raise RetrieveError(f"{subject}: the archive broke off the association") from error


def _told(counts: Iterator[SubOperations], subject: _Subject, sop_class_uid: str) -> Iterator[SubOperations]:
    """The same, and the audit trail hears of the query that each retrieval is, and whether it failed."""
    failure = ""
    try:
        yield from counts
    except RetrieveError as error:
        failure = str(error)
        raise
    finally:
        peer, identifier = subject.peer, _identifier(subject.study_instance_uid)
        peer.tell([query_made(peer.remote, identifier, sop_class_uid=sop_class_uid, failure=failure)])


def _follow(association: Association, responses: _Responses, subject: _Subject) -> Iterator[SubOperations]:
    counts = SubOperations()
    ended = False
    try:
        for response, failures in responses:
            counts = counts.after(response)
            status = status_of(response)
            ended = status not in PENDING
            if ended:
                _require_success(status, counts, failures, subject)
            yield counts
    finally:
        if not ended:  # nobody listens any more: an association with a pending request cannot be released
            association.abort()


def _require_success(status: int | None, counts: SubOperations, failures: Dataset | None, subject: _Subject) -> None:
    if status is None:
        after = f"after {counts.sent} of {counts.total} instances" if counts.sent else f"at once: {subject.advice}"
        raise RetrieveError(f"{subject}: the archive broke off or fell silent {after}")
    if status == QueryRetrieveStatus.DESTINATION_UNKNOWN:
        ours = subject.peer.calling_ae_title
        raise RetrieveError(
            f"{subject}: the archive does not know {ours} as a destination: enter our AE title there, with the host "
            "and port of this node"
        )
    ended_well = status in (QueryRetrieveStatus.SUCCESS, QueryRetrieveStatus.SOME_FAILED)
    if ended_well and counts.failed and counts.sent:
        raise RetrieveError(f"{subject}: {_failed(counts, failures, subject)}")
    if status == QueryRetrieveStatus.SUCCESS and counts.counted and not counts.total:
        raise RetrieveError(f"{subject}: the archive has no instance of it any more")
    # PS3.4 table C.4-2: the warning B000 also says that each instance came, some of them answered with a warning.
    if counts.failed or not (status == QueryRetrieveStatus.SUCCESS or (ended_well and counts.warned)):
        much = f"after {counts.sent} instances" if counts.sent else f"and nothing came: {subject.advice}"
        raise RetrieveError(f"{subject}: {named(status)}, {much}")


def _failed(counts: SubOperations, failures: Dataset | None, subject: _Subject) -> str:
    if subject.refusals:
        return subject.advice
    said = f"{counts.failed} of {counts.total} instances did not come"
    uids = texts_of(failures, "FailedSOPInstanceUIDList") if failures is not None else ()
    first = next((uid for uid in uids if is_valid_uid(uid)), None)
    return f"{said}, the first {first}" if first else said
