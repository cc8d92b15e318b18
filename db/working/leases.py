"""Who works on which step: claims with a lease, renewal, completion, failure.

A step belongs to whoever holds the study's lease token. Completing it needs the token, in the same transaction that
writes what the step made: so a step that ran twice, or whose study was re-opened meanwhile, leaves one outcome.
"""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from config.errors import LeaseLostError
from config.sections.pipeline import PipelineSettings
from config.steps import Lane, Step
from db.journal import record_transition
from db.states import STEP_DUE_IN, TRANSITIONS, Back, StudyState, state_after
from db.tables.studies import Study
from db.working.pauses import is_paused


class Fault(Enum):
    """Whose fault a failed attempt was: what may come of trying again."""

    LASTING = auto()
    """The same bytes would give it again: no second attempt."""
    PASSING = auto()
    """It may pass: tried again, with growing pauses, until the attempts are used up."""
    SURROUNDINGS = auto()
    """Nothing to do with this study, as a full disk: tried again until somebody has mended it."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to run one step of one revision of a study."""

    study_id: int
    study_instance_uid: str
    revision: int
    step: Step
    attempt: int
    """Counts from 1."""
    token: str
    claimed_at: datetime
    lane: Lane

    def duration_ms(self, now: datetime) -> int:
        """Since it was claimed; 0 where a clock was set back meanwhile."""
        return max(round((now - self.claimed_at).total_seconds() * 1000), 0)


def claim(
    session: Session, study_id: int, step: Step, *, owner: str, now: datetime, pipeline: PipelineSettings
) -> Claim | None:
    """Take the step if it is due and nobody holds it; None otherwise.

    A study whose workers died in every allowed attempt becomes FAILED here, instead of killing one more.
    """
    # Who holds the row for a moment is waited for: the message that woke this worker comes once.
    study = session.scalar(select(Study).where(Study.id == study_id, is_due(step, now)).with_for_update())
    if study is None:
        return None
    note_lost(session, study, step, now=now)
    if study.attempts >= pipeline.maximum_attempts:
        reason = f"{step}: the worker stopped without a word in {study.attempts} attempts"
        _fail(session, study, replace(_claim_of(study, step), claimed_at=now), reason=reason, now=now)
        return None
    study.attempts += 1
    study.lease_token = str(uuid.uuid4())
    study.lease_owner = owner
    study.claimed_at = now
    study.lease_expires_at = now + timedelta(seconds=pipeline.lease_s)
    return _claim_of(study, step)


def renew(session: Session, held: Claim, *, now: datetime, lease_s: float) -> bool:
    """Hold a claim for another `lease_s`; False when it has passed to somebody else."""
    study = _held(session, held)
    if study is None:
        return False
    study.lease_expires_at = now + timedelta(seconds=lease_s)
    return True


def renew_all(session: Session, held: Iterable[Claim], *, now: datetime, lease_s: float) -> bool:
    """Hold several claims for another `lease_s`; False when all have passed to somebody else."""
    # In the order of their UIDs, as every transaction locks studies: none waits for another in a circle.
    in_order = sorted(held, key=lambda claim: claim.study_instance_uid)
    renewed = [renew(session, each, now=now, lease_s=lease_s) for each in in_order]
    return any(renewed)


@contextmanager
def completing(
    session: Session,
    held: Claim,
    *,
    now: datetime,
    skip_reason: str | None = None,
    stay_reason: str | None = None,
    back: Back | None = None,
) -> Iterator[Study]:
    """Move the study on at the end of the block; what the block writes belongs to the same transaction.

    With `skip_reason` it ends as SKIPPED; with `stay_reason` it stays; with `back` an earlier step is due again.

    Raises
    ------
    LeaseLostError
        The claim has passed to somebody else, before the block runs: write nothing.
    """
    study = hold(session, held)
    study.reason = skip_reason or stay_reason or (back.reason if back else None)
    yield study
    before = study.state
    if stay_reason is None:
        after = state_after(held.step, skipped=skip_reason is not None)
        study.state = after if back is None else TRANSITIONS[back.step].before
        study.state_since = now
    study.attempts = 0
    study.announced_at = None
    study.next_attempt_at = None
    release(study)
    _note(session, study, held, before=before, now=now, is_attempt=stay_reason is None)


