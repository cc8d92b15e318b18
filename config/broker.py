"""The Celery app, which node and worker share without importing each other.

The broker carries wake-ups alone: a message is a step and the registry's number of a study, or the name of a peer that
something waits for. Losing one, or getting it twice, changes nothing, because the registry decides who does what
(db.working.leases, db.delivery.queues).
"""

import ssl
from collections.abc import Collection
from pathlib import Path

from amqp.exceptions import AMQPError
from celery import Celery
from kombu.exceptions import KombuError, OperationalError

from config import filesystem_broker
from config.logs import Event, emit
from config.sections.broker import BrokerSettings
from config.sections.credentials import url_with_password
from config.settings import Settings
from config.steps import (
    CANARY_TASK,
    DRIFT_TASK,
    MAINTENANCE_QUEUE,
    PEER_QUEUES,
    PEER_TASKS,
    REAP_TASK,
    RECEIVED_REPORTS_TASK,
    RECONCILE_TASK,
    RESCORE_QUEUE,
    RESCORE_TASK,
    SWEEP_TASK,
    Purpose,
    Step,
    task_name,
)

SWEEP_EVERY_S = 3600.0
CANARY_LOOKS_EVERY_S = 30.0
NIGHTLY_LOOKS_EVERY_S = 300.0
"""What is done once a day asks so often whether its time has come."""
BEAT_LOOKS_EVERY_S = 5.0
"""At most: what is due by the clock is due at once when the clock is put forward, or a virtual machine wakes up."""
QUEUE_HOLDS = 2000
"""Wake-ups in one queue beyond which none is sent there: one that nobody empties keeps no more, however long it stands.
Nobody waits for those that are left out: of what waits for a step any wake-up leads to the most urgent, and once the
queue is shorter, whatever is due is announced."""
BROKER_AWAY = (KombuError, OperationalError, OSError, AMQPError)
"""What sending raises when the broker is away or does not let us in: a RabbitMQ's refusal kombu passes on as it is."""


def create_celery_app(settings: Settings) -> Celery:
    """A Celery app for this installation: it can send; `worker.app` adds the tasks."""
    app = Celery("echoworker")
    app.conf.update(
        # Kombu warns of a URL without a host, also where a host means nothing.
        broker_url=_url(settings),
        broker_use_ssl=_tls(settings.broker),
        broker_transport_options=_transport_options(settings),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a broker may be away for a weekend
        broker_heartbeat=0,  # a worker that is at a step for minutes answers none (amqp)
        task_routes={task_name(step): {"queue": step.value} for step in Step}
        | {RESCORE_TASK: {"queue": RESCORE_QUEUE}}
        | {task: {"queue": MAINTENANCE_QUEUE} for task in (REAP_TASK, SWEEP_TASK, RECEIVED_REPORTS_TASK, DRIFT_TASK)}
        | {task: {"queue": PEER_QUEUES[Purpose.DELIVER]} for task in (RECONCILE_TASK, CANARY_TASK)}
        | {PEER_TASKS[purpose]: {"queue": PEER_QUEUES[purpose]} for purpose in Purpose},
        wake_up_expires_s=settings.pipeline.wake_again_after_s,  # then the reaper sends another
        task_ignore_result=True,  # the registry holds the outcome
        task_acks_late=False,  # the registry's lease, not the broker, gives a lost step to somebody else
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        timezone="UTC",
        beat_schedule={
            "reap": {
                "task": REAP_TASK,
                "schedule": settings.pipeline.reap_every_s,
                # An expired wake-up, as that of a step, does nothing; it lies in its queue until a worker takes it.
                "options": {"expires": settings.pipeline.reap_every_s},
            },
            "received reports": {
                "task": RECEIVED_REPORTS_TASK,
                "schedule": settings.pipeline.reap_every_s,
                "options": {"expires": settings.pipeline.reap_every_s},
            },
            **{
                name: {"task": task, "schedule": NIGHTLY_LOOKS_EVERY_S, "options": {"expires": NIGHTLY_LOOKS_EVERY_S}}
                for name, task in (("reconcile", RECONCILE_TASK), ("drift", DRIFT_TASK))
            },
            "sweep": {"task": SWEEP_TASK, "schedule": SWEEP_EVERY_S, "options": {"expires": SWEEP_EVERY_S}},
        }
        | _rescoring(settings)
        | _canary(settings),
        beat_scheduler="config.beat:SparingScheduler",
        beat_max_loop_interval=BEAT_LOOKS_EVERY_S,
    )
    return app


