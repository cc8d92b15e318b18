"""The Celery tasks: each names its step and the function that does it."""

from collections.abc import Callable
from pkgutil import resolve_name

from celery import Celery

from config.steps import FORWARD_TASK, REAP_TASK, Step, task_name
from worker.context import WorkerContext
from worker.reaper import announce_overdue_steps
from worker.runner import run_step

STEPS: dict[Step, str] = {
    Step.PREPARE: "worker.steps.prepare:prepare_study",
    Step.SCORE: "worker.steps.score:score_prepared_study",
    Step.REPORT: "worker.steps.report:report_study",
    Step.DELIVER: "worker.steps.deliver:deliver_report",
}
"""Named, and imported when a step first runs: a process that only delivers never loads torch."""


def register_tasks(app: Celery, context: WorkerContext) -> None:
    """Give a Celery app one task for each step, the one that forwards, and the reaper."""
    for step, work in STEPS.items():
        app.task(name=task_name(step))(_step_task(context, step, work))

    @app.task(name=FORWARD_TASK)  # type: ignore[untyped-decorator]
    def forward(peer: str) -> None:
        from worker.forwarding import forward_to  # noqa: PLC0415  only its own process needs the DICOM network

        forward_to(context, peer)

    @app.task(name=REAP_TASK)  # type: ignore[untyped-decorator]
    def reap() -> None:
        announce_overdue_steps(context)


def _step_task(context: WorkerContext, step: Step, work: str) -> Callable[[int], None]:
    def run(study_id: int) -> None:
        run_step(context, step, study_id, resolve_name(work))

    return run
