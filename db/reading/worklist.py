"""The worklist: studies as people look for them, a page at a time, those that something came for last first.

Pages are cut by the place of their first and last line, not by a count of lines: a page further down costs no more, and
a study that comes meanwhile moves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    case,
    func,
    literal,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.orm import Session

from config.sections.privacy import IdentityMode
from db.consistency.discordance_review import is_open
from db.consistency.discordances import Severity
from db.delivery.dead_letters import why_it_waits
from db.lifecycle.received import Identity
from db.lifecycle.studies import identity_in
from db.results.runs import Verdict
from db.states import StudyState
from db.tables.consistency import DiscordanceRow
from db.tables.runs import CurrentRun, ResultRow, RunRow
from db.tables.studies import Instance, PatientIdentity, Study

_SHOWN = (Verdict.MEASURED, Verdict.PRESENT)
"""What a line has room for: the numbers, and what was found."""
_NO_RUN = (None, None)


@dataclass(frozen=True, kw_only=True)
class LookedFor:
    """What a study has to be; what is empty or None, it may be either way."""

    uid: str = ""
    """Its Study Instance UID, or the beginning of it."""
    patient_id: str = field(default="", repr=False)
    accession_number: str = field(default="", repr=False)
    name: str = field(default="", repr=False)
    """Of the patient, as `by_name` says."""
    state: StudyState | None = None
    calling_ae_title: str = ""
    """Who sent one of its instances."""
    since: datetime | None = None
    """Its last instance came then, or later."""
    until: datetime | None = None
    """... and before this."""
    has_discordances: bool = False
    """Somebody is still to look at one."""

    @property
    def names_a_patient(self) -> bool:
        """Whether what was given may say who somebody is."""
        return bool(self.patient_id or self.accession_number or self.name)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A line of the list."""

    at: datetime
    """When its last instance came."""
    study_id: int


@dataclass(frozen=True, kw_only=True)
class ShownAnswer:
    """An answer of a study's current run."""

    task_id: str
    value: float | None
    unit: str | None
    """UCUM code."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One study."""

    place: Place
    study_instance_uid: str
    state: StudyState
    state_since: datetime
    revision: int
    lane: int
    quiet_at: datetime | None
    next_attempt_at: datetime | None
    lease_owner: str | None
    lease_expires_at: datetime | None
    reason: str | None
    """Why it was skipped, failed or stays; of one whose deliveries are under way, what it waits for."""
    instances: int
    identity: Identity | None = field(repr=False)
    """PHI. None where it was not asked for."""
    model_label: str | None
    """Of the current run's model; None before there is a run."""
    answers_revision: int | None
    """Which revision that run looked at: images may have come since."""
    answers: tuple[ShownAnswer, ...]
    """Measurements, and findings that are present."""
    discordances: int
    """That nobody has looked at yet."""
    has_major: bool
    """Whether one of these is MAJOR."""


@dataclass(frozen=True, kw_only=True)
class WorklistPage:
    """A part of the list."""

    lines: tuple[Line, ...]
    has_newer: bool
    has_older: bool


def worklist_page(
    session: Session,
    looked_for: LookedFor,
    *,
    mode: IdentityMode,
    with_identity: bool,
    limit: int = 50,
    older_than: Place | None = None,
    newer_than: Place | None = None,
) -> WorklistPage:
    """A page of the studies that fit: the newest, or those beside a place. `mode` is how identities are kept."""
    query = select(Study).where(*_conditions(looked_for, mode))
    place = tuple_(Study.last_instance_at, Study.id)
    if older_than is not None:
        query = query.where(place < _written(older_than))
    if newer_than is not None:
        query = query.where(place > _written(newer_than)).order_by(Study.last_instance_at, Study.id)
    else:
        query = query.order_by(Study.last_instance_at.desc(), Study.id.desc())
    found = list(session.scalars(query.limit(limit + 1)))
    has_more, studies = len(found) > limit, found[:limit]
    if newer_than is not None:
        studies.reverse()
    return WorklistPage(
        lines=tuple(_lines(session, studies, with_identity=with_identity)),
        has_newer=has_more if newer_than is not None else older_than is not None,
        has_older=has_more if newer_than is None else True,
    )


def by_name(name: str, mode: IdentityMode) -> ColumnElement[bool]:
    """Studies of patients of this name.

    PLAIN: their names begin so, in either case. ENCRYPTED: the whole name as the images have it, letter for letter.
    PSEUDONYMISED: the whole family name, without case and accents.
    """
    if mode is not IdentityMode.PLAIN:
        return PatientIdentity.patient_name == name
    kept = func.lower(type_coerce(PatientIdentity.patient_name, String))
    # SQLite's lower() leaves accented letters as they are: a name in capitals is looked for as such, too.
    written = {name.lower(), name.upper()}
    starts = [kept.like(func.lower(literal(_escaped(one) + "%")), escape="\\") for one in sorted(written)]
    return starts[0] | starts[1] if len(starts) > 1 else starts[0]


