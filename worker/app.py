"""The Celery application of a worker or beat process."""

from typing import Any

from celery import Celery
from celery.signals import task_failure

from config.broker import create_celery_app
from config.logs import Event, emit, place_of
from config.settings import Settings
from worker.context import WorkerContext
from worker.tasks import register_tasks
from worker.watch import Watch


def create_worker_app(settings: Settings, watch: Watch) -> Celery:
    """The app with all tasks, which keep to their time; the model is loaded when the first study is scored.

    Raises
    ------
    ConfigurationError
        The task catalogue or the database URL is wrong.
    """
    app = create_celery_app(settings)
    register_tasks(app, WorkerContext(settings, app, watch))
    return app


@task_failure.connect  # type: ignore[untyped-decorator]
def _say_what_failed(*, sender: Any, exception: BaseException, **_: object) -> None:
    """What leaves a task is a fault of ours; Celery's own line on it, with its text, is not logged (config.logs)."""
    emit(Event.DUTY_FAILS, step=sender.name, error=place_of(exception))
