"""Reports that came by themselves: registered once each, matched to studies, and taken back by later ones."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.orm import Session

from config.errors import RegistryError
from config.steps import Step
from db.inserting import insert_if_new
from db.states import StudyState
from db.tables.consistency import DueCheck, ReceivedReport, ReceivedReportKey
from db.tables.studies import Study

BY_HAND = "hand"
"""`matched_by` of a report that somebody has matched: nothing else changes it."""
CANCELLED = "cancelled"
"""`status` of what takes a report back: it has nothing to compare."""

CHECKED_AGAIN_AFTER = timedelta(minutes=10)
"""A study whose check failed."""


class Via(StrEnum):
    """How a report came."""

    HL7 = "hl7"
    FOLDER = "folder"
    COMMAND = "command"


@dataclass(frozen=True, kw_only=True)
class NewReport:
    """A report that lies in the spool. No PHI."""

    report_id: str
    via: Via
    received_at: datetime
    spool_path: str
    place: int
    status: str
    order_key: str | None
    keys: Collection[str]
    """Of all that it may be matched by (`db.consistency.report_matching.matching_key`)."""


@dataclass(frozen=True, kw_only=True)
class Matching:
    """Which study a report is of, or why none is."""

    study_id: int | None = None
    by: str | None = None
    why_not: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReceivedSummary:
    """One line of the list of received reports."""

    id: int
    report_id: str
    received_at: datetime
    via: str
    status: str
    study_instance_uid: str | None
    matched_by: str | None
    why_unmatched: str | None
    superseded_by: int | None


def received_reports_of(session: Session, study_id: int) -> list[ReceivedReport]:
    """The reports of a study that count, in the order that they came: none that was taken back, or has a later one in
    its place."""
    of_study = select(ReceivedReport).where(
        ReceivedReport.study_id == study_id,
        ReceivedReport.superseded_by.is_(None),
        ReceivedReport.status != CANCELLED,
    )
    return list(session.scalars(of_study.order_by(ReceivedReport.received_at, ReceivedReport.id)))


def add_received_report(session: Session, new: NewReport, matching: Matching, *, now: datetime) -> bool:
    """Register a report; whether it was new. One that was registered before stays as it is.

    Of several reports of one order, of different messages, the one that came last counts; one that has no study takes
    that which somebody gave the one before by hand. The studies of both are due for a check.
    """
    row = {
        **{name: value for name, value in vars(new).items() if name != "keys"},
        "study_id": matching.study_id,
        "matched_by": matching.by,
        "why_unmatched": matching.why_not,
    }
    if not insert_if_new(session, ReceivedReport, row):
        return False
    report = session.scalars(select(ReceivedReport).where(ReceivedReport.report_id == new.report_id)).one()
    for key in sorted(set(new.keys)):
        session.add(ReceivedReportKey(received_report_id=report.id, key=key))
    _take_place_of_earlier(session, report, now=now)
    require_check(session, report.study_id, now=now)
    return True


def _take_place_of_earlier(session: Session, report: ReceivedReport, *, now: datetime) -> None:
    if report.order_key is None:
        return
    others = session.scalars(
        select(ReceivedReport)
        .where(ReceivedReport.order_key == report.order_key, ReceivedReport.spool_path != report.spool_path)
        .order_by(ReceivedReport.received_at, ReceivedReport.id)
    ).all()
    mine = (report.received_at, report.id)
    later = [other for other in others if (other.received_at, other.id) > mine]
    if later:
        report.superseded_by = later[-1].id
        return
    for other in others:
        if other.superseded_by is None:
            other.superseded_by = report.id
            require_check(session, other.study_id, now=now)
        if report.study_id is None and other.matched_by == BY_HAND and other.study_id is not None:
            report.study_id, report.matched_by, report.why_unmatched = other.study_id, BY_HAND, None


def set_matching(session: Session, number: int, matching: Matching, *, now: datetime) -> bool:
    """Say anew which study a report is of; whether that changed. Of a change both studies are due for a check."""
    report = _required(session, number)
    before = report.study_id
    report.study_id, report.matched_by, report.why_unmatched = matching.study_id, matching.by, matching.why_not
    if before == matching.study_id:
        return False
    for study_id in (before, matching.study_id):
        require_check(session, study_id, now=now)
    return True


def match_by_hand(session: Session, number: int, study_instance_uid: str, *, now: datetime) -> None:
    """Give a report to a study, whatever both say of themselves; nothing else changes that again.

    Raises
    ------
    RegistryError
        There is no report of this number, or no such study.
    """
    study_id = session.scalar(select(Study.id).where(Study.study_instance_uid == study_instance_uid))
    if study_id is None:
        raise RegistryError(f"study {study_instance_uid} is not in the registry")
    set_matching(session, number, Matching(study_id=study_id, by=BY_HAND), now=now)


def study_by_hand(session: Session, report_id: str) -> str | None:
    """The Study Instance UID of the study that a report was given to by hand, itself or one whose place it took."""
    of_report = select(Study.study_instance_uid).join(ReceivedReport, ReceivedReport.study_id == Study.id)
    return session.scalar(of_report.where(ReceivedReport.report_id == report_id, ReceivedReport.matched_by == BY_HAND))


def require_check(session: Session, study_id: int | None, *, now: datetime) -> None:
    """Have a study checked once more, as soon as it has results; of none, nothing."""
    if study_id is None or insert_if_new(session, DueCheck, {"study_id": study_id, "due_at": now}):
        return
    due = session.get(DueCheck, study_id, populate_existing=True)
    if due is not None:
        due.due_at = now


def due_checks(session: Session, *, now: datetime) -> list[int]:
    """The studies that are to be checked now, and have results; of the others the report step reads the reports."""
    has_results = or_(
        Study.state.in_([StudyState.REPORTED, StudyState.DELIVERED]),
        (Study.state == StudyState.FAILED) & (Study.failed_step == Step.DELIVER),
    )
    due = select(DueCheck.study_id).join(Study, Study.id == DueCheck.study_id)
    return list(session.scalars(due.where(DueCheck.due_at <= now, has_results).order_by(DueCheck.due_at)))


def check_done(session: Session, study_id: int, *, since: datetime) -> None:
    """A study was checked with all that was registered at that time; what came since keeps it due."""
    session.execute(delete(DueCheck).where(DueCheck.study_id == study_id, DueCheck.due_at <= since))


def put_check_off(session: Session, study_id: int, *, until: datetime) -> None:
    """A check failed: it is tried again then, after `CHECKED_AGAIN_AFTER`."""
    due = session.get(DueCheck, study_id)
    if due is not None:
        due.due_at = until


def list_received(session: Session, *, unmatched_only: bool = False, limit: int = 50) -> list[ReceivedSummary]:
    """What came, the latest first."""
    query = _summaries().order_by(ReceivedReport.received_at.desc(), ReceivedReport.id.desc()).limit(limit)
    return _listed(session, query.where(*_UNMATCHED) if unmatched_only else query)


def received_under(session: Session, report_ids: Collection[str]) -> list[ReceivedSummary]:
    """The reports of these ids, in the order that they were registered in."""
    return _listed(session, _summaries().where(ReceivedReport.report_id.in_(report_ids)).order_by(ReceivedReport.id))


def count_unmatched(session: Session, *, since: datetime | None = None) -> int:
    """How many reports count and have no study; of all, or of those that came since then."""
    query = select(func.count(ReceivedReport.id)).where(*_UNMATCHED)
    return session.scalar(query if since is None else query.where(ReceivedReport.received_at >= since)) or 0


_UNMATCHED = (ReceivedReport.study_id.is_(None), ReceivedReport.superseded_by.is_(None))


def _required(session: Session, number: int) -> ReceivedReport:
    report = session.get(ReceivedReport, number, with_for_update=True)
    if report is None:
        raise RegistryError(f"no report {number} was received: echoworker reports lists them")
    return report


def _summaries() -> Select[ReceivedReport, str]:
    return select(ReceivedReport, Study.study_instance_uid).outerjoin(Study, Study.id == ReceivedReport.study_id)


def _listed(session: Session, query: Select[ReceivedReport, str]) -> list[ReceivedSummary]:
    return [
        ReceivedSummary(
            id=report.id,
            report_id=report.report_id,
            received_at=report.received_at,
            via=report.via,
            status=report.status,
            study_instance_uid=uid,
            matched_by=report.matched_by,
            why_unmatched=report.why_unmatched,
            superseded_by=report.superseded_by,
        )
        for report, uid in session.execute(query)
    ]
