"""The new answers of a batch become current, study by study; a report goes out only for what is configured.

A study that has moved on since it was answered is left as it is, with the reason. What is to be reported goes the
ordinary way, by the steps `report` and `deliver`: its report names the one before, and is built once, as of any run.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from db.consistency.received_reports import require_check
from db.lifecycle.announcing import announce_due_steps
from db.rescoring.adopting import adopt_run, why_not_adopted
from db.rescoring.batches import BatchClaim, hold_batch, record_outcomes
from db.rescoring.rescored import Answer, DueStudy, answers_of, due_studies
from db.results.recording import record_views
from db.results.reports import reported_runs
from db.results.run_rows import run_of
from db.states import RescoredState
from db.tables.runs import RunRow
from db.tables.studies import Study
from worker.context import WorkerContext
from worker.rescoring.changes import is_worth_a_report
from worker.views import judged_in


def adopt_portion(context: WorkerContext, held: BatchClaim, *, limit: int) -> bool:
    """Adopt the next studies of a batch, in one transaction; False where none were left.

    Raises
    ------
    LeaseLostError
        Somebody else works on the batch by now: nothing is changed.
    """
    now = datetime.now(UTC)
    with context.database.write() as session:
        batch = hold_batch(session, held)
        due = due_studies(session, held.batch_id, RescoredState.SCORED, limit=limit)
        # What the PACS has is what a change is measured against: several small ones without a report add up.
        reported = reported_runs(session, [study.study_id for study in due])
        before = {study.study_id: reported.get(study.study_id, study.before_run_id) for study in due}
        run_ids = {*before.values(), *(study.run_id for study in due)} - {None}
        answers = answers_of(session, [run_id for run_id in run_ids if run_id is not None])
        by_uid = sorted(due, key=lambda study: study.study_instance_uid)  # in which order everybody locks studies
        outcomes = [
            _adopted(session, context, study, answers, before[study.study_id], batch.task_ids, now=now)
            for study in by_uid
        ]
        record_outcomes(session, held, outcomes)
    if any(outcome["report_again"] for outcome in outcomes):
        announce_due_steps(context.database, context.broker, context.settings)
    return bool(due)


def _adopted(
    session: Session,
    context: WorkerContext,
    one: DueStudy,
    answers: Mapping[int, Mapping[str, Answer]],
    reported_run_id: int | None,
    task_ids: list[str] | None,
    *,
    now: datetime,
) -> dict[str, Any]:
    study = session.get_one(Study, one.study_id, with_for_update=True)
    row = None if one.run_id is None else session.get(RunRow, one.run_id)
    outcome: dict[str, Any] = {"study_id": one.study_id, "report_again": False, "adopted_at": None}
    why = "its new run is gone" if row is None else why_not_adopted(session, study, before_run_id=one.before_run_id)
    if row is None or why is not None:
        return outcome | {"state": RescoredState.LEFT, "reason": why}
    run = run_of(row, study.study_instance_uid)
    before, after = answers.get(reported_run_id or 0, {}), answers[row.id]
    configured = context.settings.rescore.report_again
    # Of a study without a heart in any clip there is nothing to report: as in the step `score`.
    is_to_be_reported = bool(run.clips) and is_worth_a_report(before, after, configured, task_ids)
    adopt_run(session, study, row.id, report_again=is_to_be_reported, now=now)
    record_views(session, study_id=study.id, revision=run.revision, clips=judged_in(run))
    if context.settings.consistency.enabled and not is_to_be_reported:
        require_check(session, study.id, now=now)  # the step `report` does it otherwise
    return outcome | {
        "state": RescoredState.ADOPTED,
        "reason": None,
        "report_again": is_to_be_reported,
        "adopted_at": now,
    }
