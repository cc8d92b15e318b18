"""The receiving process's part in storage commitment: requests and reports become files, before they are answered.

The answer to a request is told on the association that it came on, if that is still open when the intake has judged it
(`dicom_node.commitment.judging`); if not, the intake calls the sender (`dicom_node.commitment.reporting_back`).
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from typing import Any, cast

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import N_EVENT_REPORT_RQ
from pynetdicom.dimse_primitives import N_ACTION, N_EVENT_REPORT
from pynetdicom.dsutils import encode
from pynetdicom.events import Event as NetworkEvent

from config.errors import CommitmentError
from config.logs import Event, emit, place_of
from dicom_node.commitment.files import CommitmentAnswer, CommitmentFiles, CommitmentRequest
from dicom_node.commitment.messages import (
    REQUEST,
    WELL_KNOWN_INSTANCE,
    CommitmentReport,
    event_information,
    read_request,
    take_report,
)
from dicom_node.commitment.reporting_back import say_reported
from dicom_node.contexts import STORAGE_COMMITMENT
from dicom_node.spool import Spool
from dicom_node.statuses import CommitmentStatus

LOOKS_EVERY_S = 0.2
ANSWER_TIMEOUT_S = 15.0
"""A sender that says nothing to a report on its own association for so long is called instead."""
EVENT_REPORT_RSP = 0x8100
"""Command Field (PS3.7 section E.1)."""


class CommitmentService:
    """Handles N-ACTION and N-EVENT-REPORT of all associations of one process."""

    def __init__(self, spool: Spool, is_sender: Callable[[Association], bool]) -> None:
        self._files = CommitmentFiles(spool)
        self._is_sender = is_sender
        self._lock = threading.Lock()
        self._awaited: dict[Association, list[str]] = {}
        """The names of the answers that each open association waits for."""

    def handlers(self) -> list[Any]:
        """pynetdicom's event handlers."""
        return [(evt.EVT_N_ACTION, self._on_n_action), (evt.EVT_N_EVENT_REPORT, self._on_n_event_report)]

    def _on_n_event_report(self, event: NetworkEvent) -> tuple[int, None]:
        ae_title = event.assoc.requestor.ae_title.strip()
        return int(take_report(event, partial(self._files.keep_report, ae_title=ae_title))), None

    def _on_n_action(self, event: NetworkEvent) -> tuple[int, None]:
        """Keep a request; 0x0000 once it is durable, or why not. The sender is always answered."""
        calling_ae_title = event.assoc.requestor.ae_title.strip()
        try:
            status, reason = self._take_request(event, calling_ae_title), ""
        except CommitmentError as error:
            status, reason = CommitmentStatus.INVALID_ARGUMENT, str(error)
        except OSError as error:
            status, reason = CommitmentStatus.RESOURCE_LIMITATION, place_of(error)
        except Exception as error:  # noqa: BLE001  a data set that cannot be decoded; its text may hold PHI
            status, reason = CommitmentStatus.INVALID_ARGUMENT, place_of(error)
        if status is not CommitmentStatus.SUCCESS:
            emit(
                Event.COMMITMENT_REFUSED,
                calling_ae_title=calling_ae_title,
                status=f"0x{status:04X}",
                reason=reason or status.name.lower().replace("_", " "),
            )
        return int(status), None

    def _take_request(self, event: NetworkEvent, calling_ae_title: str) -> CommitmentStatus:
        if not self._is_sender(event.assoc):
            return CommitmentStatus.NOT_AUTHORIZED
        if cast(N_ACTION, event.request).RequestedSOPInstanceUID != WELL_KNOWN_INSTANCE:
            return CommitmentStatus.NO_SUCH_INSTANCE
        if event.action_type != REQUEST:
            return CommitmentStatus.NO_SUCH_ACTION
        transaction_uid, references = read_request(event.action_information)
        request = CommitmentRequest(
            transaction_uid=transaction_uid,
            references=references,
            calling_ae_title=calling_ae_title,
            asked_at=datetime.now(UTC),
        )
        name = self._files.ask(request)
        emit(
            Event.COMMITMENT_REQUESTED,
            transaction_uid=transaction_uid,
            calling_ae_title=calling_ae_title,
            count=len(references),
        )
        self._await(event.assoc, event.context.context_id, name)
        return CommitmentStatus.SUCCESS

    def _await(self, association: Association, context_id: int, name: str) -> None:
        with self._lock:
            is_first = association not in self._awaited
            self._awaited.setdefault(association, []).append(name)
        if is_first:
            arguments = [association, context_id]
            threading.Thread(target=self._report_while_open, args=arguments, name="commitment", daemon=True).start()

    def _report_while_open(self, association: Association, context_id: int) -> None:
        """Report what is judged, until nothing is awaited any more or the association ends."""
        while True:
            time.sleep(LOOKS_EVERY_S)
            with self._lock:
                names = list(self._awaited[association])
                if not names or not association.is_established:
                    del self._awaited[association]
                    return
            for name in names:
                if self._reported(association, context_id, name):
                    with self._lock:
                        self._awaited[association].remove(name)

    def _reported(self, association: Association, context_id: int, name: str) -> bool:
        """Whether an answer needs this association no more; False while it is not judged."""
        try:
            answer = self._files.claim(name)
            if answer is None:
                return False
            if self._report(association, context_id, answer):
                self._files.reported(name)
            else:
                self._files.put_back(name, answer, next_attempt_at=datetime.now(UTC))
        except OSError as error:  # claimed for too long, the answer goes back by itself
            emit(Event.SPOOL_AWAY, error=place_of(error))
        return True

    def _report(self, association: Association, context_id: int, answer: CommitmentAnswer) -> bool:
        try:
            status = report_on(association, context_id, answer.report)
        except Exception as error:  # noqa: BLE001  the association ended meanwhile, or its peer talks nonsense
            status, reason = None, place_of(error)
        else:
            reason = "no answer on its own association" if status is None else f"answers 0x{status:04X}"
        if status == CommitmentStatus.SUCCESS:
            say_reported(answer)
            return True
        emit(
            Event.COMMITMENT_NOT_REPORTED,
            transaction_uid=answer.report.transaction_uid,
            calling_ae_title=answer.calling_ae_title,
            attempt=answer.attempts + 1,
            reason=reason,
        )
        return False


