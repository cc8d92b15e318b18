"""Studies in lists, and one in detail: what the command line and dashboards show of them, free of PHI."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session, selectinload

from config.errors import StudyNotFoundError
from config.sections.report_objects import ReportObject
from config.sections.rules import Action
from config.steps import Step
from db.delivery.dead_letters import why_it_waits
from db.lifecycle.received import ACCEPTED
from db.lifecycle.retention import is_being_removed
from db.results.recording import current_run
from db.results.reports import current_reports
from db.results.runs import Run
from db.states import LEASED_STEPS, StudyState
from db.tables.deliveries import Report
from db.tables.peers import Caller
from db.tables.pictures import Clip
from db.tables.pipeline import JournalEntry
from db.tables.studies import Instance, Study
from db.working.leases import is_due

_KINDS = [kind.value for kind in ReportObject]


@dataclass(frozen=True, kw_only=True)
class StudySummary:
    """One line of the list of studies."""

    study_instance_uid: str
    state: str
    revision: int
    instances: int
    last_instance_at: datetime
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class StudyDetail:
    """All that the registry knows of one study, but for the patient."""

    study: Study
    instances: list[Instance]
    clips: list[Clip]
    reason: str | None
    """Why it was skipped, failed or stays; of one whose deliveries are under way, what it waits for."""
    run: Run | None
    report: Report | None
    objects: list[Report]
    """All that was made for the PACS of the current run: the report, and what goes beside it."""
    journal: list[JournalEntry]


def list_studies(session: Session, *, limit: int = 50, state: str | None = None) -> list[StudySummary]:
    """The studies that changed last, newest first."""
    instances = select(func.count(Instance.id)).where(Instance.study_id == Study.id).scalar_subquery()
    query = select(Study, instances).order_by(Study.last_instance_at.desc(), Study.id.desc()).limit(limit)
    if state is not None:
        query = query.where(Study.state == state)
    return study_summaries(session, [(study, count) for study, count in session.execute(query)])


def study_summaries(session: Session, rows: Sequence[tuple[Study, int]]) -> list[StudySummary]:
    """Of studies with the number of their instances, in the order that they have."""
    waits = why_it_waits(session, [study.id for study, _ in rows if study.state == StudyState.REPORTED])
    return [
        StudySummary(
            study_instance_uid=study.study_instance_uid,
            state=study.state,
            revision=study.revision,
            instances=count,
            last_instance_at=study.last_instance_at,
            reason=study.reason or waits.get(study.id),
        )
        for study, count in rows
    ]


def study_detail(session: Session, study_instance_uid: str) -> StudyDetail:
    """One study with its instances, clips, current results, what was made of them, and journal.

    Raises
    ------
    StudyNotFoundError
        No study has this UID.
    """
    study = session.scalar(
        select(Study).where(Study.study_instance_uid == study_instance_uid).options(selectinload(Study.instances))
    )
    if study is None:
        raise StudyNotFoundError(f"study {study_instance_uid} is not in the registry")
    clips = select(Clip).where(Clip.study_id == study.id, Clip.revision == study.revision).order_by(Clip.id)
    journal = select(JournalEntry).where(JournalEntry.study_id == study.id).order_by(JournalEntry.id)
    objects = sorted(current_reports(session, study_id=study.id), key=lambda made: _KINDS.index(made.kind))
    for made in objects:
        session.refresh(made, ["deliveries"])
    is_under_way = study.state == StudyState.REPORTED and not study.reason
    return StudyDetail(
        study=study,
        reason=why_it_waits(session, [study.id]).get(study.id) if is_under_way else study.reason,
        instances=study.instances,
        clips=list(session.scalars(clips)),
        run=current_run(session, study_id=study.id, study_instance_uid=study_instance_uid),
        report=next((made for made in objects if made.kind == ReportObject.SR), None),
        objects=objects,
        journal=list(session.scalars(journal)),
    )


def failed_at(session: Session, step: Step) -> list[str]:
    """The Study Instance UIDs of the studies that failed at this step, the longest ago first."""
    failed = select(Study.study_instance_uid).where(Study.state == StudyState.FAILED, Study.failed_step == step)
    return list(session.scalars(failed.order_by(Study.state_since, Study.id)))


def studies_in(session: Session, state: StudyState) -> list[str]:
    """The Study Instance UIDs of all studies in this state."""
    return list(session.scalars(select(Study.study_instance_uid).where(Study.state == state).order_by(Study.id)))


def count_by_state(session: Session) -> dict[str, int]:
    """How many studies are in each state."""
    rows = session.execute(select(Study.state, func.count()).group_by(Study.state))
    return dict(rows.all())


def count_left_waiting(session: Session, *, since: datetime) -> dict[str, int]:
    """How many studies have waited since then with nobody at work on them, by the state that they wait in.

    RECEIVING ones wait to be closed: their quiet time has come. The others wait for the step that is due. Deliveries
    wait for their destinations (db.delivery.dead_letters).
    """
    for_a_step = or_(*(is_due(step, since) for step in LEASED_STEPS)) & (Study.state_since <= since)
    to_be_closed = (Study.state == StudyState.RECEIVING) & (Study.quiet_at <= since)
    rows = session.execute(select(Study.state, func.count()).where(for_a_step | to_be_closed).group_by(Study.state))
    return dict(rows.all())


def list_callers(session: Session, *, refused_only: bool = False, limit: int = 100, offset: int = 0) -> list[Caller]:
    """Who called the node and what became of it, the latest first."""
    query = select(Caller).order_by(Caller.last_at.desc(), Caller.id.desc()).offset(offset).limit(limit)
    return list(session.scalars(query.where(Caller.outcome != ACCEPTED) if refused_only else query))


def last_calls(session: Session) -> dict[str, datetime]:
    """When somebody of each AE title was last accepted."""
    accepted = select(Caller.ae_title, func.max(Caller.last_at)).where(Caller.outcome == ACCEPTED)
    return dict(session.execute(accepted.group_by(Caller.ae_title)).all())


def count_instances(session: Session, study_instance_uid: str) -> int:
    """How many instances of a study are registered; 0 of one that is not known."""
    of_study = select(func.count(Instance.id)).join(Instance.study)
    return session.scalar(of_study.where(Study.study_instance_uid == study_instance_uid)) or 0


def spool_paths_of(session: Session, study_id: int, *, action: Action | None = None) -> dict[str, str]:
    """The spool path of each instance of a study, by SOP Instance UID; of all, or of those with this action."""
    query = select(Instance.sop_instance_uid, Instance.spool_path).where(Instance.study_id == study_id)
    if action is not None:
        query = query.where(Instance.action == action)
    rows = session.execute(query.order_by(Instance.id))
    return dict(rows.all())


def study_instance_uid_of(session: Session, study_id: int) -> str:
    """What stands in the log for a study of this number; "" where there is none."""
    return session.scalar(select(Study.study_instance_uid).where(Study.id == study_id)) or ""


def rules_of(session: Session, study_id: int) -> list[str]:
    """The names of the rules that decided what is done with the instances of a study, in order."""
    named = select(Instance.rule).where(Instance.study_id == study_id, Instance.rule.is_not(None)).distinct()
    return sorted(rule for rule in session.scalars(named) if rule)


def known_sop_instance_uids(session: Session, study_instance_uid: str) -> set[str]:
    """The instances that the registry has of a study; what was removed and lies in the spool again is not of them."""
    rows = select(Instance.sop_instance_uid).join(Study).where(Study.study_instance_uid == study_instance_uid)
    rows = rows.where(or_(Instance.removed_at.is_(None), is_being_removed()))
    return set(session.scalars(rows))


def latest_instance_at(session: Session) -> datetime | None:
    """When the instance came that the registry had last; None when it has none."""
    return session.scalar(select(func.max(Study.last_instance_at)))


def instances_after(session: Session, instance_id: int, *, limit: int) -> list[tuple[int, str, str]]:
    """Number, spool path and SHA-256 of the next instances, by their numbers, of those that were not removed."""
    kept = select(Instance.id, Instance.spool_path, Instance.sha256).where(Instance.removed_at.is_(None))
    rows = session.execute(kept.where(Instance.id > instance_id).order_by(Instance.id).limit(limit))
    return [(number, path, sha256) for number, path, sha256 in rows]
