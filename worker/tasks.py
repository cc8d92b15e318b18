"""The Celery tasks: each names its step and the function that does it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pkgutil import resolve_name

from celery import Celery

from config.steps import FORWARD_TASK, REAP_TASK, SWEEP_TASK, Step, task_name
from worker.context import WorkerContext
from worker.reaper import announce_overdue_steps
from worker.runner import run_step, run_step_together
from worker.sweeper import sweep_former_embeddings

STEPS: dict[Step, str] = {
    Step.PREPARE: "worker.steps.prepare:prepare_study",
    Step.SCORE: "worker.steps.score:score_prepared_studies",
    Step.REPORT: "worker.steps.report:report_study",
    Step.DELIVER: "worker.steps.deliver:deliver_report",
}
"""Named, and imported when a step first runs: a process that only delivers never loads torch."""


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
    """Give a Celery app one task for each step, the one that forwards, the reaper and the sweeper."""
    for step in STEPS:
        app.task(name=task_name(step))(_step_task(context, step))

    @app.task(name=FORWARD_TASK)  # type: ignore[untyped-decorator]
    def forward(peer: str) -> None:
        from worker.forwarding import forward_to  # noqa: PLC0415  only its own process needs the DICOM network

        forward_to(context, peer)

    @app.task(name=REAP_TASK)  # type: ignore[untyped-decorator]
    def reap() -> None:
        announce_overdue_steps(context)

    @app.task(name=SWEEP_TASK)  # type: ignore[untyped-decorator]
    def sweep() -> None:
        sweep_former_embeddings(context, now=datetime.now(UTC))


def _step_task(context: WorkerContext, step: Step) -> Callable[[int], None]:
    def run(study_id: int) -> None:
        run_due_step(context, step, study_id)

    return run