def fail_attempt(
    session: Session,
    held: Claim,
    *,
    reason: str,
    fault: Fault,
    now: datetime,
    pipeline: PipelineSettings,
    traceback: str | None = None,
) -> StudyState | None:
    """Note that an attempt failed: tried again later, or FAILED when it was the last or can never succeed.

    The state afterwards; None when the claim had passed to somebody else. `reason` and `traceback` are free of PHI.
    """
    study = _held(session, held)
    if study is None:
        return None
    used_up = fault is Fault.PASSING and held.attempt >= pipeline.maximum_attempts
    if fault is Fault.LASTING or used_up:
        _fail(session, study, held, reason=reason, now=now, traceback=traceback)
        return StudyState.FAILED
    wait_s = pipeline.back_off_s(held.attempt)
    if fault is Fault.SURROUNDINGS:
        wait_s = pipeline.surroundings_again_after_s
        study.attempts -= 1  # not this study's fault: it keeps its attempts
    study.reason = reason
    study.next_attempt_at = now + timedelta(seconds=wait_s)
    study.announced_at = None
    release(study)
    _note(session, study, held, before=study.state, now=now, traceback=traceback)
    return StudyState(study.state)


def hand_back(session: Session, held: Claim, *, reason: str, now: datetime) -> None:
    """Let go of a claim that was given up for no fault of the study: another worker may take it at once."""
    study = _held(session, held)
    if study is not None:
        study.attempts -= 1
        study.reason = reason
        study.next_attempt_at = study.announced_at = None
        release(study)
        _note(session, study, held, before=study.state, now=now, is_attempt=False)


def hold(session: Session, held: Claim) -> Study:
    """The study of a claim, locked until the end of the transaction.

    Raises
    ------
    LeaseLostError
        The claim has passed to somebody else.
    """
    study = _held(session, held)
    if study is None:
        raise LeaseLostError(f"study {held.study_instance_uid}: the lease on {held.step} has passed on")
    return study


def is_due(step: Step, now: datetime) -> ColumnElement[bool]:
    """That a study waited for this leased step at that time, with nobody at work on it, and that it is not paused."""
    return and_(
        Study.state == TRANSITIONS[step].before,
        ~is_paused(step),
        or_(Study.lease_expires_at.is_(None), Study.lease_expires_at < now),
        or_(Study.next_attempt_at.is_(None), Study.next_attempt_at <= now),
    )


def _held(session: Session, held: Claim) -> Study | None:
    mine = select(Study).where(Study.id == held.study_id, Study.lease_token == held.token)
    return session.scalar(mine.with_for_update())


def held_by(session: Session, owner: str) -> list[Claim]:
    """What a worker holds; locked until the end of the transaction."""
    # In the order of their UIDs, as every transaction locks studies: none waits for another in a circle.
    mine = select(Study).where(Study.lease_owner == owner).order_by(Study.study_instance_uid).with_for_update()
    return [
        _claim_of(study, step)
        for study in session.scalars(mine)
        if (step := STEP_DUE_IN.get(StudyState(study.state))) is not None
    ]


def _claim_of(study: Study, step: Step) -> Claim:
    return Claim(
        study_id=study.id,
        study_instance_uid=study.study_instance_uid,
        revision=study.revision,
        step=step,
        attempt=study.attempts,
        token=study.lease_token or "",
        claimed_at=study.claimed_at or study.state_since,
        lane=Lane(study.lane),
    )


def note_lost(session: Session, study: Study, step: Step, *, now: datetime) -> None:
    """An attempt whose lease ran out has its row in the journal too; nobody is left to write it."""
    if study.lease_token is None:
        return
    study.reason = "the lease ran out: the worker stopped without a word"
    _note(session, study, _claim_of(study, step), before=study.state, now=now)


def _fail(
    session: Session, study: Study, held: Claim, *, reason: str, now: datetime, traceback: str | None = None
) -> None:
    before = study.state
    study.state = StudyState.FAILED
    study.state_since = now
    study.failed_step = held.step
    study.reason = reason
    study.next_attempt_at = None
    release(study)
    _note(session, study, held, before=before, now=now, traceback=traceback)


def _note(
    session: Session,
    study: Study,
    held: Claim,
    *,
    before: str,
    now: datetime,
    traceback: str | None = None,
    is_attempt: bool = True,
) -> None:
    record_transition(
        session,
        study,
        before=before,
        at=now,
        step=held.step,
        attempt=held.attempt if is_attempt else None,
        duration_ms=held.duration_ms(now),
        reason=study.reason,
        traceback=traceback,
    )


def release(study: Study) -> None:
    """Nobody works on it."""
    study.lease_token = study.lease_owner = None
    study.lease_expires_at = study.claimed_at = None
