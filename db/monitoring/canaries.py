"""What became of canaries: how far each came, how long each stage took, and which have been kept long enough."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import Session

from config.sections.canary import CANARY_ROOT
from db.delivery.deliveries import OWED
from db.inserting import insert_if_new
from db.lifecycle.holds import is_held
from db.monitoring.nightly import BEGUN
from db.monitoring.tallies import note_heartbeat
from db.states import StudyState
from db.tables.deliveries import Delivery, Report
from db.tables.monitoring import Heartbeat
from db.tables.pipeline import JournalEntry
from db.tables.studies import Study

CAME_THROUGH, FAILED = "canary", "canary failed"
"""Heartbeats: when the last one was seen to have come through, and when one was last found not to."""
SENT = f"canary{BEGUN}"
"""Heartbeat: when the last one set out."""
NOT_SENT = "canary not sent"
"""Heartbeat: when the node was last found not to take it."""
RECEIVE = "receive"
"""The first stage: from the making of its UID until the registry has it."""
STAGES: Mapping[StudyState, str] = {
    StudyState.RECEIVING: RECEIVE,
    StudyState.READY: "close",
    StudyState.PREPARED: "prepare",
    StudyState.SCORED: "score",
    StudyState.REPORTED: "report",
    StudyState.DELIVERED: "deliver",
}
"""By the state that it ends in. Waiting counts: `close` is the quiet period, each other one begins with the last."""
CLOCKS_DIFFER_BY = timedelta(minutes=1)
"""At most: those of two hosts (docs/operations.md)."""
_TIME = "%Y%m%d%H%M%S"
_OF_A_UID = timedelta(milliseconds=1)
"""As exactly as a UID tells the time."""


@dataclass(frozen=True, kw_only=True)
class CanaryProgress:
    """How far a canary has come."""

    study_instance_uid: str
    set_out_at: datetime
    state: StudyState
    reason: str | None
    stages: Mapping[str, float]
    """Seconds of each stage that has ended, in order."""
    came_through: bool
    """All that is to be done for it is done."""

    @property
    def has_ended(self) -> bool:
        """It goes no further by itself."""
        return self.came_through or self.state in (StudyState.FAILED, StudyState.SKIPPED)


def is_a_canary(uid: ColumnElement[str] | None = None) -> ColumnElement[bool]:
    """Of a row of `Study`, or of another column with Study Instance UIDs: that it is one."""
    return (Study.study_instance_uid.expression if uid is None else uid).like(f"{CANARY_ROOT}.%")


def canary_uid(now: datetime, random: int) -> str:
    """A new Study Instance UID that tells when it was made, to the millisecond (UTC); `random` is 0..9999."""
    now = now.astimezone(UTC)
    return f"{CANARY_ROOT}.{now.strftime(_TIME)}{now.microsecond // 1000:03}.{random}"


def canary_set_out_at(study_instance_uid: str) -> datetime:
    """When a canary's UID was made."""
    stamp = study_instance_uid.removeprefix(f"{CANARY_ROOT}.").partition(".")[0]
    return datetime.strptime(stamp[:-3], _TIME).replace(tzinfo=UTC) + timedelta(milliseconds=int(stamp[-3:]))


def begin_canary(session: Session, *, every: timedelta, within: timedelta, now: datetime) -> bool:
    """Whether a canary is this caller's to send: the next, which is noted to have set out, or, once more, the last one,
    which the node did not take.
    """
    if insert_if_new(session, Heartbeat, {"name": SENT, "at": now}):
        return True
    last = session.scalars(select(Heartbeat).where(Heartbeat.name == SENT).with_for_update()).one()
    if now - last.at >= every:
        last.at = now
        return True
    not_sent = session.get(Heartbeat, NOT_SENT)
    return not_sent is not None and not_sent.at >= last.at and now - last.at < within


