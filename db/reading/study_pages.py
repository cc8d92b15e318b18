"""Studies page by page, however many there are: for programs, which go on where the last page ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.orm import Session, selectinload

from db.reading.queries import StudySummary, study_summaries
from db.reading.worklist import Place
from db.tables.studies import Instance, PatientIdentity, Study


@dataclass(frozen=True, kw_only=True)
class StudyFilter:
    """Which studies; what is None leaves all."""

    state: str | None = None
    since: datetime | None = None
    """The last instance came then, or later."""
    until: datetime | None = None
    """It came then, or before."""
    patient_id: str | None = None
    accession_number: str | None = None


@dataclass(frozen=True, kw_only=True)
class StudyPage:
    """Some studies in a row, the latest first."""

    studies: Sequence[StudySummary]
    identities: Sequence[PatientIdentity | None]
    """Of each of them. PHI."""
    ends_at: Place | None
    """The next begins behind it, whatever came or changed since; None: there are no more."""


def study_page(session: Session, wanted: StudyFilter, *, limit: int, after: Place | None = None) -> StudyPage:
    """Those whose last instance came latest, or the next of them."""
    instances = select(func.count(Instance.id)).where(Instance.study_id == Study.id).scalar_subquery()
    query = select(Study, instances).where(*_conditions(wanted)).options(selectinload(Study.identity))
    if after is not None:
        place: tuple[Any, Any] = (after.at, after.study_id)
        query = query.where(tuple_(Study.last_instance_at, Study.id) < place)
    latest_first = query.order_by(Study.last_instance_at.desc(), Study.id.desc())
    rows = [(study, count) for study, count in session.execute(latest_first.limit(limit + 1))]
    studies = [study for study, _ in rows[:limit]]
    return StudyPage(
        studies=study_summaries(session, rows[:limit]),
        identities=[study.identity for study in studies],
        ends_at=Place(at=studies[-1].last_instance_at, study_id=studies[-1].id) if len(rows) > limit else None,
    )


def _conditions(wanted: StudyFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.state is not None:
        conditions.append(Study.state == wanted.state)
    if wanted.since is not None:
        conditions.append(Study.last_instance_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Study.last_instance_at <= wanted.until)
    for column, value in (
        (PatientIdentity.patient_id, wanted.patient_id),
        (PatientIdentity.accession_number, wanted.accession_number),
    ):
        if value is not None:
            conditions.append(Study.id.in_(select(PatientIdentity.study_id).where(column == value)))
    return conditions
