"""From the spool to the registry: a report that came is registered once, and matched with the studies that are here."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.errors import UnreadableReportError
from config.logs import Event, emit, place_of
from config.settings import Settings
from db.consistency.received_reports import (
    BY_HAND,
    CANCELLED,
    Matching,
    NewReport,
    add_received_report,
    match_by_hand,
    set_matching,
    study_by_hand,
)
from db.session import Database
from db.tables.consistency import ReceivedReport
from db.tables.studies import Study
from dicom_node.spool import Spool
from worker.consistency.arriving.candidates import candidates_for, keys_of
from worker.consistency.arriving.kept_reports import (
    give_final_name,
    keep_match_by_hand,
    matches_by_hand,
    read_kept,
    received_at,
)
from worker.consistency.arriving.matching import Match, match
from worker.consistency.arriving.received import Incoming, reports_in


@dataclass(frozen=True, kw_only=True)
class Registering:
    """Works with one spool and its registry; by one process at a time (`kept_reports.registering_alone`)."""

    spool: Spool
    database: Database
    window: timedelta

    @classmethod
    def of(cls, settings: Settings, spool: Spool, database: Database) -> "Registering":
        """As an installation is configured."""
        return cls(spool=spool, database=database, window=timedelta(hours=settings.consistency.window_h))

    def register(self, waiting: Path) -> None:
        """Register the reports of one file of the inbox, which it leaves after the commit.

        Raises
        ------
        SQLAlchemyError
            The registry is away, or cannot take it.
        UnreadableReportError
            The file is damaged.
        OSError
            It cannot be read, or kept.
        """
        kept, came_at = read_kept(waiting), received_at(waiting)
        found = reports_in(kept)
        final = give_final_name(self.spool, waiting, kept.digest)
        self.spool.share(final)
        by_hand = matches_by_hand(self.spool, final)
        told: list[tuple[Incoming, Matching, str]] = []
        with self.database.write() as session:
            for one in found:
                matching, uid = self._matching(session, one, by_hand.get(one.place))
                new = NewReport(
                    report_id=one.report_id,
                    via=kept.via,
                    received_at=came_at,
                    spool_path=self.spool.relative(final),
                    place=one.place,
                    status=one.status,
                    order_key=one.order_key,
                    keys=keys_of(one.identifiers, by_hand.get(one.place)),
                )
                if add_received_report(session, new, matching, now=datetime.now(UTC)):
                    told.append((one, matching, uid))
                if (inherited := study_by_hand(session, one.report_id)) is not None:
                    keep_match_by_hand(self.spool, final, one.place, inherited)
        waiting.unlink(missing_ok=True)
        for one, matching, uid in told:
            _tell(one, matching, uid)

    def match_by_hand(self, number: int, study_instance_uid: str) -> None:
        """Give a report to a study, whatever both say of themselves; the spool keeps that for a registry made anew.

        Raises
        ------
        RegistryError
            There is no report of this number, or no such study.
        OSError
            The disk is full or failed; the report stays where it was.
        """
        with self.database.write() as session:
            match_by_hand(session, number, study_instance_uid, now=datetime.now(UTC))
            row = session.get_one(ReceivedReport, number)
            keep_match_by_hand(self.spool, self.spool.absolute(row.spool_path), row.place, study_instance_uid)

    def match_again(self, number: int) -> None:
        """Look once more for the study of a report; one whose file cannot be read stays as it is.

        Raises
        ------
        SQLAlchemyError
            The registry is away.
        """
        with self.database.write() as session:
            row = session.get(ReceivedReport, number, with_for_update=True)
            if row is None or row.matched_by == BY_HAND:  # a moment ago
                return
            again = self._read_again(row)
            if again is None:
                return
            one, by_hand = again
            matching, uid = self._matching(session, one, by_hand)
            has_changed = set_matching(session, number, matching, now=datetime.now(UTC))
        if has_changed:
            _tell(one, matching, uid)

    def _read_again(self, row: ReceivedReport) -> tuple[Incoming, str | None] | None:
        """The report, and the study that somebody gave it to before the registry was made anew."""
        try:
            kept = self.spool.file(row.spool_path)
            found, by_hand = reports_in(read_kept(kept)), matches_by_hand(self.spool, kept)
        except (UnreadableReportError, OSError) as error:
            emit(Event.DUTY_FAILS, step="match reports", path=row.spool_path, error=place_of(error))
            return None
        return next(((each, by_hand.get(each.place)) for each in found if each.report_id == row.report_id), None)

    def _matching(self, session: Session, one: Incoming, by_hand: str | None) -> tuple[Matching, str]:
        """Which study it is; and its Study Instance UID, "" where it is none."""
        if by_hand is not None:
            study_id = session.scalar(select(Study.id).where(Study.study_instance_uid == by_hand))
            if study_id is None:
                return Matching(why_not=f"somebody has given it to study {by_hand}, which is not here"), ""
            return Matching(study_id=study_id, by=BY_HAND), by_hand
        identifiers, otherwise = one.identifiers, one.unusable
        candidates, numbers = candidates_for(session, self.spool, identifiers, window=self.window)
        found = match(identifiers, candidates, window=self.window)
        if isinstance(found, Match):
            uid = found.study_instance_uid
            return Matching(study_id=numbers[uid], by=found.by), uid
        return Matching(why_not=otherwise or found.reason), ""


def _tell(one: Incoming, matching: Matching, study_instance_uid: str) -> None:
    if matching.study_id is not None:
        said = f"matched by {matching.by}" + (", taken back" if one.status == CANCELLED else "")
        emit(Event.REPORT_MATCHED, study_instance_uid=study_instance_uid, report=one.report_id[:16], reason=said)
    else:
        emit(Event.REPORT_UNMATCHED, report=one.report_id[:16], reason=matching.why_not or "")
