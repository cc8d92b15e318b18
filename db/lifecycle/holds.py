"""Studies of which nothing is removed, whatever its age, until somebody releases them.

A row for each hold, so that it says who ordered it and why, also once it has ended.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import Session

from config.errors import RegistryError, StudyNotFoundError
from db.inserting import insert_if_new
from db.tables.retention import RetentionHold
from db.tables.studies import Study


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A study that is held, or was."""

    study_instance_uid: str
    held_at: datetime
    held_by: str
    reason: str
    released_at: datetime | None
    released_by: str | None


def is_held() -> ColumnElement[bool]:
    """Of a row of `Study`: that nothing of it is removed."""
    return exists().where(RetentionHold.study_id == Study.id, RetentionHold.released_at.is_(None))


def hold_study(session: Session, study_instance_uid: str, *, by: str, reason: str, now: datetime) -> None:
    """Keep all that there is of a study from now on.

    Raises
    ------
    StudyNotFoundError
        No study has this UID.
    RegistryError
        It is held already: by whom, since when and why.
    """
    study_id = _locked(session, study_instance_uid)
    row = {"study_id": study_id, "held_at": now, "held_by": by, "reason": reason}
    if not insert_if_new(session, RetentionHold, row):
        before = session.scalars(_open_hold(study_id)).one()
        raise RegistryError(
            f"study {study_instance_uid} is held already: "
            f"by {before.held_by} since {before.held_at:%Y-%m-%d %H:%M} UTC: {before.reason}"
        )


def release_study(session: Session, study_instance_uid: str, *, by: str, now: datetime) -> None:
    """Let what is too old of a study go again.

    Raises
    ------
    StudyNotFoundError
        No study has this UID.
    RegistryError
        It is not held.
    """
    hold = session.scalar(_open_hold(_locked(session, study_instance_uid)))
    if hold is None:
        raise RegistryError(f"study {study_instance_uid} is not held: echoworker retention held lists those that are")
    hold.released_at, hold.released_by = now, by


def holds(session: Session, *, former_too: bool = False, limit: int) -> list[Hold]:
    """The studies that are held, or all that ever were; the latest first."""
    query = select(RetentionHold, Study.study_instance_uid).join(Study, Study.id == RetentionHold.study_id)
    if not former_too:
        query = query.where(RetentionHold.released_at.is_(None))
    return [
        Hold(
            study_instance_uid=uid,
            held_at=hold.held_at,
            held_by=hold.held_by,
            reason=hold.reason,
            released_at=hold.released_at,
            released_by=hold.released_by,
        )
        for hold, uid in session.execute(query.order_by(RetentionHold.id.desc()).limit(limit))
    ]


def _locked(session: Session, study_instance_uid: str) -> int:
    """The study, locked: whoever removes something of it is done, or has not begun."""
    study = select(Study.id).where(Study.study_instance_uid == study_instance_uid).with_for_update()
    study_id = session.scalar(study)
    if study_id is None:
        raise StudyNotFoundError(f"study {study_instance_uid} is not in the registry")
    return study_id


def _open_hold(study_id: int) -> Select[RetentionHold]:
    return select(RetentionHold).where(RetentionHold.study_id == study_id, RetentionHold.released_at.is_(None))
