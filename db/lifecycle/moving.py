"""A study comes to a state by other ways than the end of a step."""

from datetime import datetime
from typing import TypedDict

from sqlalchemy.orm import Session

from config.steps import Step
from db.journal import record_transition
from db.states import STEP_DUE_IN, StudyState
from db.tables.studies import Study
from db.working.leases import release


def move_study(session: Session, study: Study, state: StudyState, *, now: datetime, reason: str | None = None) -> None:
    """Set a study to a state as if it had just come there: no lease, no attempts, nothing announced.

    An attempt that was running is over with it; what it makes is discarded.
    """
    before = study.state
    running = _running_attempt(study, now)
    study.state = state
    study.state_since = now
    study.reason = None
    study.quiet_at = None
    study.attempts = 0
    study.next_attempt_at = None
    study.announced_at = None
    release(study)
    record_transition(session, study, before=before, at=now, reason=reason, **running)


class _Attempt(TypedDict, total=False):
    step: Step
    attempt: int
    duration_ms: int


def _running_attempt(study: Study, now: datetime) -> _Attempt:
    step = STEP_DUE_IN.get(StudyState(study.state))
    if study.lease_token is None or study.claimed_at is None or step is None:
        return {}
    took_ms = round((now - study.claimed_at).total_seconds() * 1000)
    return {"step": step, "attempt": study.attempts, "duration_ms": max(took_ms, 0)}
