"""Storage commitment in the registry: what we can commit to, and what destinations have committed to for us."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from config.sections.pipeline import PipelineSettings
from db.delivery.deliveries import OWED, bury, lock_deliveries, note_answer, refuse, settle
from db.portions import AT_ONCE, in_portions
from db.states import DeliveryState
from db.tables.deliveries import Delivery, Report
from db.tables.studies import Instance, Study

NO_REPORT = "accepted, but no report on its storage commitment comes: does the destination know where to send it?"


@dataclass(frozen=True, kw_only=True)
class KnownInstance:
    """What the registry knows of an instance that somebody asks us to keep."""

    sop_class_uid: str
    spool_path: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What a destination's report has changed."""

    study_instance_uid: str
    destination: str
    state: str
    """Of the delivery, afterwards."""
    answer: str


def known_instances(session: Session, sop_instance_uids: Collection[str]) -> dict[str, list[KnownInstance]]:
    """What is registered under these UIDs; under one there may be several, in studies that were split or merged.

    Without what was removed because its time was over: we do not keep it.
    """
    kept = select(Instance).where(Instance.removed_at.is_(None))
    found: dict[str, list[KnownInstance]] = {}
    for some in in_portions(sorted(sop_instance_uids)):
        for row in session.scalars(kept.where(Instance.sop_instance_uid.in_(some))):
            instance = KnownInstance(
                sop_class_uid=row.sop_class_uid, spool_path=row.spool_path, size_bytes=row.size_bytes
            )
            found.setdefault(row.sop_instance_uid, []).append(instance)
    return found


def await_commitment(
    session: Session,
    delivery_ids: Collection[int],
    *,
    transaction_uid: str,
    asked_at: datetime,
    pipeline: PipelineSettings,
) -> list[int]:
    """Note that a destination is about to be asked to commit to keeping these objects, all of which it has accepted.

    Those that it has not committed to by now; these alone are to be asked for. A request that it has never reported on
    uses up an attempt; with the last the object is a dead letter.
    """
    awaited = []
    for study, deliveries in lock_deliveries(session, sorted(delivery_ids)):
        for delivery in deliveries:
            if delivery.state != DeliveryState.SENT or _gives_up(session, delivery, now=asked_at, pipeline=pipeline):
                continue
            delivery.transaction_uid = transaction_uid
            delivery.commitment_asked_at = asked_at
            delivery.next_attempt_at = asked_at + timedelta(seconds=pipeline.commitment_again_after_s)
            awaited.append(delivery.id)
        settle(session, study, now=asked_at)
    return awaited


def _gives_up(session: Session, delivery: Delivery, *, now: datetime, pipeline: PipelineSettings) -> bool:
    """Whether it is asked for no more, the last request having been in vain too."""
    if delivery.transaction_uid is None or delivery.next_attempt_at is None:  # none came to the destination
        return False
    delivery.attempts += 1
    if delivery.attempts < pipeline.maximum_delivery_attempts:
        note_answer(session, delivery, NO_REPORT, now=now)
        return False
    bury(session, delivery, answer=NO_REPORT, now=now)
    return True


def commitment_not_asked(session: Session, *, transaction_uid: str) -> None:
    """The destination could not be asked: it is as soon as it is in reach."""
    for _, deliveries in _lock_awaited_in(session, transaction_uid):
        for delivery in deliveries:
            delivery.next_attempt_at = None


def commitment_refused(
    session: Session, *, transaction_uid: str, answer: str, now: datetime, pipeline: PipelineSettings
) -> None:
    """The destination does not take the request: its objects are due again, but for those it has committed to."""
    for study, deliveries in _lock_awaited_in(session, transaction_uid):
        for delivery in deliveries:
            refuse(session, delivery, answer=answer, now=now, pipeline=pipeline)
        settle(session, study, now=now)


def apply_report(
    session: Session,
    *,
    transaction_uid: str,
    destinations: Collection[str],
    committed: Collection[str],
    failed: Mapping[str, str],
    now: datetime,
    pipeline: PipelineSettings,
) -> list[Applied]:
    """Let a destination's report take effect: DELIVERED, or DUE once more; empty when it is about nothing of ours.

    `destinations` are the names that its sender may be configured under, `committed` are SOP Instance UIDs, `failed`
    says why by SOP Instance UID. A study that is owed nothing more is DELIVERED with it; what failed counts as refused,
    as any other answer. Safe to repeat.
    """
    asked = list(session.scalars(select(Delivery.id).where(Delivery.transaction_uid == transaction_uid)))
    # A PACS that archives at night commits in transactions that we have asked for again since. We ask for one
    # association's objects at a time: a report on more than a database takes in one question is not about these.
    since = (
        select(Delivery.id)
        .join(Delivery.report)
        .where(
            func.coalesce(Delivery.sent_as, Report.sop_instance_uid).in_(sorted(committed)[:AT_ONCE]),
            Delivery.destination.in_(destinations),
            Delivery.state == DeliveryState.SENT,
        )
    )
    applied = []
    # The studies first, as who sends locks them: whoever comes second sees what the first has written.
    for study, deliveries in lock_deliveries(session, sorted({*asked, *session.scalars(since)})):
        for delivery in deliveries:
            uid = delivery.sent_as or delivery.report.sop_instance_uid
            if delivery.transaction_uid != transaction_uid and uid not in committed:
                continue  # asked for again meanwhile
            why = None if uid in committed else failed.get(uid, "the report does not name it")
            _apply(session, delivery, why, now=now, pipeline=pipeline)
            applied.append(
                Applied(
                    study_instance_uid=study.study_instance_uid,
                    destination=delivery.destination,
                    state=delivery.state,
                    answer=delivery.last_answer or "",
                )
            )
        settle(session, study, now=now)
    return applied


def _apply(
    session: Session, delivery: Delivery, why_not: str | None, *, now: datetime, pipeline: PipelineSettings
) -> None:
    """Committed to, or not for this reason."""
    if why_not is None and delivery.state in OWED:
        delivery.state, delivery.delivered_at = DeliveryState.DELIVERED, now
        delivery.next_attempt_at = None
        delivery.last_answer = "storage committed"
        note_answer(session, delivery, delivery.last_answer, now=now)
    elif why_not is not None and delivery.state == DeliveryState.SENT:
        refuse(session, delivery, answer=f"storage not committed: {why_not}", now=now, pipeline=pipeline)


def _lock_awaited_in(session: Session, transaction_uid: str) -> list[tuple[Study, list[Delivery]]]:
    """What was asked for in this transaction and is not reported on yet, by study, locked as everybody locks it."""
    asked = list(session.scalars(select(Delivery.id).where(Delivery.transaction_uid == transaction_uid)))
    return [
        (study, [d for d in some if d.state == DeliveryState.SENT and d.transaction_uid == transaction_uid])
        for study, some in lock_deliveries(session, asked)
    ]
