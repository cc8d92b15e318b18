"""The steps of the pipeline and the names of its tasks and queues, for those who need no broker to speak of them."""

from enum import StrEnum


class Step(StrEnum):
    """The steps of the pipeline, in order; each has a task and a queue of its own name."""

    PREPARE = "prepare"
    SCORE = "score"
    REPORT = "report"
    DELIVER = "deliver"


REAP_TASK = "echoworker.reap"
SWEEP_TASK = "echoworker.sweep"
MAINTENANCE_QUEUE = "maintenance"
FORWARD_TASK = "echoworker.forward"
FORWARD_QUEUE = "forward"
QUEUES = (*(step.value for step in Step), FORWARD_QUEUE, MAINTENANCE_QUEUE)


def task_name(step: Step) -> str:
    """The explicit Celery task name of a step: moving a module orphans no queued message."""
    return f"echoworker.{step}"
