"""From the spool to the registry: registers what was received and decides when a study is quiet.

It runs in a process of its own, so that no database, and no amount of registering, holds up reception.
"""

import threading
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from celery import Celery

from config.errors import UnreadableInstanceError
from config.logs import Event, emit, place_of
from config.sections.peers import Role
from config.settings import Settings
from db.lifecycle.announcing import announce_due_forwards, announce_due_steps
from db.lifecycle.received import ACCEPTED, Call, ReceivedInstance
from db.lifecycle.studies import Registration, close_quiet_studies, keep_open, register_instance
from db.monitoring.callers import prune_callers, record_calls
from db.monitoring.tallies import TallyKind, add_to_tallies
from db.reading.queries import latest_instance_at
from db.session import Database
from dicom_node.commitment.files import CommitmentRequest
from dicom_node.commitment.judging import Committing
from dicom_node.commitment.reporting_back import ReportingBack
from dicom_node.duties import Duties, is_lasting
from dicom_node.header import read_header
from dicom_node.quarantine import put_in_quarantine
from dicom_node.reception.reporting import published_calls, studies_open_anywhere
from dicom_node.routing import routed
from dicom_node.sharing import Sharing
from dicom_node.spool import Spool, sha256_of, study_waiting_as
from dicom_node.spool_check import rebuild
from dicom_node.spool_notes import set_aside

BATCH = 50
"""Instances a transaction: few enough to hold SQLite's write lock for milliseconds."""
LOOKS_EVERY_S = 1.0
KEPT_OPEN = timedelta(seconds=3 * LOOKS_EVERY_S)
"""A study that an association has open stays so until this long after the last look that saw it."""
STOPS_WITHIN_S = 10.0
"""How long the report of a storage commitment may take at the end; one that takes longer is repeated."""