def enqueue(app: Celery, step: Step, study_id: int) -> bool:
    """Announce that a study waits for a step; False when the broker is away (the reaper will)."""
    try:
        app.send_task(task_name(step), args=[study_id], retry=False, expires=app.conf.wake_up_expires_s)
    except BROKER_AWAY as error:
        emit(Event.BROKER_AWAY, step=step, study_id=study_id, error=type(error).__name__)
        return False
    return True


def enqueue_for_peer(app: Celery, purpose: Purpose, peer: str) -> bool:
    """Announce that something waits for a peer; False when the broker is away (the reaper will)."""
    try:
        app.send_task(PEER_TASKS[purpose], args=[peer], retry=False, expires=app.conf.wake_up_expires_s)
    except BROKER_AWAY as error:
        emit(Event.BROKER_AWAY, destination=peer, error=type(error).__name__)
        return False
    return True


def queues_with_room(app: Celery, queues: Collection[str]) -> list[str]:
    """Those of these queues that take more wake-ups; none while the broker is away. Of none, it is not asked.

    What has expired, and lies there until a worker comes, counts as well: it is what fills a broker.
    """
    if not queues:
        return []
    # Of its own: on a connection that has sent, RabbitMQ answers nothing while it is out of memory.
    connection = app.connection_for_write()
    try:
        with connection:
            channel = connection.default_channel
            declared = {queue: app.amqp.queues[queue](channel).queue_declare() for queue in queues}
    except (*BROKER_AWAY, *connection.connection_errors, *connection.channel_errors) as error:
        emit(Event.BROKER_AWAY, error=type(error).__name__)
        return []
    return [queue for queue in queues if declared[queue].message_count < QUEUE_HOLDS]


def _rescoring(settings: Settings) -> dict[str, dict[str, object]]:
    """Woken so often because it stops for every fresh study; outside of its window it does nothing."""
    if not settings.rescore.enabled:
        return {}
    every_s = settings.pipeline.reap_every_s
    return {"rescore": {"task": RESCORE_TASK, "schedule": every_s, "options": {"expires": every_s}}}


def _canary(settings: Settings) -> dict[str, dict[str, object]]:
    """Woken more often than one is sent: it looks what became of the last."""
    if not settings.canary.every_minutes:
        return {}
    every_s = CANARY_LOOKS_EVERY_S
    return {"canary": {"task": CANARY_TASK, "schedule": every_s, "options": {"expires": every_s}}}


def _url(settings: Settings) -> str:
    broker = settings.broker
    if broker.is_filesystem:
        return "filesystem://localhost"
    return url_with_password(broker.url, broker.password_file)


def _tls(broker: BrokerSettings) -> dict[str, object] | None:
    """As the client of this broker names it; the host in the URL has to be a name of the broker's certificate."""
    if not broker.is_secure:
        return None
    trusted = broker.trusted or ssl.get_default_verify_paths().cafile
    files = {"ca_certs": trusted, "certfile": broker.certificate or None, "keyfile": broker.private_key or None}
    if broker.url.startswith("rediss:"):
        checked = {"cert_reqs": ssl.CERT_REQUIRED, "check_hostname": True}
        return {f"ssl_{name}": value for name, value in {**files, **checked}.items()}
    return {**files, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": None}  # None: the host of the URL


def _transport_options(settings: Settings) -> dict[str, object]:
    if not settings.broker.is_filesystem:
        return {"socket_connect_timeout": 5, "socket_timeout": 15, "max_retries": 1}
    filesystem_broker.install()
    messages = _made(settings.broker_dir / "messages")
    return {
        "data_folder_in": str(messages),
        "data_folder_out": str(messages),
        "control_folder": str(_made(settings.broker_dir / "control")),
        "processed_folder": str(_made(settings.broker_dir / "taken")),
        "polling_interval": 0.2,
    }


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