def note_canary_sent(session: Session, *, sent: bool, now: datetime) -> None:
    """Whether the node took it."""
    if sent:
        session.execute(delete(Heartbeat).where(Heartbeat.name == NOT_SENT))
    else:
        note_heartbeat(session, NOT_SENT, now=now)


def note_canary(session: Session, *, came_through: bool, now: datetime) -> None:
    """What became of the last one."""
    note_heartbeat(session, CAME_THROUGH if came_through else FAILED, now=now)


def note_canary_of(session: Session, sent: datetime, *, came_through: bool, now: datetime) -> bool:
    """What became of the one that set out then; nothing is noted, and False, where another has set out meanwhile."""
    is_last = select(Heartbeat).where(Heartbeat.name == SENT, Heartbeat.at == sent).with_for_update()
    if session.scalar(is_last) is None:
        return False
    note_canary(session, came_through=came_through, now=now)
    return True


def last_canary(session: Session, *, since: datetime, sent_on: bool) -> CanaryProgress | None:
    """The canary that the registry had last, if it set out since then.

    `sent_on` says whether canaries have destinations: one without any has come through with its report.
    """
    # When it came is told by the clock of the node; when it set out, as `since`, by that of who sent it.
    came = Study.created_at >= since - CLOCKS_DIFFER_BY
    study = session.scalar(select(Study).where(is_a_canary(), came).order_by(Study.id.desc()).limit(1))
    if study is None or canary_set_out_at(study.study_instance_uid) < since - _OF_A_UID:
        return None
    return _progress(session, study, sent_on=sent_on)


def canary_progress(session: Session, study_instance_uid: str, *, sent_on: bool) -> CanaryProgress | None:
    """That canary; None while the registry does not have it."""
    study = session.scalar(select(Study).where(Study.study_instance_uid == study_instance_uid))
    return None if study is None else _progress(session, study, sent_on=sent_on)


def outlived_canaries(session: Session, *, before: datetime) -> list[str]:
    """The Study Instance UIDs of those that the registry had before then, that nobody works on or holds."""
    is_free = Study.lease_expires_at.is_(None) | (Study.lease_expires_at < before)
    rows = select(Study.study_instance_uid).where(is_a_canary(), Study.created_at < before, is_free, ~is_held())
    return list(session.scalars(rows))


def locked_canary(session: Session, study_instance_uid: str) -> int | None:
    """Lock a canary and give its number; None where it is gone."""
    of_uid = select(Study.id).where(is_a_canary(), Study.study_instance_uid == study_instance_uid)
    return session.scalar(of_uid.with_for_update())


def forget_canary(session: Session, study_id: int) -> None:
    """Remove a canary and all that refers to it: it is nobody's study."""
    session.execute(delete(Study).where(is_a_canary(), Study.id == study_id))


def _progress(session: Session, study: Study, *, sent_on: bool) -> CanaryProgress:
    state = StudyState(study.state)
    owed = exists().where(Report.study_id == study.id, Delivery.report_id == Report.id, Delivery.state.in_(OWED))
    stays_here = state is StudyState.REPORTED and not sent_on and not session.scalar(select(owed))
    return CanaryProgress(
        study_instance_uid=study.study_instance_uid,
        set_out_at=canary_set_out_at(study.study_instance_uid),
        state=state,
        reason=study.reason,
        stages=_stages(session, study),
        came_through=state is StudyState.DELIVERED or stays_here,
    )


def _stages(session: Session, study: Study) -> dict[str, float]:
    """From the journal; an attempt that failed moves nothing on, and counts to its stage."""
    rows = session.execute(
        select(JournalEntry.state_before, JournalEntry.state_after, JournalEntry.at)
        .where(JournalEntry.study_id == study.id)
        .order_by(JournalEntry.id)
    )
    stages: dict[str, float] = {}
    began = canary_set_out_at(study.study_instance_uid)
    for before, after, at in rows:
        stage = STAGES.get(StudyState(after))
        if before != after and stage is not None:
            stages[stage] = max((at - began).total_seconds(), 0.0)
            began = at
    return stages
