"""The write side of a study's life outside the steps: instances arrive, the study falls quiet, people requeue it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.errors import RegistryError, StudyNotFoundError
from config.sections.rules import Action
from config.steps import Lane, Purpose, Step
from db.delivery.deliveries import deliver_again, owed_deliveries
from db.delivery.forwards import add_forwards
from db.delivery.queues import ask_at_once
from db.inserting import insert_if_new
from db.journal import record_transition
from db.lifecycle.moving import move_study
from db.lifecycle.received import Identity, ReceivedInstance
from db.lifecycle.retention import bring_back, require_pixels
from db.results.embeddings import embeddings_of
from db.results.recording import repeat_current_run
from db.states import STEP_DUE_IN, TRANSITIONS, StudyState
from db.tables.deliveries import Delivery, Report
from db.tables.runs import CurrentRun, RunRow
from db.tables.studies import Instance, PatientIdentity, Study


class Registration(Enum):
    """What registering an instance changed."""

    KNOWN = auto()
    """Nothing: it was registered before."""
    BROUGHT_BACK = auto()
    """Its file had been removed, and is to be there again before the commit; nothing is made of the study by that."""
    ADDED = auto()
    REOPENED = auto()
    """The study had moved on; it is RECEIVING again as its next revision."""
    STORED_ONLY = auto()
    """Not to be scored, as a report of ours that comes back from the PACS, and the study had moved on: it stays so."""


def register_instance(session: Session, instance: ReceivedInstance, quiet_period: timedelta) -> Registration:
    """Add an instance, and its study when it is the first; safe to repeat and to run concurrently.

    A study that is RECEIVING waits `quiet_period` from now on; one that had moved on is re-opened as its next
    revision, and a step that is running on it loses its lease; unless the instance is not to be scored, and so
    cannot change the results. A study of such instances alone is SKIPPED by its first step. The instance becomes due
    for the peers that it is forwarded to.
    """
    study = _study_of(session, instance, quiet_period)
    is_scored = instance.decision.action is Action.SCORE and not instance.is_our_report
    reopens = study.state != StudyState.RECEIVING and is_scored
    row = {
        "study_id": study.id,
        "revision": study.revision + reopens,
        "sop_instance_uid": instance.sop_instance_uid,
        "sop_class_uid": instance.sop_class_uid,
        "series_instance_uid": instance.series_instance_uid,
        "transfer_syntax_uid": instance.transfer_syntax_uid,
        "modality": instance.modality,
        "spool_path": instance.spool_path,
        "sha256": instance.sha256,
        "size_bytes": instance.size_bytes,
        "received_at": instance.received_at,
        "calling_ae_title": instance.calling_ae_title,
        "action": Action.SCORE if is_scored else Action.STORE,
        "rule": instance.decision.rule,
    }
    if not insert_if_new(session, Instance, row):
        return Registration.BROUGHT_BACK if bring_back(session, study.id, row) else Registration.KNOWN
    study.lane = min(study.lane, instance.decision.lane)
    if instance.decision.forward_to:
        peers = instance.decision.forward_to
        add_forwards(session, study_id=study.id, sop_instance_uid=instance.sop_instance_uid, peers=peers)
    if study.state != StudyState.RECEIVING and not is_scored:
        return Registration.STORED_ONLY
    study.last_instance_at = max(study.last_instance_at, instance.received_at)
    study.quiet_at = study.last_instance_at + quiet_period  # instances are not registered in the order they came
    if not reopens:
        return Registration.ADDED
    _reopen(session, study, instance.received_at)
    return Registration.REOPENED


def identity_of(session: Session, study_instance_uid: str) -> Identity:
    """Whose study it is. PHI.

    Raises
    ------
    StudyNotFoundError
        No study has this UID, or nothing is known of whose it is.
    """
    known = select(PatientIdentity).join(PatientIdentity.study)
    row = session.scalar(known.where(Study.study_instance_uid == study_instance_uid))
    if row is None:
        raise StudyNotFoundError(f"study {study_instance_uid} is not in the registry")
    return identity_in(row)


def identity_in(row: PatientIdentity) -> Identity:
    """What a row says of whose study it is. PHI."""
    return Identity(
        patient_id=row.patient_id,
        patient_name=row.patient_name,
        birth_date=row.birth_date,
        accession_number=row.accession_number,
        study_date=row.study_date,
    )


def keep_open(session: Session, study_instance_uids: Iterable[str], *, quiet_at: datetime) -> None:
    """Put off the quiet time of studies that an open association is still sending."""
    sent = session.scalars(
        select(Study)
        .where(Study.study_instance_uid.in_(list(study_instance_uids)))
        .where(Study.state == StudyState.RECEIVING, Study.quiet_at < quiet_at)
        .order_by(Study.study_instance_uid)  # every transaction locks studies in this order: none waits in a circle
        .with_for_update()
    )
    for study in sent:
        study.quiet_at = quiet_at


def close_quiet_studies(session: Session, *, now: datetime) -> list[str]:
    """Make every study READY whose quiet time has come; their Study Instance UIDs."""
    quiet = session.scalars(
        select(Study)
        .where(Study.state == StudyState.RECEIVING, Study.quiet_at <= now)
        .order_by(Study.study_instance_uid)
        .with_for_update(skip_locked=True)
    ).all()
    for study in quiet:
        move_study(session, study, StudyState.READY, now=now)
    return [study.study_instance_uid for study in quiet]


def close_study(session: Session, study_instance_uid: str, *, now: datetime, by: str = "") -> None:
    """Make a study READY that is still RECEIVING, whatever its quiet time and whoever is sending it. `by` as `requeue`.

    Raises
    ------
    StudyNotFoundError
        No study has this UID.
    RegistryError
        The study is closed already.
    """
    study = _required(session, study_instance_uid)
    if study.state != StudyState.RECEIVING:
        raise RegistryError(f"study {study_instance_uid} is {study.state}: only one that is RECEIVING can be closed")
    move_study(session, study, StudyState.READY, now=now, reason=_by_hand("closed", by))


def requeue(
    session: Session,
    study_instance_uid: str,
    *,
    now: datetime,
    step: Step | None = None,
    by: str = "",
) -> Step:
    """Give a study another chance, with all attempts fresh; the step that is due now. `by`: who wants it, by account.

    By default a FAILED study goes back before the step that failed, a SKIPPED one before `prepare`, and one that
    waits to where it is. A report that no destination took goes back before `report`, where destinations are
    chosen; what was delivered is sent again only when `deliver` is named, dead letters in either case. Where `score`
    is named but the prepared frames are gone, and nothing is kept of what the model made of them, `prepare` comes
    first.

    Raises
    ------
    StudyNotFoundError
        No study has this UID.
    RegistryError
        The study is still being received, or is delivered and no step was named, or lacks what the step works on,
        as pixels that were removed.
    """
    if step in (None, Step.DELIVER):  # queues before studies, as whoever sends locks them
        ask_at_once(session, Purpose.DELIVER, _destinations_of(session, study_instance_uid))
    study = _required(session, study_instance_uid)
    if study.state == StudyState.RECEIVING:
        raise RegistryError(
            f"study {study_instance_uid} is still being received: it goes on by itself, or with echoworker close"
        )
    due = step or _step_to_repeat(session, study)
    if due is Step.SCORE and not (_has_prepared_frames(study) or _has_kept_embeddings(session, study)):
        due = Step.PREPARE
    if due is Step.PREPARE:
        require_pixels(session, study)
    if due in (Step.REPORT, Step.DELIVER) and not _has_current_results(session, study):
        raise RegistryError(f"study {study_instance_uid} has no results to report: requeue it with --step prepare")
    if due is Step.DELIVER and not deliver_again(session, study_id=study.id, what_is_there_too=step is not None):
        raise RegistryError(f"study {study_instance_uid} has no delivery to repeat: requeue it with --step report")
    study.failed_step = None
    move_study(session, study, TRANSITIONS[due].before, now=now, reason=_by_hand("requeued", by))
    return due


def report_again(session: Session, study_id: int, *, run_uid: str, now: datetime) -> bool:
    """Have a reported study reported once more, with the same results as a run of this UID; False where it is not one.

    What is made of that run are other objects, which name the last that was delivered. A study that is on its way
    says what there is to say when its report is built.
    """
    study = session.get_one(Study, study_id, with_for_update=True, populate_existing=True)
    is_reported = study.state in (StudyState.REPORTED, StudyState.DELIVERED)
    is_undelivered = study.state == StudyState.FAILED and study.failed_step == Step.DELIVER
    if not (is_reported or is_undelivered) or not _has_current_results(session, study):
        return False
    repeat_current_run(session, study_id=study_id, run_uid=run_uid, at=now)
    study.failed_step = None
    study.lane = Lane.ROUTINE  # whoever waited for it has its first report
    move_study(session, study, StudyState.SCORED, now=now, reason="its other reports say otherwise than before")
    return True


def _by_hand(done: str, by: str) -> str:
    return f"{done} by hand, {by}" if by else f"{done} by hand"


def _destinations_of(session: Session, study_instance_uid: str) -> Sequence[str]:
    of_study = select(Delivery.destination).join(Report).join(Study, Study.id == Report.study_id)
    return session.scalars(of_study.where(Study.study_instance_uid == study_instance_uid).distinct()).all()


def _required(session: Session, study_instance_uid: str) -> Study:
    study = session.scalar(select(Study).where(Study.study_instance_uid == study_instance_uid).with_for_update())
    if study is None:
        raise StudyNotFoundError(f"study {study_instance_uid} is not in the registry")
    return study


def _step_to_repeat(session: Session, study: Study) -> Step:
    state = StudyState(study.state)
    if state is StudyState.REPORTED and not owed_deliveries(session, study_id=study.id):
        return Step.REPORT
    if state is StudyState.FAILED and study.failed_step:
        return Step(study.failed_step)
    if state is StudyState.SKIPPED:
        return Step.PREPARE
    if state in STEP_DUE_IN:
        return STEP_DUE_IN[state]
    raise RegistryError(f"study {study.study_instance_uid} is {state}: name the step to repeat")


def _has_prepared_frames(study: Study) -> bool:
    """The frames lie in the spool from `prepare` until the report is registered."""
    failed_between = study.state == StudyState.FAILED and study.failed_step in (Step.SCORE, Step.REPORT)
    return study.state in (StudyState.PREPARED, StudyState.SCORED) or failed_between


def _has_kept_embeddings(session: Session, study: Study) -> bool:
    """Whether it can be scored again without its frames; where they are another model's, `score` finds it out."""
    uid = study.study_instance_uid
    return bool(embeddings_of(session, study_id=study.id, study_instance_uid=uid, revision=study.revision))


