"""The write side of what the steps make: clips, runs with their results, reports, deliveries.

Called inside `db.leases.completing`, so that what a step made and the study's new state are one transaction.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from config.labels import ModelLabel
from db.runs import ClipAnswer, ClipEvidence, ModelIdentity, Run, TaskResult, Verdict
from db.schema import Clip, CurrentRun, Delivery, Report, ResultRow, RunRow
from db.states import DeliveryState


@dataclass(frozen=True, kw_only=True)
class PreparedClip:
    """What `prepare` made of one instance: a tensor in the spool, or the reason why there is none."""

    sop_instance_uid: str
    tensor_path: str | None = None
    """Relative to the spool: uint8 [T,224,224,3] as .npy."""
    frame_numbers: tuple[int, ...] = ()
    preprocessing_profile: str | None = None
    notes: tuple[str, ...] = ()
    skip_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class BuiltReport:
    """An object made for the PACS that lies in the spool."""

    sop_instance_uid: str
    sop_class_uid: str
    spool_path: str
    sha256: str
    created_at: datetime


def replace_clips(session: Session, *, study_id: int, revision: int, clips: Iterable[PreparedClip]) -> None:
    """Write what `prepare` made of this revision; an earlier outcome of the same revision is replaced."""
    session.execute(delete(Clip).where(Clip.study_id == study_id, Clip.revision == revision))
    for clip in clips:
        row = {**vars(clip), "frame_numbers": list(clip.frame_numbers), "notes": list(clip.notes)}
        session.add(Clip(study_id=study_id, revision=revision, **row))


def prepared_clips(session: Session, *, study_id: int, revision: int) -> list[PreparedClip]:
    """The clips of this revision that have frames to score, in the order of their instances."""
    rows = session.scalars(
        select(Clip)
        .where(Clip.study_id == study_id, Clip.revision == revision, Clip.tensor_path.is_not(None))
        .order_by(Clip.id)
    )
    return [
        PreparedClip(
            sop_instance_uid=row.sop_instance_uid,
            tensor_path=row.tensor_path,
            frame_numbers=tuple(row.frame_numbers),
            preprocessing_profile=row.preprocessing_profile,
            notes=tuple(row.notes),
        )
        for row in rows
    ]


def append_run(session: Session, *, study_id: int, run: Run, units: Mapping[str, str]) -> None:
    """Append a run with its results and point the study's current results at it.

    `units` gives the UCUM code of each regression task, so that a row of SQL explains itself.
    """
    row = RunRow(
        run_uid=run.run_uid,
        study_id=study_id,
        revision=run.revision,
        model_name=run.model.name,
        model_version=run.model.version,
        model_family=run.model.family,
        model_label=run.model.label,
        model_digest=run.model.digest,
        catalogue_digest=run.catalogue_digest,
        software_version=run.software_version,
        preprocessing_profile=run.preprocessing_profile,
        finished_at=run.finished_at,
        clips=[
            {"sop_instance_uid": clip.sop_instance_uid, "frame_numbers": list(clip.frame_numbers)} for clip in run.clips
        ],
        results=[_result_row(result, units) for result in run.results],
    )
    session.add(row)
    session.flush()
    session.merge(CurrentRun(study_id=study_id, run_id=row.id))


def current_run(session: Session, *, study_id: int, study_instance_uid: str) -> Run | None:
    """The run that the study's current results come from; None before the first."""
    row = session.scalar(
        select(RunRow).join(CurrentRun, CurrentRun.run_id == RunRow.id).where(CurrentRun.study_id == study_id)
    )
    return None if row is None else _run(row, study_instance_uid)


def add_report(session: Session, *, study_id: int, run_uid: str, report: BuiltReport) -> None:
    """Register the one report of a run."""
    run_id = session.scalars(select(RunRow.id).where(RunRow.run_uid == run_uid)).one()
    session.add(Report(study_id=study_id, run_id=run_id, **vars(report)))
    session.flush()


def current_report(session: Session, *, study_id: int) -> Report | None:
    """The report of the study's current run."""
    return session.scalar(
        select(Report).join(CurrentRun, CurrentRun.run_id == Report.run_id).where(CurrentRun.study_id == study_id)
    )


