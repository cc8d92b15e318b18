"""Reports on storage commitment over associations of our own: a sender seldom keeps its own open to wait for them.

They run in a thread of the intake's process, so that a sender that is away holds up neither reception nor registry.
"""

import threading
from datetime import UTC, datetime, timedelta

from pynetdicom import build_role
from pynetdicom.presentation import build_context

from config.errors import DeliveryError, EchoWorkerError
from config.logs import Event, emit, place_of
from config.sections.peers import PeerSettings
from config.settings import Settings
from dicom_node.calling import Peer, association_with, called_peer
from dicom_node.commitment.files import CommitmentAnswer, CommitmentFiles
from dicom_node.commitment.messages import WELL_KNOWN_INSTANCE, CommitmentReport, event_information
from dicom_node.contexts import STORAGE_COMMITMENT
from dicom_node.spool import Spool
from dicom_node.statuses import CommitmentStatus

LOOKS_EVERY_S = 1.0
GIVEN_UP_AFTER = timedelta(days=1)


def report_commitment(peer: Peer, report: CommitmentReport) -> None:
    """Call a peer that has asked for storage commitment, and tell it what has become of that (PS3.4 section J.3.3).

    Raises
    ------
    DeliveryError
        The peer is out of reach, or does not take the report.
    """
    contexts, roles = [build_context(STORAGE_COMMITMENT)], [build_role(STORAGE_COMMITMENT, scp_role=True)]
    with association_with(peer, contexts, roles=roles) as association:
        try:
            response, _ = association.send_n_event_report(
                event_information(report), report.event_type, STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE
            )
        except (RuntimeError, ValueError) as error:  # the association ended between our look and the request
            raise DeliveryError(f"{peer}: broke off the association") from error
    if "Status" not in response:
        raise DeliveryError(f"{peer}: no answer to the report on storage commitment")
    if response.Status != CommitmentStatus.SUCCESS:
        raise DeliveryError(f"{peer}: answers 0x{response.Status:04X} to the report on storage commitment")


class ReportingBack:
    """Tells senders what is judged and due; each until it has taken the report, for a day."""

    def __init__(self, settings: Settings, spool: Spool) -> None:
        self._settings = settings
        self._files = CommitmentFiles(spool)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set."""
        while not stop.wait(LOOKS_EVERY_S):
            try:
                self.report_due(stop)
            except OSError as error:  # a full disk, a share that hiccups: the answers wait
                emit(Event.SPOOL_AWAY, error=place_of(error))

    def report_due(self, stop: threading.Event) -> None:
        """Report what is due now. A sender that is out of reach is called once, for all that waits for it."""
        away: set[str] = set()
        for name, waiting in self._files.due_answers(now=datetime.now(UTC)):
            if stop.is_set():
                return
            if waiting.calling_ae_title in away or (answer := self._files.claim(name)) is None:
                continue
            obstacle = self._report(answer)
            if obstacle is None:
                self._files.reported(name)
                continue
            away.add(answer.calling_ae_title)
            self._try_later(name, answer, obstacle)

    def _report(self, answer: CommitmentAnswer) -> str | None:
        """Why a report was not taken, or None."""
        known = self._peer(answer.calling_ae_title)
        if known is None:
            return "no peer with this AE title has a host to call"
        try:
            report_commitment(called_peer(self._settings, known), answer.report)
        except EchoWorkerError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  one sender's trouble must not keep the others from their reports
            return place_of(error)
        say_reported(answer)
        return None

    def _peer(self, ae_title: str) -> PeerSettings | None:
        return next((peer for peer in self._settings.peers if peer.ae_title == ae_title and peer.host), None)

    def _try_later(self, name: str, answer: CommitmentAnswer, obstacle: str) -> None:
        now = datetime.now(UTC)
        hopeless = self._peer(answer.calling_ae_title) is None
        if hopeless or now - answer.asked_at > GIVEN_UP_AFTER:
            self._files.give_up(name)
            event = Event.COMMITMENT_GIVEN_UP
        else:
            pause_s = self._settings.pipeline.back_off_s(answer.attempts + 1)
            self._files.put_back(name, answer, next_attempt_at=now + timedelta(seconds=pause_s))
            event = Event.COMMITMENT_NOT_REPORTED
        emit(
            event,
            transaction_uid=answer.report.transaction_uid,
            calling_ae_title=answer.calling_ae_title,
            attempt=answer.attempts + 1,
            reason=obstacle,
        )


def say_reported(answer: CommitmentAnswer) -> None:
    """Log that a sender has taken the report."""
    emit(
        Event.COMMITMENT_REPORTED,
        transaction_uid=answer.report.transaction_uid,
        calling_ae_title=answer.calling_ae_title,
        count=len(answer.report.committed),
        status="all committed" if not answer.report.failed else f"{len(answer.report.failed)} failed",
    )
