"""Peers for storage commitment: one that asks our node for it, and one that our reports go to and that is asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.events import Event

from config.broker import create_celery_app
from config.settings import Settings
from db.session import Database
from dicom_node.commitment.messages import (
    REQUEST,
    WELL_KNOWN_INSTANCE,
    CommitmentReport,
    Failure,
    Reference,
    action_information,
    event_information,
    read_report,
    read_request,
)
from dicom_node.contexts import STORAGE_COMMITMENT, accepted_contexts
from dicom_node.intake import Intake
from dicom_node.reception.receiver import Receiver
from dicom_node.spool import Spool
from tests.support.scps import serving
from tests.support.waiting import wait_until


class Node:
    """Receiver and intake as threads of the test; in the product each has a process of its own."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.spool = Spool(settings.spool_dir)
        self.receiver = Receiver(settings)
        self.intake = Intake(settings, self.spool, database, create_celery_app(settings))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.intake.run, args=[self._stop])

    @property
    def port(self) -> int:
        return self.receiver.port

    @contextmanager
    def running(self) -> Iterator["Node"]:
        self.receiver.start()
        self._thread.start()
        try:
            yield self
        finally:
            self.receiver.stop()
            self._stop.set()
            self._thread.join()


@dataclass
class Sender:
    """A modality that asks for storage commitment, and hears of it on its own association or on its own port."""

    port: int
    ae_title: str = "MODALITY"
    heard: list[tuple[str, CommitmentReport]] = field(default_factory=list)
    """Where (`here`: on the association that it opened; `called`), and what."""
    event_types: list[int] = field(default_factory=list)
    answers: int = 0x0000
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held while it stores, by who stores on while a report may come: pynetdicom answers a report from a thread of its
    own, and would send the answer between the command set and the data set of a C-STORE, which no SCP can read."""
    answering: list[threading.Thread] = field(default_factory=list)

    def associate(self, port: int) -> Association:
        ae = AE(ae_title=self.ae_title)
        ae.add_requested_context(UltrasoundMultiFrameImageStorage, ExplicitVRLittleEndian)
        ae.add_requested_context(STORAGE_COMMITMENT)
        handlers = [(evt.EVT_N_EVENT_REPORT, self._on_report, ["here"])]
        association = ae.associate("127.0.0.1", port, evt_handlers=handlers)
        assert association.is_established
        return association

    @contextmanager
    def listening(self) -> Iterator[None]:
        ae = AE(ae_title=self.ae_title)
        ae.add_supported_context(STORAGE_COMMITMENT, scu_role=False, scp_role=True)
        handlers = [(evt.EVT_N_EVENT_REPORT, self._on_report, ["called"])]
        with serving(ae, handlers, port=self.port):
            yield

    def wait_for_reports(self, count: int = 1) -> list[CommitmentReport]:
        """Those that have arrived, once they are answered.

        As pynetdicom ends the thread that answers, it takes the pause away that the next request, or a release, waits
        for: one that begins meanwhile would wait for good.
        """
        wait_until(lambda: len(self.heard) >= count, 30, f"{count} reports to arrive")
        for thread in self.answering:
            thread.join(30)
        return [report for _, report in self.heard]

    def _on_report(self, event: Event, where: str) -> tuple[int, Dataset]:
        with self.turn:
            self.answering.append(threading.current_thread())
            self.event_types.append(event.event_type)
            self.heard.append((where, read_report(event.event_information)))
        return self.answers, Dataset()


def ask(association: Association, transaction_uid: str, *references: tuple[str, str]) -> int:
    """Send the N-ACTION; the status of its response."""
    information = action_information(transaction_uid, [Reference(*reference) for reference in references])
    response, _ = association.send_n_action(information, REQUEST, STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE)
    return int(response.Status)


@dataclass
class CommittingPACS:
    """Takes reports, and commits to them as it is told: on the association that asks, by calling back, or never."""

    reports: str = "here"
    failure_reason: int = 0
    action_status: int = 0x0000
    store_status: int = 0x0000
    node_port: int = 0
    port: int = 0
    ae_title: str = "PACS"
    without: str = ""
    """A SOP class that it does not take."""
    stored: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Transaction UIDs."""
    statuses: list[int] = field(default_factory=list)
    """What was answered to its reports."""

    @contextmanager
    def running(self) -> Iterator["CommittingPACS"]:
        ae = AE(ae_title=self.ae_title)
        ae.supported_contexts = [one for one in accepted_contexts() if one.abstract_syntax != self.without]
        handlers = [(evt.EVT_C_STORE, self._on_store), (evt.EVT_N_ACTION, self._on_action)]
        with serving(ae, handlers) as self.port:
            yield self

    def report_by_call(self, report: CommitmentReport, port: int) -> None:
        ae = AE(ae_title=self.ae_title)
        ae.add_requested_context(STORAGE_COMMITMENT)
        role = build_role(STORAGE_COMMITMENT, scp_role=True)
        association = ae.associate("127.0.0.1", port, ext_neg=[role])
        assert association.is_established
        assert association.accepted_contexts[0].as_scp
        self._report(association, report)
        association.release()

    def _on_store(self, event: Event) -> int:
        self.stored.append(str(event.request.AffectedSOPInstanceUID))
        return self.store_status

    def _on_action(self, event: Event) -> tuple[int, None]:
        if self.action_status:
            return self.action_status, None
        transaction_uid, references = read_request(event.action_information)
        self.asked.append(transaction_uid)
        report = CommitmentReport(transaction_uid=transaction_uid, committed=references)
        if self.failure_reason:
            failed = tuple(Failure(*reference, self.failure_reason) for reference in references)
            report = CommitmentReport(transaction_uid=transaction_uid, failed=failed)
        if self.reports == "here":
            threading.Thread(target=self._report, args=[event.assoc, report]).start()
        elif self.reports == "called":
            threading.Thread(target=self.report_by_call, args=[report, self.node_port]).start()
        return 0x0000, None

    def _report(self, association: Association, report: CommitmentReport) -> None:
        threading.Event().wait(0.2)  # after the response, as a PACS that has looked
        response, _ = association.send_n_event_report(
            event_information(report), report.event_type, STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE
        )
        self.statuses.append(int(response.Status))
