"""What the maintenance worker does for received reports: registers, matches again as studies come, checks again.

The listener and the watched folder only keep (`receiving`, beside this); this needs the registry, and waits for it.
Whatever fails is done again: a report has one row however often it comes, and a check says the same twice.
"""

import time
from datetime import UTC, datetime
from pkgutil import resolve_name

from config.logs import Event, emit, place_of, told_of
from db.consistency.received_reports import CHECKED_AGAIN_AFTER, check_done, due_checks, put_check_off
from db.consistency.report_matching import reports_to_match, studies_after
from db.reading.queries import study_instance_uid_of
from dicom_node.duties import Duties, is_lasting, is_of_the_registry
from worker.consistency.arriving.kept_reports import registering_alone, waiting_reports
from worker.consistency.arriving.matching import MatchedBy
from worker.consistency.arriving.registering import Registering
from worker.context import WorkerContext

PASS_S = 5.0
"""So long one pass registers; the rest waits for the next, so that the reaper is not kept waiting."""
OVERLAP = 200
"""Studies whose numbers may become visible after a greater one has: two transactions may end in another order."""
_CHECK = "worker.consistency.checking:check_again"
"""Named: it needs the words and rules of all reports, which a pass without any never loads."""


class ReportIntake:
    """Does it once each time, for itself alone: another process that is at it is left to it."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._registering = Registering.of(context.settings, context.spool, context.database)
        self._duties = Duties()
        self._latest = 0
        self._seen: set[int] = set()
        """Numbers of studies: the greatest that was looked at, and those shortly before it."""

    def work_once(self) -> None:
        """One duty that fails is told once, while it lasts, and holds up no other."""
        if self._context.settings.consistency.enabled:
            self._duties.do("received reports", self._work)

    def _work(self) -> None:
        self._context.require_spool()
        with registering_alone(self._context.spool, wait=False) as is_alone:
            if is_alone:
                self._duties.do("register reports", self._register_waiting)
                self._duties.do("match reports", self._match_with_new_studies)
                self._duties.do("check again", self._check_due)

    def _register_waiting(self) -> None:
        """In the order that they came in."""
        until = time.monotonic() + PASS_S
        for waiting in waiting_reports(self._context.spool):
            try:
                self._registering.register(waiting)
            except FileNotFoundError:
                continue  # somebody has removed it
            except Exception as error:
                if not is_lasting(error):
                    raise
                self._context.spool.set_aside(waiting)
                emit(Event.FILE_SET_ASIDE, path=waiting.name, error=place_of(error))
            if time.monotonic() > until:
                return

    def _match_with_new_studies(self) -> None:
        """Look once more at the reports that share anything with a study that was not here before."""
        with self._context.database.read() as session:
            studies = studies_after(session, self._latest - OVERLAP, but_for=self._seen)
            keys = [key for study in studies for key in study.matching_keys()]
            numbers = reports_to_match(session, keys, also_matched_by=MatchedBy.PATIENT_AND_TIME)
        for number in numbers:
            self._registering.match_again(number)
        self._seen |= {study.id for study in studies}
        self._latest = max(self._seen, default=0)
        self._seen = {number for number in self._seen if number > self._latest - OVERLAP}

    def _check_due(self) -> None:
        """Check once more the studies whose reports have changed since; one that fails waits, the others go on."""
        since = datetime.now(UTC)
        with self._context.database.read() as session:
            due = due_checks(session, now=since)
        for study_id in due:
            try:
                resolve_name(_CHECK)(self._context, study_id)
            except Exception as error:
                if is_of_the_registry(error):
                    raise
                reason = told_of(error)
                with self._context.database.write() as session:
                    put_check_off(session, study_id, until=since + CHECKED_AGAIN_AFTER)
                    uid = study_instance_uid_of(session, study_id)
                emit(Event.DUTY_FAILS, step="check again", study_instance_uid=uid, study_id=study_id, reason=reason)
            else:
                with self._context.database.write() as session:
                    check_done(session, study_id, since=since)
