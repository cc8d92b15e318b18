"""The Celery application of a worker or beat process."""

from celery import Celery

from config.broker import create_celery_app
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
