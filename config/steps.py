"""The steps of the pipeline and the names of its tasks and queues, for those who need no broker to speak of them."""

from enum import IntEnum, StrEnum


class Step(StrEnum):
    """The steps of the pipeline, in order; each has a queue of its own name, and a task."""

    PREPARE = "prepare"
    SCORE = "score"
    REPORT = "report"
    DELIVER = "deliver"


class Purpose(StrEnum):
    """What peers are sent things for: for each a peer has a queue of its own, and a message names the peer."""

    FORWARD = "forward"
    """Received instances, as the rules say."""
    DELIVER = "deliver"
    """What was made of a run."""


class Lane(IntEnum):
    """How urgent a study is: of those that wait for a step, the ones of the lowest lane go first."""

    STAT = 0
    ROUTINE = 1


REAP_TASK = "echoworker.reap"
SWEEP_TASK = "echoworker.sweep"
RECEIVED_REPORTS_TASK = "echoworker.received_reports"
RESCORE_TASK = "echoworker.rescore"
RECONCILE_TASK = "echoworker.reconcile"
"""In the queue of deliveries: it needs the DICOM network, may take long, and holds up nobody in a pool of threads."""
DRIFT_TASK = "echoworker.drift"
CANARY_TASK = "echoworker.canary"
"""Likewise: it stores a study at the node, and then only looks now and then what became of it."""
MAINTENANCE_QUEUE = "maintenance"
RESCORE_QUEUE = "rescore"
"""Of the least important work; a worker of its own keeps it from standing before anything else."""
FORWARD_QUEUE = "forward"
PEER_TASKS = {Purpose.FORWARD: "echoworker.forward", Purpose.DELIVER: "echoworker.deliver_to"}
PEER_QUEUES = {Purpose.FORWARD: FORWARD_QUEUE, Purpose.DELIVER: Step.DELIVER.value}
QUEUES = (*(step.value for step in Step), FORWARD_QUEUE, MAINTENANCE_QUEUE, RESCORE_QUEUE)


def task_name(step: Step) -> str:
    """The explicit Celery task name of a step: moving a module orphans no queued message."""
    return f"echoworker.{step}"
