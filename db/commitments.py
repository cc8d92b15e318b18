"""Storage commitment in the registry: what we can commit to, and what destinations have committed to for us."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.settings import PipelineSettings
from db.deliveries import owed_deliveries
from db.leases import Wait, fail_awaited
from db.portions import AT_ONCE, in_portions
from db.schema import Delivery, Instance, Report, Study
from db.states import DeliveryState, StudyState


@dataclass(frozen=True, kw_only=True)
class KnownInstance:
    """What the registry knows of an instance that somebody asks us to keep."""

    sop_class_uid: str
    spool_path: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What a destination's report has changed."""

    study_id: int
    study_instance_uid: str
    destination: str
    state: str
    """Of the delivery, afterwards."""
    answer: str


def known_instances(session: Session, sop_instance_uids: Collection[str]) -> dict[str, list[KnownInstance]]:
    """What is registered under these UIDs; under one there may be several, in studies that were split or merged."""
    found: dict[str, list[KnownInstance]] = {}
    for some in in_portions(sorted(sop_instance_uids)):
        for row in session.scalars(select(Instance).where(Instance.sop_instance_uid.in_(some))):
            instance = KnownInstance(
                sop_class_uid=row.sop_class_uid, spool_path=row.spool_path, size_bytes=row.size_bytes
            )
            found.setdefault(row.sop_instance_uid, []).append(instance)
    return found


def await_commitment(
    session: Session, delivery_id: int, *, transaction_uid: str, asked_at: datetime, answer: str | None
) -> bool:
    """Note that a destination is about to be asked to commit to keeping the report; False when it has by now.

    `answer` is what it said to the C-STORE that it has accepted; None when it was sent nothing this time.
    """
    delivery = session.get_one(Delivery, delivery_id, with_for_update=True)
    if delivery.state == DeliveryState.DELIVERED:
        return False
    delivery.state = DeliveryState.SENT
    delivery.transaction_uid = transaction_uid
    delivery.commitment_asked_at = asked_at
    if answer is not None:
        delivery.attempts += 1
        delivery.last_answer = answer
    return True


def commitment_refused(session: Session, delivery_id: int, *, transaction_uid: str, answer: str) -> None:
    """The destination does not take the request: the report is due again, unless it was committed to all the same."""
    delivery = session.get_one(Delivery, delivery_id, with_for_update=True, populate_existing=True)
    if delivery.state == DeliveryState.SENT and delivery.transaction_uid == transaction_uid:
        delivery.state = DeliveryState.DUE
        delivery.last_answer = answer


def wait_for_commitments(session: Session, *, study_id: int, again_after_s: float) -> Wait | None:
    """What keeps the study REPORTED once its deliver step has done what it can; None when nothing does."""
    owed = owed_deliveries(session, study_id=study_id)
    if not owed:
        return None
    due = [
        f"{delivery.destination}: {delivery.last_answer}" for delivery in owed if delivery.state == DeliveryState.DUE
    ]
    if due:  # not committed to, while the step ran
        return Wait(reason="; ".join(due), until=None)
    names = ", ".join(sorted(delivery.destination for delivery in owed))
    first_asked_at = min(delivery.commitment_asked_at for delivery in owed if delivery.commitment_asked_at)
    until = first_asked_at + timedelta(seconds=again_after_s)
    return Wait(reason=f"waits for the storage commitment of {names}", until=until)


def apply_report(
    session: Session,
    *,
    transaction_uid: str,
    destinations: Collection[str],
    committed: Collection[str],
    failed: Mapping[str, str],
    now: datetime,
    pipeline: PipelineSettings,
) -> Applied | None:
    """Let a destination's report take effect: DELIVERED, or DUE once more; None when it is about no delivery of ours.

    `destinations` are the names that its sender may be configured under, `committed` are SOP Instance UIDs, `failed`
    says why by SOP Instance UID. The study's deliver step becomes due, at once after a success, and after a failure as
    after any failed attempt. Safe to repeat.
    """
    reported = select(Delivery).where(Delivery.transaction_uid == transaction_uid)
    delivery = session.scalar(reported)
    if delivery is None:
        # A PACS that archives at night commits in transactions that we have asked for again since. We ask for one
        # instance at a time: a report on more than a database takes in one question is not about what we asked.
        reported = (
            select(Delivery)
            .join(Delivery.report)
            .where(
                Report.sop_instance_uid.in_(sorted(committed)[:AT_ONCE]),
                Delivery.destination.in_(destinations),
                Delivery.state == DeliveryState.SENT,
            )
        )
        delivery = session.scalar(reported)
    if delivery is None:
        return None
    # The study first, as the deliver step locks them: whoever comes second sees what the first has written.
    of_report = select(Study).join(Report, Report.study_id == Study.id).where(Report.id == delivery.report_id)
    study = session.scalars(of_report.with_for_update(of=Study)).one()
    delivery = session.scalar(reported.execution_options(populate_existing=True))
    if delivery is None:  # asked again meanwhile
        return None
    uid = delivery.report.sop_instance_uid
    if delivery.state in (DeliveryState.SENT, DeliveryState.DUE):
        if uid in committed:
            delivery.state = DeliveryState.DELIVERED
            delivery.delivered_at = now
            delivery.last_answer = "storage committed"
            _wake(study)
        elif delivery.state == DeliveryState.SENT:
            delivery.state = DeliveryState.DUE
            delivery.last_answer = f"storage not committed: {failed.get(uid, 'the report does not name it')}"
            reason = f"{delivery.destination}: {delivery.last_answer}"
            fail_awaited(session, study, reason=reason, now=now, pipeline=pipeline)
    return Applied(
        study_id=study.id,
        study_instance_uid=study.study_instance_uid,
        destination=delivery.destination,
        state=delivery.state,
        answer=delivery.last_answer or "",
    )


def _wake(study: Study) -> None:
    if study.state == StudyState.REPORTED:
        study.next_attempt_at = study.announced_at = None