def delivered_predecessor(session: Session, *, study_id: int, run_uid: str) -> Report | None:
    """The newest report of the study, not of this run, that a PACS has: what the next report supersedes there."""
    delivered = Report.deliveries.any(Delivery.state.in_([DeliveryState.DELIVERED, DeliveryState.SENT]))
    return session.scalar(
        select(Report)
        .join(RunRow, RunRow.id == Report.run_id)
        .where(Report.study_id == study_id, RunRow.run_uid != run_uid, delivered)
        .order_by(Report.id.desc())
        .limit(1)
    )


def set_deliveries(session: Session, *, study_id: int, destinations: Collection[str]) -> None:
    """Make the current report due for exactly these destinations; what was delivered, or sent, stays so."""
    report = current_report(session, study_id=study_id)
    if report is None:
        return
    for delivery in report.deliveries:
        if delivery.state != DeliveryState.DELIVERED:
            wanted = delivery.destination in destinations
            awaited = delivery.state == DeliveryState.SENT
            delivery.state = (
                (DeliveryState.SENT if awaited else DeliveryState.DUE) if wanted else DeliveryState.CANCELLED
            )
    known = {delivery.destination for delivery in report.deliveries}
    report.deliveries += [
        Delivery(destination=name, state=DeliveryState.DUE) for name in destinations if name not in known
    ]


def deliver_again(session: Session, *, study_id: int) -> int:
    """Make every delivery of the current report due once more, but for cancelled ones; how many these are."""
    report = current_report(session, study_id=study_id)
    again = [d for d in report.deliveries if d.state != DeliveryState.CANCELLED] if report else []
    for delivery in again:
        delivery.state = DeliveryState.DUE
        delivery.transaction_uid = None  # a late report on the object as it was sent before does not count
    return len(again)


def cancel_delivery(session: Session, delivery_id: int, *, reason: str) -> None:
    """Give up one delivery for good."""
    delivery = session.get_one(Delivery, delivery_id)
    delivery.state = DeliveryState.CANCELLED
    delivery.last_answer = reason


def owed_deliveries(session: Session, *, study_id: int) -> list[Delivery]:
    """The deliveries of the study's current report that are due, or whose storage commitment is awaited."""
    report = current_report(session, study_id=study_id)
    return [d for d in report.deliveries if d.state in (DeliveryState.DUE, DeliveryState.SENT)] if report else []


def due_deliveries(session: Session, *, study_id: int, asked_before: datetime) -> list[Delivery]:
    """Of these, what is to be done now: what is to be sent, and whose commitment was asked for too long ago."""
    return [
        d
        for d in owed_deliveries(session, study_id=study_id)
        if d.state == DeliveryState.DUE or d.commitment_asked_at is None or d.commitment_asked_at <= asked_before
    ]


def record_delivery(session: Session, delivery_id: int, *, answer: str, delivered_at: datetime | None) -> None:
    """Note one attempt to deliver and what the destination answered; `delivered_at` when it accepted."""
    delivery = session.get_one(Delivery, delivery_id)
    delivery.attempts += 1
    delivery.last_answer = answer
    if delivered_at is not None:
        delivery.state = DeliveryState.DELIVERED
        delivery.delivered_at = delivered_at


def _result_row(result: TaskResult, units: Mapping[str, str]) -> ResultRow:
    return ResultRow(
        task_id=result.task_id,
        verdict=result.verdict,
        value=result.value,
        unit=units.get(result.task_id),
        score=result.score,
        threshold=result.threshold,
        reason=result.reason,
        clips=[vars(answer) for answer in result.clips],
    )


def _run(row: RunRow, study_instance_uid: str) -> Run:
    return Run(
        run_uid=row.run_uid,
        study_instance_uid=study_instance_uid,
        revision=row.revision,
        model=ModelIdentity(
            name=row.model_name,
            version=row.model_version,
            family=row.model_family,
            label=ModelLabel(row.model_label),
            digest=row.model_digest,
        ),
        catalogue_digest=row.catalogue_digest,
        software_version=row.software_version,
        preprocessing_profile=row.preprocessing_profile,
        finished_at=row.finished_at,
        clips=tuple(
            ClipEvidence(sop_instance_uid=clip["sop_instance_uid"], frame_numbers=tuple(clip["frame_numbers"]))
            for clip in row.clips
        ),
        results=tuple(
            TaskResult(
                task_id=result.task_id,
                verdict=Verdict(result.verdict),
                value=result.value,
                score=result.score,
                threshold=result.threshold,
                reason=result.reason,
                clips=tuple(ClipAnswer(**answer) for answer in result.clips),
            )
            for result in row.results
        ),
    )
