"""Storage commitment (PS3.4 annex J, Push Model): what is asked and answered, as data sets; and asking, as SCU."""

import threading
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.events import Event as NetworkEvent
from pynetdicom.presentation import build_context

from config.errors import CommitmentError, DeliveryError, EchoWorkerError, RefusedError
from config.logs import Event, emit, place_of
from dicom_node.calling import Peer, association_with
from dicom_node.contexts import STORAGE_COMMITMENT
from dicom_node.header import is_valid_uid
from dicom_node.statuses import CommitmentStatus

WELL_KNOWN_INSTANCE = UID("1.2.840.10008.1.20.1.1")
"""PS3.4 section J.3.5: the one instance that every request and every report is about."""
REQUEST = 1
"""Action Type ID of an N-ACTION (PS3.4 table J.3.2-1)."""
ALL_COMMITTED, SOME_FAILED = 1, 2
"""Event Type IDs of an N-EVENT-REPORT (PS3.4 table J.3.3-1)."""
WAIT_FOR_REPORT_S = 2.0
"""How long our association stays open after a request, for those that report on it; others call our node."""


class Reference(NamedTuple):
    """An instance that is to be kept."""

    sop_class_uid: str
    sop_instance_uid: str


class Failure(NamedTuple):
    """An instance that is not kept, and the Failure Reason (0008,1197) of PS3.3 section C.14.1.1."""

    sop_class_uid: str
    sop_instance_uid: str
    reason: int


@dataclass(frozen=True, kw_only=True)
class CommitmentReport:
    """What an SCP says of one transaction."""

    transaction_uid: str
    committed: tuple[Reference, ...] = ()
    failed: tuple[Failure, ...] = ()

    @property
    def event_type(self) -> int:
        """The Event Type ID that goes with it."""
        return SOME_FAILED if self.failed else ALL_COMMITTED


KeepReport = Callable[[CommitmentReport], None]


def new_transaction_uid() -> str:
    """A Transaction UID like no other (PS3.5 section B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def action_information(transaction_uid: str, references: Iterable[Reference]) -> Dataset:
    """The Action Information of a request (PS3.4 table J.3.2-1)."""
    information = Dataset()
    information.TransactionUID = UID(transaction_uid)
    information.ReferencedSOPSequence = [_item(reference) for reference in references]
    return information


def event_information(report: CommitmentReport) -> Dataset:
    """The Event Information of a report (PS3.4 table J.3.3-1)."""
    information = Dataset()
    information.TransactionUID = UID(report.transaction_uid)
    if report.committed:
        information.ReferencedSOPSequence = [_item(reference) for reference in report.committed]
    if report.failed:
        information.FailedSOPSequence = [_failed_item(failure) for failure in report.failed]
    return information


def read_request(information: Dataset) -> tuple[str, tuple[Reference, ...]]:
    """Transaction UID and references of an Action Information.

    Raises
    ------
    CommitmentError
        The Transaction UID is missing or no UID, nothing is referenced, or a reference is no pair of UIDs.
    """
    references = tuple(_references(information, "ReferencedSOPSequence"))
    if not references:
        raise CommitmentError("storage commitment: no instance is referenced")
    return _uid(information, "TransactionUID"), references


def read_report(information: Dataset) -> CommitmentReport:
    """An Event Information.

    Raises
    ------
    CommitmentError
        The Transaction UID is missing or no UID, or a reference is no pair of UIDs.
    """
    failed = zip(_references(information, "FailedSOPSequence"), information.get("FailedSOPSequence") or (), strict=True)
    return CommitmentReport(
        transaction_uid=_uid(information, "TransactionUID"),
        committed=tuple(_references(information, "ReferencedSOPSequence")),
        failed=tuple(Failure(*reference, int(item.get("FailureReason") or 0)) for reference, item in failed),
    )


def take_report(event: NetworkEvent, keep: KeepReport) -> CommitmentStatus:
    """Hand a peer's N-EVENT-REPORT to `keep`; the status to answer, whatever happens."""
    calling_ae_title = event.assoc.requestor.ae_title if event.assoc.is_acceptor else event.assoc.acceptor.ae_title
    try:
        if event.event_type not in (ALL_COMMITTED, SOME_FAILED):
            return CommitmentStatus.NO_SUCH_EVENT_TYPE
        keep(read_report(event.event_information))
    except OSError as error:
        status, reason = CommitmentStatus.RESOURCE_LIMITATION, place_of(error)
    except EchoWorkerError as error:
        status, reason = CommitmentStatus.INVALID_ARGUMENT, str(error)
    except Exception as error:  # noqa: BLE001  a data set that cannot be decoded; its text may hold PHI
        status, reason = CommitmentStatus.INVALID_ARGUMENT, place_of(error)
    else:
        return CommitmentStatus.SUCCESS
    emit(Event.COMMITMENT_REFUSED, ae_title=calling_ae_title, status=f"0x{status:04X}", reason=reason)
    return status


