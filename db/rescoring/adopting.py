"""A study's current results become those of a run that was made beside them."""

from datetime import datetime

from sqlalchemy.orm import Session

from config.steps import Step
from db.delivery.deliveries import owed_deliveries
from db.journal import record_transition
from db.lifecycle.moving import move_study
from db.results.recording import set_current_run
from db.states import AT_REST, TRANSITIONS, StudyState
from db.tables.runs import CurrentRun, RunRow
from db.tables.studies import Study


def why_not_adopted(session: Session, study: Study, *, before_run_id: int | None) -> str | None:
    """Why a (locked) study keeps the results that it has; None where nothing is in the way."""
    current = session.get(CurrentRun, study.id)
    # A run that only repeats that one, for the sake of another report, has the same results.
    before = None if before_run_id is None else session.get(RunRow, before_run_id)
    if current is None or before is None or _scored_as(session.get_one(RunRow, current.run_id)) != _scored_as(before):
        return "it has other results by now than those that the new ones were compared with"
    if session.get_one(RunRow, current.run_id).revision != study.revision:
        return "something arrived since"
    if study.state not in AT_REST:
        return f"it is {study.state}: adopt the batch again once it is at rest"
    if study.state == StudyState.REPORTED and owed_deliveries(session, study_id=study.id):
        return "its report is on its way: adopt the batch again once it is delivered"
    return None


def _scored_as(run: RunRow) -> str:
    return run.repeats or run.run_uid


def adopt_run(session: Session, study: Study, run_id: int, *, report_again: bool, now: datetime) -> None:
    """Point a (locked) study's current results at a run of it; with `report_again` its step `report` is due."""
    set_current_run(session, study_id=study.id, run_id=run_id)
    if report_again:
        move_study(session, study, TRANSITIONS[Step.REPORT].before, now=now, reason="re-scored: its answers changed")
    else:
        reason = "re-scored: the new results are current, and no report goes out"
        record_transition(session, study, before=study.state, at=now, reason=reason)
