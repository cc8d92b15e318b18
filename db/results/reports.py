"""The write side of what is made for the PACS of a run: its objects in the spool."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import Session

from config.sections.report_objects import ReportObject
from db.states import DeliveryState
from db.tables.deliveries import Delivery, DeliveryAnswer, Report
from db.tables.runs import CurrentRun, RunRow

NO_ANSWER = "no answer"
"""How that begins which is kept for the answer of a destination that gave none, and may have the object."""


@dataclass(frozen=True, kw_only=True)
class BuiltReport:
    """An object made for the PACS that lies in the spool."""

    kind: ReportObject
    sop_instance_uid: str
    sop_class_uid: str
    spool_path: str
    sha256: str
    created_at: datetime
    language: str = "en"
    """Of its sentences, as `config.languages.Language` has it."""


def add_report(session: Session, *, study_id: int, run_uid: str, report: BuiltReport) -> None:
    """Register an object of a run: its only one of this kind."""
    run_id = session.scalars(select(RunRow.id).where(RunRow.run_uid == run_uid)).one()
    session.add(Report(study_id=study_id, run_id=run_id, **vars(report)))
    session.flush()


def current_reports(session: Session, *, study_id: int) -> list[Report]:
    """All objects of the study's current run, the Structured Report last: what it refers to goes ahead of it."""
    of_run = select(Report).join(CurrentRun, CurrentRun.run_id == Report.run_id)
    reports = session.scalars(of_run.where(CurrentRun.study_id == study_id).order_by(Report.id)).all()
    return sorted(reports, key=lambda report: report.kind == ReportObject.SR)


def current_report(session: Session, *, study_id: int) -> Report | None:
    """The Structured Report of the study's current run."""
    return next((r for r in current_reports(session, study_id=study_id) if r.kind == ReportObject.SR), None)


def last_report(session: Session, *, study_id: int) -> Report | None:
    """The newest Structured Report of the study, of whichever run: a re-scoring's new answers may have none."""
    of_study = select(Report).where(Report.study_id == study_id, Report.kind == ReportObject.SR)
    return session.scalar(of_study.order_by(Report.id.desc()).limit(1))


def reported_runs(session: Session, study_ids: Collection[int]) -> dict[int, int]:
    """By study the run of its newest Structured Report; studies without one are left out."""
    built = select(func.max(Report.id)).where(Report.study_id.in_(study_ids), Report.kind == ReportObject.SR)
    newest = select(Report.study_id, Report.run_id).where(Report.id.in_(built.group_by(Report.study_id)))
    return dict(session.execute(newest).all())


def delivered_predecessor(
    session: Session, *, study_id: int, run_uid: str, besides: Collection[str] = ()
) -> Report | None:
    """The newest Structured Report of the study, not of this run, that a PACS has: what the next one supersedes there.

    One has it that has taken it once, whatever became of the delivery since, and may have it where it was sent and
    has not answered. `besides` are the names of destinations that got its results, and not the report itself.
    """
    there = [DeliveryState.DELIVERED, DeliveryState.SENT]
    answers = exists().where(DeliveryAnswer.delivery_id == Delivery.id)
    taken = or_(Delivery.state.in_(there), answers.where(DeliveryAnswer.state.in_(there)))
    said = answers.where(DeliveryAnswer.at >= Delivery.last_attempt_at, ~DeliveryAnswer.answer.startswith(NO_ANSWER))
    unanswered = and_(Delivery.last_attempt_at.is_not(None), ~said)
    delivered = Report.deliveries.any(and_(or_(taken, unanswered), Delivery.destination.not_in(besides)))
    return session.scalar(
        select(Report)
        .join(RunRow, RunRow.id == Report.run_id)
        .where(Report.study_id == study_id, Report.kind == ReportObject.SR, RunRow.run_uid != run_uid, delivered)
        .order_by(Report.id.desc())
        .limit(1)
    )