def ask_commitment(
    peer: Peer,
    references: Iterable[Reference],
    transaction_uid: str,
    keep: KeepReport,
    *,
    wait_s: float = WAIT_FOR_REPORT_S,
) -> None:
    """Ask a peer to commit to keeping these instances.

    It reports when it likes: on this association, which stays open for `wait_s`, or by calling our node. Whatever
    report comes on this one goes to `keep`, which has to make it durable.

    Raises
    ------
    DeliveryError
        The peer is out of reach, or does not answer.
    RefusedError
        It supports no storage commitment, or does not take the request.
    """
    answering: list[threading.Thread] = []
    reported = threading.Event()

    def on_report(event: NetworkEvent) -> tuple[int, None]:
        def kept(report: CommitmentReport) -> None:
            keep(report)
            if report.transaction_uid == transaction_uid:
                reported.set()

        answering.append(threading.current_thread())
        return int(take_report(event, kept)), None

    information = action_information(transaction_uid, references)
    handlers: list[evt.EventHandlerType] = [(evt.EVT_N_EVENT_REPORT, on_report)]
    with association_with(peer, [build_context(STORAGE_COMMITMENT)], handlers=handlers) as association:
        try:
            response, _ = association.send_n_action(information, REQUEST, STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE)
        except (RuntimeError, ValueError) as error:  # the association ended between our look and the request
            raise DeliveryError(f"{peer}: broke off the association") from error
        if "Status" not in response:
            raise DeliveryError(f"{peer}: no answer to the request for storage commitment")
        if response.Status != CommitmentStatus.SUCCESS:
            raise RefusedError(f"{peer}: answers 0x{response.Status:04X} to the request for storage commitment")
        reported.wait(wait_s)  # if not: it reports later, and calls our node
        for thread in answering:
            # Our answer is on its way before we release; and as pynetdicom ends such a thread, it takes the pause away
            # that a release waits for: one that begins meanwhile would wait for good.
            thread.join(wait_s)


def _item(reference: Reference | Failure) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = UID(reference.sop_class_uid)
    item.ReferencedSOPInstanceUID = UID(reference.sop_instance_uid)
    return item


def _failed_item(failure: Failure) -> Dataset:
    item = _item(failure)
    item.FailureReason = failure.reason
    return item


def _references(information: Dataset, keyword: str) -> list[Reference]:
    return [
        Reference(_uid(item, "ReferencedSOPClassUID"), _uid(item, "ReferencedSOPInstanceUID"))
        for item in information.get(keyword) or ()
    ]


def _uid(dataset: Dataset, keyword: str) -> str:
    uid = str(dataset.get(keyword) or "")
    if not is_valid_uid(uid):
        raise CommitmentError(f"storage commitment: {keyword} is {'not a valid UID' if uid else 'missing'}")
    return uid
