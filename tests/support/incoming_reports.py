"""Reports as an interface engine sends them, and an installation that they come to: listener, registry, worker."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from celery import Celery
from sqlalchemy import select

from config.broker import create_celery_app
from config.settings import Settings
from db.consistency.received_reports import ReceivedSummary, list_received
from db.lifecycle.received import Identity, ReceivedInstance
from db.lifecycle.studies import register_instance
from db.tables.studies import Study
from dicom_node.spool import Spool
from tests.support.reported import QUIET, instance_of, reported
from tests.support.waiting import wait_until
from worker.consistency.arriving.receiving import ReportReceiver
from worker.consistency.arriving.report_intake import ReportIntake
from worker.context import WorkerContext

NAME, PATIENT_ID, ACCESSION = "GEHEIM^PATRICK", "SECRET-4711", "ACC-77"
SECRETS = ("GEHEIM", "PATRICK", PATIENT_ID, ACCESSION, "19500101", "FILLER-1")
STUDY = "1.2.826.0.1.3680043.8.498.77.1"


def oru(
    text: str = "EF 55 %.",
    *,
    accession: str = ACCESSION,
    patient: str = PATIENT_ID,
    status: str = "F",
    control_id: str = "MSG00001",
    filler: str = "FILLER-1",
    observed: str = "20260301093000+0000",
    orders: int = 1,
) -> bytes:
    """ORU^R01 of HL7 v2.5.1 with one report, or the same several times as results of several services."""
    lines = [
        f"MSH|^~\\&|RIS|HOSP|ECHOWORKER|HOSP|20260301101500+0000||ORU^R01^ORU_R01|{control_id}|P|2.5.1",
        f"PID|1||{patient}^^^HOSP^MR||{NAME}||19500101|F",
    ]
    for number in range(1, orders + 1):
        lines += [
            f"OBR|{number}||{filler}^RIS|9330{number}^ECHO^C4|||{observed}|||||||||||{accession}|||||||{status}",
            f"OBX|1|TX|F^Findings||{text}||||||{status}",
        ]
    return "".join(f"{line}\r" for line in lines).encode()


@dataclass
class Hospital:
    """What reports come to; the listener runs while `listening` is open, the worker works when it is told to."""

    settings: Settings
    broker: Celery = field(init=False)
    context: WorkerContext = field(init=False)
    spool: Spool = field(init=False)
    intake: ReportIntake = field(init=False)

    def __post_init__(self) -> None:
        self.broker = create_celery_app(self.settings)
        self.context = WorkerContext(self.settings, self.broker)
        self.context.database.upgrade()
        self.spool = self.context.spool
        self.spool.create()
        self.intake = ReportIntake(self.context)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """With the listener and the watched folder as the process runs them."""
        stop = threading.Event()
        thread = threading.Thread(target=ReportReceiver(self.settings, self.spool).run, args=[stop])
        thread.start()
        if port := self.settings.consistency.port:
            wait_until(lambda: takes_connections(port), 30, "the listener")
        try:
            yield
        finally:
            stop.set()
            thread.join(30)

    def send(self, message: bytes) -> str:
        """The code of the acknowledgement (MSA-1)."""
        return send_message(message, self.settings.consistency.port)

    def receive_study(
        self,
        uid: str = STUDY,
        *,
        accession: str | None = ACCESSION,
        patient: str = PATIENT_ID,
        study_date: str = "20260301",
    ) -> int:
        """A study whose first instance is registered; its number."""
        instance = _instance(uid, accession, patient, study_date)
        with self.context.database.write() as session:
            register_instance(session, instance, QUIET)
            return session.scalars(select(Study.id).where(Study.study_instance_uid == uid)).one()

    def report_study(self, uid: str = STUDY, *, accession: str | None = ACCESSION, patient: str = PATIENT_ID) -> int:
        """A study that has its results; its number."""
        instance = _instance(uid, accession, patient, "20260301")
        now = datetime.now(UTC)
        return reported(self.context.database, self.settings.pipeline, instance, to=[], now=now)

    def reports(self, *, unmatched_only: bool = False) -> list[ReceivedSummary]:
        """All that are registered, the first first."""
        with self.context.database.read() as session:
            return list_received(session, unmatched_only=unmatched_only)[::-1]

    @property
    def waiting(self) -> list[Path]:
        """The files that are kept and not registered."""
        return sorted((self.spool.received_reports / "inbox").glob("*.*"))


def _instance(uid: str, accession: str | None, patient: str, study_date: str) -> ReceivedInstance:
    identity = Identity(
        patient_id=patient, patient_name=NAME, birth_date="19500101", accession_number=accession, study_date=study_date
    )
    at = datetime.now(UTC) - timedelta(hours=1)
    return replace(instance_of(uid, sop=f"{uid}.1.1", at=at), identity=identity)


def send_message(message: bytes, port: int) -> str:
    """Send a message on a connection of its own; the code of its acknowledgement (MSA-1)."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"\x0b" + message + b"\x1c\r")
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            some = connection.recv(4096)
            assert some, "the listener hung up"
            answer += some
    return answer.split(b"MSA|")[1][:2].decode()


def takes_connections(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
