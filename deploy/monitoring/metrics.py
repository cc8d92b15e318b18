"""What Prometheus is told. Labels are of closed lists, or names of the settings: no PHI, no UIDs, few series.

All of it is what the registry and the spool say, so that any number of processes on any number of hosts need no word
with each other. What the steps did is counted from the start of this process on, as Prometheus expects of a counter.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TypeVar

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client import Counter as Counted
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from config.logs import Event, emit
from config.settings import Settings
from db.away import say_away
from db.journal_tail import JournalTail
from db.monitoring.figures import CLOSE, Figures, LastCanary, read_figures
from db.session import Database
from db.states import LEASED_STEPS, DeliveryState, StudyState
from deploy.monitoring.known import known_peers
from dicom_node.quarantine import count_quarantined
from dicom_node.reception.reporting import associations_of_receivers
from dicom_node.spool import Spool

Labels = TypeVar("Labels", bound=tuple[str, ...])
FORMER = "former"
"""Stands for all destinations and peers that are configured no more."""
BUCKETS_S = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200)
_WAITING_FOR = (CLOSE, *LEASED_STEPS, "deliver")


class Metrics(Collector):
    """One process's view of the whole installation."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._spool = Spool.of(settings)
        self._tail = JournalTail()
        self._figures: Figures | None = None
        self._schema: tuple[str | None, str | None] = (None, None)
        self._away = False
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._durations = Histogram(
            "echoworker_step_duration_seconds",
            "How long steps took that moved their study on; deliver: from the report to the last destination.",
            ["step"],
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._failed = Counted(
            "echoworker_attempts_failed", "Attempts of steps that failed.", ["step"], registry=self._registry
        )

    def text(self) -> bytes:
        """All metrics, in Prometheus' text format 0.0.4."""
        self._ask_the_registry()
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client."""
        yield _info("echoworker_build", "This software.", {"version": version("echoworker")})
        yield _one("echoworker_registry_up", "Whether the registry answers.", self._figures is not None)
        yield from self._of_the_spool()
        if self._figures is not None:
            at, needed = self._schema
            schema = {"at": at or "", "needed": needed or ""}
            yield _info("echoworker_registry_schema", "The registry's migration, and the one that is needed.", schema)
            yield from self._of_the_registry(self._figures)

    def _ask_the_registry(self) -> None:
        """Without it, the rest is told all the same."""
        self._figures = None
        if not self._database.is_there:
            return
        try:
            with self._database.read() as session:
                figures = read_figures(session, now=datetime.now(UTC))
                attempts = list(self._tail.read(session))
            self._schema = self._database.schema_revisions()
        except SQLAlchemyError as error:
            if not self._away:
                say_away(error, step="metrics")
            self._away = True
            return
        if self._away:
            emit(Event.REGISTRY_BACK)
        self._away, self._figures = False, figures
        for attempt in attempts:
            if attempt.has_failed:
                self._failed.labels(attempt.step).inc()
            elif attempt.duration_s is not None:
                self._durations.labels(attempt.step).observe(attempt.duration_s)

    def _of_the_spool(self) -> Iterator[Metric]:
        minimum = self._settings.node.minimum_free_bytes
        yield _one("echoworker_spool_minimum_free_bytes", "Below this the node answers A700.", minimum)
        with suppress(OSError):
            free = shutil.disk_usage(self._spool.root).free
            yield _one("echoworker_spool_free_bytes", "Free where the spool lies.", free)
        with suppress(OSError):
            unregistered = "Received instances that the registry does not know yet."
            yield _one("echoworker_instances_unregistered", unregistered, self._spool.count_waiting())
            quarantined = count_quarantined(self._spool)
            yield _one("echoworker_quarantined_instances", "Instances that lie in quarantine.", quarantined)
            receivers = associations_of_receivers(self._spool, now=datetime.now(UTC))
            yield _one("echoworker_receivers", "Receiving processes that are alive.", len(receivers))
            yield _one("echoworker_associations_open", "Associations that senders have open.", sum(receivers))

    def _of_the_registry(self, figures: Figures) -> Iterator[Metric]:
        yield _counted(
            "echoworker_instances", "C-STORE requests, by the status that answered them.", "status", figures.instances
        )
        outcomes = {"accepted": 0, "refused": 0} | dict(figures.associations)
        yield _counted("echoworker_associations", "Requests for an association.", "outcome", outcomes)
        states = {state.value: 0 for state in StudyState} | dict(figures.studies)
        by_state = {(state,): count for state, count in states.items()}
        yield _gauge("echoworker_studies", "Studies by state.", ["state"], by_state)
        now = datetime.now(UTC)
        waiting = {
            (str(step),): max((now - figures.waiting_since.get(step, now)).total_seconds(), 0) for step in _WAITING_FOR
        }
        yield _gauge("echoworker_oldest_waiting_seconds", "How long the oldest waits for a step.", ["step"], waiting)
        yield from self._of_peers(figures)
        yield _gauge(
            "echoworker_heartbeat_timestamp_seconds",
            "When this part was last alive; beat: with the broker, and a worker for maintenance.",
            ["part"],
            {(name,): at.timestamp() for name, at in figures.heartbeats.items()},
        )
        if figures.last_instance_at is not None:
            at = figures.last_instance_at.timestamp()
            yield _one("echoworker_last_instance_timestamp_seconds", "When the last instance came.", at)
        missing = {(archive,): count for archive, count in figures.missing_studies.items()}
        said = "Studies of the last 7 days that an archive has and that never came here."
        yield _gauge("echoworker_archive_missing_studies", said, ["archive"], missing)
        drifted = {(grouping,): figures.drifted.get(grouping, 0) for grouping in ("all", "device", "sender")}
        yield _gauge("echoworker_drifted", "Kinds of answers that have drifted.", ["grouping"], drifted)
        if figures.canary is not None:
            yield from _of_the_canary(figures.canary)
        if figures.model is not None:
            yield _info("echoworker_model", "The model that scored last.", vars(figures.model))

    def _of_peers(self, figures: Figures) -> Iterator[Metric]:
        known = known_peers(self._settings)
        deliveries = _by_known(figures.deliveries, known)
        labels = ["destination", "state"]
        yield _gauge("echoworker_deliveries", "Objects for destinations, by state.", labels, deliveries)
        dead = sum(count for (_, state), count in deliveries.items() if state == DeliveryState.DEAD)
        yield _one("echoworker_dead_letters", "Objects that were refused for good and wait for a person.", dead)
        forwards = {(peer,): count for peer, count in figures.forwards.items() if peer in known}
        yield _gauge("echoworker_forwards_due", "Instances that wait to be forwarded.", ["peer"], forwards)
        circuits = {
            (purpose.value, peer): float(until is not None)
            for (purpose, peer), until in figures.pauses.items()
            if peer in known
        }
        said = "1 while nothing is sent, as the peer is in trouble."
        yield _gauge("echoworker_circuit_open", said, ["purpose", "peer"], circuits)


def _of_the_canary(canary: LastCanary) -> Iterator[Metric]:
    stages = {(stage,): seconds for stage, seconds in canary.stages.items()}
    yield _gauge("echoworker_canary_stage_seconds", "Of the last canary, as far as it has come.", ["stage"], stages)
    said = "When the last canary set out."
    yield _one("echoworker_canary_sent_timestamp_seconds", said, canary.set_out_at.timestamp())


def _by_known(counts: Mapping[tuple[str, str], int], known: set[str]) -> Counter[tuple[str, ...]]:
    """Of names that are in the settings no more, the sum: what was ever configured is no bounded list."""
    sums: Counter[tuple[str, ...]] = Counter()
    for (name, state), count in counts.items():
        sums[name if name in known else FORMER, state] += count
    return sums


def _one(name: str, said: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, said, value=value)


def _gauge(name: str, said: str, labels: list[str], values: Mapping[Labels, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, said, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _counted(name: str, said: str, label: str, values: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, said, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def _info(name: str, said: str, facts: Mapping[str, str]) -> InfoMetricFamily:
    return InfoMetricFamily(name, said, value=dict(facts))