def report_on(
    association: Association, context_id: int, report: CommitmentReport, *, timeout_s: float = ANSWER_TIMEOUT_S
) -> int | None:
    """Send an N-EVENT-REPORT on an association that a peer has opened; what it answers, None when it says nothing.

    pynetdicom's own `send_n_event_report` stops serving the association until the answer comes: a release, or an
    instance that the peer sends meanwhile, would wait, or be taken for the answer. This one only listens along.
    """
    message_id = 1 + hash(report.transaction_uid) % 65535
    statuses: list[int] = []
    answered = threading.Event()

    def listen(event: NetworkEvent) -> None:
        command = event.message.command_set
        is_answer = command.get("CommandField") == EVENT_REPORT_RSP
        if is_answer and command.get("MessageIDBeingRespondedTo") == message_id:
            statuses.append(int(command.Status))
            answered.set()

    association.bind(evt.EVT_DIMSE_RECV, listen)
    try:
        _send_whole(association, context_id, _request(association, context_id, report, message_id))
        give_up_at = time.monotonic() + timeout_s
        while not answered.wait(0.1) and association.is_established and time.monotonic() < give_up_at:
            pass
    finally:
        association.unbind(evt.EVT_DIMSE_RECV, listen)
    return statuses[0] if statuses else None


def _request(association: Association, context_id: int, report: CommitmentReport, message_id: int) -> N_EVENT_REPORT:
    syntax = association._accepted_cx[context_id].transfer_syntax[0]
    encoded = encode(event_information(report), syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    request = N_EVENT_REPORT()
    request.MessageID = message_id
    request.AffectedSOPClassUID = STORAGE_COMMITMENT
    request.AffectedSOPInstanceUID = WELL_KNOWN_INSTANCE
    request.EventTypeID = report.event_type
    request.EventInformation = BytesIO(encoded or b"")
    return request


def _send_whole(association: Association, context_id: int, request: N_EVENT_REPORT) -> None:
    """Queue all fragments of a message at once: no answer of another thread comes between (PS3.7 section 6.3.1)."""
    message = N_EVENT_REPORT_RQ()
    message.primitive_to_message(request)
    fragments = list(message.encode_msg(context_id, association.dimse.maximum_pdu_size))
    queue = association.dul.to_provider_queue
    with queue.mutex:
        queue.queue.extend(fragments)
