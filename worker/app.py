"""The Celery application of a worker or beat process."""

from celery import Celery

from config.broker import create_celery_app
from config.settings import Settings
from worker.context import WorkerContext
from worker.tasks import register_tasks


def create_worker_app(settings: Settings) -> Celery:
    """The app with all tasks; the model is loaded when the first study is scored.

    Raises
    ------
    ConfigurationError
        The task catalogue or the database URL is wrong.
    """
    app = create_celery_app(settings)
    register_tasks(app, WorkerContext(settings, app))
    return app
