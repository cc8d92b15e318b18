"""What a receiving process does beside receiving: tells the others what is going on, keeps the trail, sweeps."""

import threading
import time
from collections.abc import Callable, Iterable

from config.logs import Event, emit, place_of
from config.settings import Settings
from config.whole_files import sweep_unfinished
from dicom_node.audit.journal import left_behind
from dicom_node.audit.refusals import Refusals
from dicom_node.audit.trail import AuditTrail
from dicom_node.reception.associations import OpenAssociations
from dicom_node.reception.reporting import SPEAKS_EVERY_S, Callers, OpenStudies
from dicom_node.spool import Spool

SWEEP_EVERY_S = 600.0
SWEEP_UNFINISHED_EVERY_S = 3600.0
"""It looks into the folder of every report."""


class Housekeeping:
    """A thread of duties, none of which keeps the others from being done."""

    def __init__(
        self,
        settings: Settings,
        spool: Spool,
        associations: OpenAssociations,
        open_studies: OpenStudies,
        callers: Callers,
        refusals: Iterable[Refusals],
        audit: AuditTrail,
    ) -> None:
        self._settings, self._spool, self._associations = settings, spool, associations
        self._open_studies, self._callers = open_studies, callers
        self._refusals, self._audit = tuple(refusals), audit
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_house, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and say the last word of this process."""
        self._stopping.set()
        self._thread.join()
        self._do(self._callers.publish)
        self._do(self._open_studies.withdraw)
        self._do(self._record_ended)
        for refusals in self._refusals:
            refusals.sum_up(now=True)

    def _keep_house(self) -> None:
        self._do(self._sweep_unfinished)
        swept_at = swept_all_at = time.monotonic()
        while not self._stopping.wait(SPEAKS_EVERY_S):
            if time.monotonic() - swept_at > SWEEP_EVERY_S:
                swept_at = time.monotonic()
                self._do(self.sweep_incoming)  # first: on a full disk it is the one that makes room
            if time.monotonic() - swept_all_at > SWEEP_UNFINISHED_EVERY_S:
                swept_all_at = time.monotonic()
                self._do(self._sweep_unfinished)
            self._do(self._say_what_is_open)
            self._do(self._callers.publish)
            self._do(self._record_ended)
            self._do(self._record_left_behind)

    def _do(self, duty: Callable[[], None]) -> None:
        try:
            duty()
        except OSError as error:  # a full disk: tried again in a moment
            emit(Event.SPOOL_AWAY, error=place_of(error))
        except Exception as error:  # noqa: BLE001  this thread says which studies are open, as long as the process lives
            emit(Event.DUTY_FAILS, error=place_of(error))

    def _say_what_is_open(self) -> None:
        self._open_studies.publish(self._associations.studies(), associations=self._associations.count())

    def _record_ended(self) -> None:
        for journal in self._associations.take_ended():
            for message in journal.messages():
                self._audit.record(message)
            journal.close()
        for refusals in self._refusals:
            refusals.sum_up()

    def _record_left_behind(self) -> None:
        """What a process that was killed has received, this one before its start or another one beside it."""
        for instances in left_behind(self._spool):
            for message in instances.messages():
                self._audit.record(message)

    def sweep_incoming(self) -> None:
        """Remove the halves of transfers that nobody goes on with.

        Raises
        ------
        OSError
            The disk failed.
        """
        self._spool.sweep_incoming(older_than_s=2 * self._settings.node.idle_timeout_s)

    def _sweep_unfinished(self) -> None:
        self._spool.sweep_unfinished()
        for folder in (self._settings.broker_dir, self._settings.packs_dir, self._settings.audit_dir):
            sweep_unfinished(folder)