def _conditions(looked_for: LookedFor, mode: IdentityMode) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if looked_for.uid:
        wanted.append(Study.study_instance_uid.like(_escaped(looked_for.uid) + "%", escape="\\"))
    if looked_for.state is not None:
        wanted.append(Study.state == looked_for.state)
    if looked_for.since is not None:
        wanted.append(Study.last_instance_at >= looked_for.since)
    if looked_for.until is not None:
        wanted.append(Study.last_instance_at < looked_for.until)
    if looked_for.calling_ae_title:
        sent = select(Instance.study_id).where(Instance.calling_ae_title == looked_for.calling_ae_title)
        wanted.append(Study.id.in_(sent))
    if looked_for.has_discordances:
        wanted.append(Study.id.in_(select(DiscordanceRow.study_id).where(is_open())))
    if looked_for.names_a_patient:
        wanted.append(Study.id.in_(_of_patient(looked_for, mode)))
    return wanted


def _of_patient(looked_for: LookedFor, mode: IdentityMode) -> Select[int]:
    of_patient = select(PatientIdentity.study_id)
    if looked_for.patient_id:
        of_patient = of_patient.where(PatientIdentity.patient_id == looked_for.patient_id)
    if looked_for.accession_number:
        of_patient = of_patient.where(PatientIdentity.accession_number == looked_for.accession_number)
    if looked_for.name:
        of_patient = of_patient.where(by_name(looked_for.name, mode))
    return of_patient


def _written(place: Place) -> ColumnElement[tuple[datetime, int]]:
    return tuple_(literal(place.at, Study.last_instance_at.type), literal(place.study_id))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _lines(session: Session, studies: Sequence[Study], *, with_identity: bool) -> list[Line]:
    ids = [study.id for study in studies]
    waits = why_it_waits(session, [study.id for study in studies if study.state == StudyState.REPORTED])
    identities = _identities(session, ids) if with_identity else {}
    runs, answers = _answers(session, ids)
    instances, discordances = _instances(session, ids), _discordances(session, ids)
    return [
        Line(
            place=Place(at=study.last_instance_at, study_id=study.id),
            study_instance_uid=study.study_instance_uid,
            state=StudyState(study.state),
            state_since=study.state_since,
            revision=study.revision,
            lane=study.lane,
            quiet_at=study.quiet_at,
            next_attempt_at=study.next_attempt_at,
            lease_owner=study.lease_owner,
            lease_expires_at=study.lease_expires_at,
            reason=study.reason or waits.get(study.id),
            instances=instances.get(study.id, 0),
            identity=identities.get(study.id),
            model_label=runs.get(study.id, _NO_RUN)[0],
            answers_revision=runs.get(study.id, _NO_RUN)[1],
            answers=tuple(answers.get(study.id, ())),
            discordances=discordances.get(study.id, (0, False))[0],
            has_major=discordances.get(study.id, (0, False))[1],
        )
        for study in studies
    ]


def _identities(session: Session, ids: Sequence[int]) -> dict[int, Identity]:
    rows = session.scalars(select(PatientIdentity).where(PatientIdentity.study_id.in_(ids)))
    return {row.study_id: identity_in(row) for row in rows}


def _answers(session: Session, ids: Sequence[int]) -> tuple[dict[int, tuple[str, int]], dict[int, list[ShownAnswer]]]:
    """Label and revision of each study's current run, and its answers that are shown."""
    of_run = (CurrentRun.study_id, RunRow.model_label, RunRow.revision)
    current = (
        select(*of_run, ResultRow.task_id, ResultRow.value, ResultRow.unit)
        .join(RunRow, RunRow.id == CurrentRun.run_id)
        .outerjoin(ResultRow, (ResultRow.run_id == RunRow.id) & ResultRow.verdict.in_(_SHOWN))
        .where(CurrentRun.study_id.in_(ids))
        .order_by(ResultRow.id)
    )
    runs: dict[int, tuple[str, int]] = {}
    answers: dict[int, list[ShownAnswer]] = {}
    for study_id, label, revision, task_id, value, unit in session.execute(current):
        runs[study_id] = (label, revision)
        if task_id is not None:
            answers.setdefault(study_id, []).append(ShownAnswer(task_id=task_id, value=value, unit=unit))
    return runs, answers


def _instances(session: Session, ids: Sequence[int]) -> dict[int, int]:
    counted = select(Instance.study_id, func.count()).where(Instance.study_id.in_(ids)).group_by(Instance.study_id)
    return dict(session.execute(counted).all())


def _discordances(session: Session, ids: Sequence[int]) -> dict[int, tuple[int, bool]]:
    """How many are open, and whether one of them is MAJOR."""
    major = func.max(case((DiscordanceRow.severity == Severity.MAJOR, 1), else_=0))
    of = DiscordanceRow.study_id
    counted = select(of, func.count(), major).where(of.in_(ids), is_open()).group_by(of)
    return {study_id: (count, bool(worst)) for study_id, count, worst in session.execute(counted)}