def _has_current_results(session: Session, study: Study) -> bool:
    """Whether the current run is of this revision, not of one before a late instance, and has seen a heart."""
    current = select(RunRow).join(CurrentRun, CurrentRun.run_id == RunRow.id)
    run = session.scalar(current.where(CurrentRun.study_id == study.id))
    return run is not None and run.revision == study.revision and bool(run.clips)


def _study_of(session: Session, instance: ReceivedInstance, quiet_period: timedelta) -> Study:
    known = select(Study).where(Study.study_instance_uid == instance.study_instance_uid).with_for_update()
    study = session.scalar(known)
    if study is None:
        first = {
            "study_instance_uid": instance.study_instance_uid,
            "revision": 1,
            "attempts": 0,
            "lane": instance.decision.lane,
            "state": StudyState.RECEIVING,
            "state_since": instance.received_at,
            "created_at": instance.received_at,
            "last_instance_at": instance.received_at,
            "quiet_at": instance.received_at + quiet_period,
        }
        is_new = insert_if_new(session, Study, first)
        study = session.scalars(known).one()
        if is_new:
            session.add(PatientIdentity(study_id=study.id, **vars(instance.identity)))
            record_transition(session, study, before=None, at=instance.received_at)
    return study


def _reopen(session: Session, study: Study, now: datetime) -> None:
    quiet_at = study.quiet_at
    study.revision += 1
    move_study(session, study, StudyState.RECEIVING, now=now, reason="late instance")
    study.quiet_at = quiet_at
