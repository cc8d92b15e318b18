"""From the spool to the registry: registers what the tickets announce and decides when a study is quiet.

It runs in a thread of the node. With the database away the tickets wait on the disk, and reception goes on.
"""

import hashlib
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from celery import Celery
from sqlalchemy.exc import DataError, IntegrityError

from config.errors import UnreadableInstanceError
from config.logs import Event, emit, place_of
from config.settings import Settings
from db.announcing import announce_due_forwards, announce_due_steps
from db.session import Database
from db.studies import ReceivedInstance, Registration, close_quiet_studies, keep_open, register_instance
from dicom_node.header import read_header
from dicom_node.routing import routed
from dicom_node.spool import Spool, Ticket

BATCH = 50
"""Tickets a transaction: few enough to hold SQLite's write lock for milliseconds."""


class OpenStudies:
    """Which studies the open associations have sent instances of: these are not quiet yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_association: dict[threading.Thread, set[str]] = {}

    def touch(self, association: threading.Thread, study_instance_uid: str) -> None:
        """An association (pynetdicom runs each in a thread) has sent an instance of this study."""
        with self._lock:
            self._by_association.setdefault(association, set()).add(study_instance_uid)

    def uids(self) -> set[str]:
        """The Study Instance UIDs of all associations that still run."""
        with self._lock:
            # Liveness rather than an event at the end: an association that drops in mid-transfer has both at once.
            self._by_association = {a: uids for a, uids in self._by_association.items() if a.is_alive()}
            return set().union(*self._by_association.values())


class Intake:
    """The loop between spool and registry."""

    def __init__(self, settings: Settings, spool: Spool, database: Database, broker: Celery) -> None:
        self.open_studies = OpenStudies()
        self._settings = settings
        self._spool = spool
        self._database = database
        self._broker = broker
        self._registry_away = False
        self._unreadable: set[Path] = set()
        """Tickets whose instance the disk does not give: said once, and tried again each time."""

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then once more, so that nothing received stays unregistered."""
        while not stop.wait(1.0):
            self.work_once()
        self.work_once()

    def work_once(self) -> None:
        """Register what waits, then close the studies that fell quiet; an absent database is waited for."""
        try:
            self.register_waiting()
            self.close_quiet()
        except Exception as error:  # noqa: BLE001  this thread outlives every fault; the tickets wait
            if not self._registry_away:
                emit(Event.REGISTRY_AWAY, error=place_of(error))
            self._registry_away = True
            return
        if self._registry_away:
            emit(Event.REGISTRY_BACK)
        self._registry_away = False

    def register_waiting(self) -> None:
        """Register every instance that has a ticket; a ticket goes only after the commit."""
        tickets = self._spool.tickets()
        while batch := list(islice(tickets, BATCH)):
            try:
                self._register(batch)
            except (DataError, IntegrityError):
                self._register_one_by_one(batch)

    def close_quiet(self) -> None:
        """Make studies READY that nothing has come for, and announce them to the workers."""
        now = datetime.now(UTC)
        with self._database.write() as session:
            keep_open(session, self.open_studies.uids(), quiet_at=now + self._quiet_period)
            closed = close_quiet_studies(session, now=now)
        for study_instance_uid in closed:
            emit(Event.STUDY_READY, study_instance_uid=study_instance_uid)
        if closed:
            announce_due_steps(self._database, self._broker, self._settings)

    @property
    def _quiet_period(self) -> timedelta:
        return timedelta(seconds=self._settings.study.quiet_period_s)

    def _register(self, batch: Iterable[Ticket]) -> None:
        readable = [(ticket, instance) for ticket in batch if (instance := self._instance_of(ticket))]
        with self._database.write() as session:
            # In the order of their UIDs, as every transaction locks studies: none waits for another in a circle.
            in_order = sorted((instance for _, instance in readable), key=lambda i: i.study_instance_uid)
            outcomes = [(instance, register_instance(session, instance, self._quiet_period)) for instance in in_order]
        for ticket, _ in readable:
            ticket.path.unlink(missing_ok=True)
        for instance, outcome in outcomes:
            if outcome is Registration.REOPENED:
                emit(Event.STUDY_REOPENED, study_instance_uid=instance.study_instance_uid)
        if any(instance.decision.forward_to for instance, _ in outcomes):
            announce_due_forwards(self._database, self._broker, self._settings)

    def _register_one_by_one(self, batch: Iterable[Ticket]) -> None:
        """One instance that the database cannot take must not keep the others from it."""
        for ticket in batch:
            try:
                self._register([ticket])
            except (DataError, IntegrityError) as error:
                ticket.path.rename(ticket.path.with_suffix(".refused"))
                emit(Event.INSTANCE_REFUSED, path=self._spool.relative(ticket.instance_path), error=place_of(error))

    def _instance_of(self, ticket: Ticket) -> ReceivedInstance | None:
        try:
            return routed(received_instance(self._spool, ticket), ticket.instance_path, self._settings)
        except FileNotFoundError:
            ticket.path.unlink(missing_ok=True)  # removed by hand or by retention: nothing is left to register
        except OSError as error:  # a bad sector, a share that hiccups: this one waits, the others go on
            if ticket.path not in self._unreadable:
                emit(Event.INSTANCE_UNREADABLE, path=self._spool.relative(ticket.instance_path), error=place_of(error))
            self._unreadable.add(ticket.path)
        except UnreadableInstanceError as error:
            # It was readable when it was received: the disk is failing. Kept aside, so that others go on.
            self._spool.quarantine(ticket.instance_path, reason=str(error), calling_ae_title=ticket.calling_ae_title)
            ticket.path.unlink(missing_ok=True)
            emit(Event.INSTANCE_QUARANTINED, reason=str(error))
        return None


def received_instance(spool: Spool, ticket: Ticket) -> ReceivedInstance:
    """What the registry has to know of an instance in the spool.

    Raises
    ------
    FileNotFoundError
        The file is gone.
    UnreadableInstanceError
        The file is no longer a whole DICOM instance.
    """
    header = read_header(ticket.instance_path)
    return ReceivedInstance(
        **vars(header),
        spool_path=spool.relative(ticket.instance_path),
        sha256=sha256_of(ticket.instance_path),
        size_bytes=ticket.instance_path.stat().st_size,
        received_at=ticket.received_at,
        calling_ae_title=ticket.calling_ae_title,
    )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
