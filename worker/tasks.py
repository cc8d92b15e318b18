"""The Celery tasks: each names its step, or what peers are sent, and the function that does it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cache
from pkgutil import resolve_name
from typing import Any

from celery import Celery

from config.steps import (
    CANARY_TASK,
    DRIFT_TASK,
    PEER_TASKS,
    REAP_TASK,
    RECEIVED_REPORTS_TASK,
    RECONCILE_TASK,
    RESCORE_TASK,
    SWEEP_TASK,
    Purpose,
    Step,
    task_name,
)
from worker.context import WorkerContext
from worker.reaper import announce_overdue_steps
from worker.runner import run_step, run_step_together
from worker.sweeper import sweep_former_embeddings, sweep_outlived

STEPS: dict[Step, str] = {
    Step.PREPARE: "worker.steps.prepare:prepare_study",
    Step.SCORE: "worker.steps.score:score_prepared_studies",
    Step.REPORT: "worker.steps.report:report_study",
}
"""Those under a lease on their study. Named, and imported when a step first runs: a process that only delivers never
loads torch."""

PEER_WORK: dict[Purpose, str] = {
    Purpose.FORWARD: "worker.forwarding:forward_to",
    Purpose.DELIVER: "worker.delivering:deliver_to",
}
"""What is done for a peer; only a process that does it needs the DICOM network."""


TOGETHER = {Step.SCORE}
"""The steps that take further studies along."""


def run_due_step(context: WorkerContext, step: Step, study_id: int) -> None:
    """Run a step of a study if it is due."""
    work = resolve_name(STEPS[step])
    if step in TOGETHER:
        run_step_together(context, step, study_id, work)
    else:
        run_step(context, step, study_id, work)


def register_tasks(app: Celery, context: WorkerContext) -> None:
    """Give a Celery app one task for each step, those that send to a peer, and what beat wakes."""
    for step in STEPS:
        app.task(name=task_name(step))(_step_task(context, step))

    for purpose, task in PEER_TASKS.items():
        app.task(name=task)(_peer_task(context, purpose))

    @app.task(name=REAP_TASK)  # type: ignore[untyped-decorator]
    def reap() -> None:
        with _limited(context, "reap"):
            announce_overdue_steps(context)

    @app.task(name=SWEEP_TASK)  # type: ignore[untyped-decorator]
    def sweep() -> None:
        with _limited(context, "sweep"):
            sweep_former_embeddings(context, now=datetime.now(UTC))
            sweep_outlived(context, now=datetime.now(UTC))

    @app.task(name=RECONCILE_TASK)  # type: ignore[untyped-decorator]
    def reconcile() -> None:
        # Among what is sent to peers, and as long at most.
        with context.watch.limited("reconcile", hard_s=context.settings.time_limits.sending_s):
            resolve_name("worker.reconciling:reconcile_if_due")(context, now=datetime.now(UTC))

    @app.task(name=CANARY_TASK)  # type: ignore[untyped-decorator]
    def canary() -> None:
        with _limited(context, "canary"):
            resolve_name("worker.canary:send_canary_if_due")(context, now=datetime.now(UTC))

    @app.task(name=DRIFT_TASK)  # type: ignore[untyped-decorator]
    def drift() -> None:
        with _limited(context, "drift"):
            resolve_name("worker.drift:look_for_drift_if_due")(context, now=datetime.now(UTC))

    app.task(name=RECEIVED_REPORTS_TASK)(_reports_task(context))
    app.task(name=RESCORE_TASK)(_rescore_task(context))


def _reports_task(context: WorkerContext) -> Callable[[], None]:
    @cache
    def intake() -> Any:
        """Made once: it knows which studies it has looked at. Only a process that does this reads reports."""
        return resolve_name("worker.consistency.arriving.report_intake:ReportIntake")(context)

    def run() -> None:
        with _limited(context, "received reports"):
            intake().work_once()

    return run


def _rescore_task(context: WorkerContext) -> Callable[[], None]:
    @cache
    def duty() -> Any:
        """Made once: it keeps the model of a shadow. Only a process that does this loads it."""
        return resolve_name("worker.rescoring.duty:RescoringDuty")(context)

    def run() -> None:
        with context.watch.limited("rescore", hard_s=context.settings.time_limits.rescore_s):
            duty().work_once()

    return run


def _limited(context: WorkerContext, what: str) -> AbstractContextManager[None]:
    return context.watch.limited(what, hard_s=context.settings.time_limits.maintenance_s)


def _step_task(context: WorkerContext, step: Step) -> Callable[[int], None]:
    def run(study_id: int) -> None:
        run_due_step(context, step, study_id)

    return run


def _peer_task(context: WorkerContext, purpose: Purpose) -> Callable[[str], None]:
    def run(peer: str) -> None:
        resolve_name(PEER_WORK[purpose])(context, peer)

    return run
