"""The journal: one row for everything that happens to a study, append-only."""

import socket
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from config.steps import Step
from db.states import ALLOWED, StudyState
from db.tables.pipeline import JournalEntry
from db.tables.studies import Study


def record_act(session: Session, study: Study, *, at: datetime, reason: str) -> None:
    """Write down what somebody did to a study that stays in its state; `reason` says what and who, free of PHI."""
    _append(session, study, before=study.state, at=at, reason=reason)


def record_transition(
    session: Session,
    study: Study,
    *,
    before: str | None,
    at: datetime,
    step: Step | None = None,
    attempt: int | None = None,
    duration_ms: int | None = None,
    reason: str | None = None,
    traceback: str | None = None,
) -> None:
    """Write down where the study is now, what took it there, and why; `reason` and `traceback` are free of PHI.

    Raises
    ------
    ValueError
        It may not come there from `before` (db.states): what moved it is wrong, and its transaction comes to nothing.
    """
    if StudyState(study.state) not in ALLOWED[None if before is None else StudyState(before)]:
        raise ValueError(f"study {study.study_instance_uid} cannot go from {before} to {study.state}")
    _append(
        session,
        study,
        before=before,
        at=at,
        step=step,
        attempt=attempt,
        duration_ms=duration_ms,
        reason=reason,
        traceback=traceback,
    )


def _append(session: Session, study: Study, *, before: str | None, at: datetime, **facts: Any) -> None:
    session.add(
        JournalEntry(
            study_id=study.id,
            revision=study.revision,
            at=at,
            state_before=before,
            state_after=study.state,
            host=socket.gethostname(),
            **facts,
        )
    )