class Intake:
    """The loop between spool and registry."""

    def __init__(self, settings: Settings, spool: Spool, database: Database, broker: Celery) -> None:
        self._settings = settings
        self._spool = spool
        self._database = database
        self._broker = broker
        self._committing = Committing(settings, spool, database)
        self._reporting = ReportingBack(settings, spool)
        self._sharing = Sharing(spool)
        self._duties = Duties()
        self._caught_up = False
        self._quiet_period_of = {
            peer.ae_title: peer.quiet_period_s for peer in settings.peers_in(Role.SENDER) if peer.quiet_period_s
        }
        self._unreadable: set[Path] = set()
        """Instances that the disk does not give: said once, and tried again each time."""

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then once more, so that nothing received stays unregistered."""
        reporting = threading.Thread(target=self._reporting.run, args=[stop], name="commitment", daemon=True)
        reporting.start()
        while not stop.wait(LOOKS_EVERY_S):
            self.work_once()
        self.work_once()
        reporting.join(STOPS_WITHIN_S)

    def work_once(self) -> None:
        """Register what waits, then close the studies that fell quiet; one duty that fails holds up no other."""
        do = self._duties.do
        if not self._caught_up:
            do("catch up", self._catch_up)
        requests: list[tuple[str, CommitmentRequest]] = []
        # What was sent before its commitment was asked for is registered once that is judged.
        do("requests", lambda: requests.extend(self._committing.requests()))
        if do("register", self.register_waiting):
            do("judge", lambda: self._committing.judge(requests))
        do("close", self.close_quiet)
        do("callers", self._record_callers)
        do("reports", self._committing.apply_reports)

    def register_waiting(self) -> None:
        """Register every instance that waits; it leaves the queue only after the commit."""
        waiting = self._spool.unregistered()
        while batch := list(islice(waiting, BATCH)):
            try:
                self._register(batch)
            except Exception as error:
                if not is_lasting(error):
                    raise
                self._register_one_by_one(batch)

    def close_quiet(self) -> None:
        """Make studies READY that nothing has come for, and announce them to the workers."""
        now = datetime.now(UTC)
        # What waits to be registered came before now: a pass that takes long must not close its study.
        open_studies = studies_open_anywhere(self._spool, now=now) | self._spool.unregistered_studies(self._unreadable)
        with self._database.write() as session:
            keep_open(session, open_studies, quiet_at=now + KEPT_OPEN)
            closed = close_quiet_studies(session, now=now)
        for study_instance_uid in closed:
            emit(Event.STUDY_READY, study_instance_uid=study_instance_uid)
        if closed:
            announce_due_steps(self._database, self._broker, self._settings)

    def _catch_up(self) -> None:
        """Find what was received before this start and does not wait: a loss of power may have taken its second name.

        Before what the registry had last, everything is registered; an hour allows for clocks and for slow instances.
        """
        with self._database.read() as session:
            last = latest_instance_at(session)
        found = rebuild(self._spool, self._database, since=last - timedelta(hours=1) if last else None)
        if found:
            emit(Event.REGISTRY_CATCHES_UP, count=found)
        self._caught_up = True

    def _record_callers(self) -> None:
        kept = self._settings.callers
        for published in published_calls(self._spool):
            try:
                with self._database.write() as session:
                    record_calls(session, published.calls)
                    prune_callers(session, kept, now=datetime.now(UTC))
                    add_to_tallies(session, TallyKind.ASSOCIATION, _by_outcome(published.calls))
                    add_to_tallies(session, TallyKind.INSTANCE, published.instances)
            except Exception as error:
                if not is_lasting(error):
                    raise
                set_aside(self._spool, published.file, error)
            published.file.unlink(missing_ok=True)

    def _register(self, batch: Iterable[Path]) -> None:
        found = [(waiting, instance) for waiting in batch if (instance := self._instance_of(waiting))]
        readable = self._sharing.shared(found)  # first: what the registry names is there for every host
        # In the order of their UIDs, as every transaction locks studies: none waits for another in a circle.
        readable.sort(key=lambda pair: pair[1].study_instance_uid)
        with self._database.write() as session:
            outcomes = [
                (instance, register_instance(session, instance, self._quiet_period(instance)))
                for _, instance in readable
            ]
            # While their studies are locked: whoever removes files by their age looks at the registry under this lock.
            for (waiting, _), (instance, outcome) in zip(readable, outcomes, strict=True):
                if outcome is Registration.BROUGHT_BACK:
                    self._spool.name_again(waiting, instance.study_instance_uid, instance.sop_instance_uid)
        for waiting, _ in readable:
            waiting.unlink(missing_ok=True)
            self._sharing.forget(waiting)
        for instance, outcome in outcomes:
            if outcome is Registration.REOPENED:
                emit(Event.STUDY_REOPENED, study_instance_uid=instance.study_instance_uid)
        if any(instance.decision.forward_to for instance, _ in outcomes):
            announce_due_forwards(self._database, self._broker, self._settings)

    def _quiet_period(self, instance: ReceivedInstance) -> timedelta:
        own = self._quiet_period_of.get(instance.calling_ae_title or "")
        return timedelta(seconds=own or self._settings.study.quiet_period_s)

    def _register_one_by_one(self, batch: Iterable[Path]) -> None:
        """One instance that the database cannot take must not keep the others from it."""
        for waiting in batch:
            try:
                self._register([waiting])
            except Exception as error:
                if not is_lasting(error):
                    raise
                self._spool.put_aside(waiting)
                uid = study_waiting_as(waiting)
                path, error_at = self._spool.relative(waiting), place_of(error)
                emit(Event.INSTANCE_REFUSED, study_instance_uid=uid, path=path, error=error_at)

    def _instance_of(self, waiting: Path) -> ReceivedInstance | None:
        try:
            return routed(received_instance(self._spool, waiting), waiting, self._settings)
        except FileNotFoundError:
            pass  # registered by another process, or removed by hand
        except OSError as error:  # a bad sector, a share that hiccups: this one waits, the others go on
            if waiting not in self._unreadable:
                path, uid = self._spool.relative(waiting), study_waiting_as(waiting)
                emit(Event.INSTANCE_UNREADABLE, study_instance_uid=uid, path=path, error=place_of(error))
            self._unreadable.add(waiting)
        except UnreadableInstanceError as error:
            # It was readable when it was received: the disk is failing. Kept aside, so that others go on.
            put_in_quarantine(self._spool, waiting, reason=str(error), calling_ae_title=None)
            emit(Event.INSTANCE_QUARANTINED, study_instance_uid=study_waiting_as(waiting), reason=str(error))
        return None


def _by_outcome(calls: Iterable[Call]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for call in calls:
        counts["accepted" if call.outcome == ACCEPTED else "refused"] += call.count
    return counts


def received_instance(spool: Spool, file: Path) -> ReceivedInstance:
    """What the registry has to know of an instance in the spool, under whichever of its names.

    Raises
    ------
    FileNotFoundError
        The file is gone.
    UnreadableInstanceError
        The file is no longer a whole DICOM instance.
    """
    header = read_header(file)
    facts = file.stat()
    return ReceivedInstance(
        **vars(header),
        spool_path=spool.relative(spool.instance_path(header.study_instance_uid, header.sop_instance_uid)),
        sha256=sha256_of(file),
        size_bytes=facts.st_size,
        received_at=datetime.fromtimestamp(facts.st_mtime, UTC),
    )
