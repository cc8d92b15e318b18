"""Alerts: looks every few seconds at what is wrong, and tells who wants to know, once, and again after a while.

Not a task of the pipeline: that the broker is away, or beat, is what somebody has to be told. Who knows what is kept in
the registry, so that restarts and several nodes say nothing twice; that the registry itself is away, this process
remembers.
"""

import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from config.errors import EchoWorkerError
from config.logs import Event, emit, place_of
from config.sections.monitoring import AlertCause, AlertSettings
from config.settings import Settings
from db.away import lacks_tables
from db.monitoring.alerts import (
    Alert,
    Condition,
    alert_not_told,
    alert_told,
    forget_other_receivers,
    note_conditions,
    take_alerts,
)
from db.session import Database
from deploy.monitoring.conditions import conditions_of_registry, conditions_without_registry
from deploy.monitoring.telling import tell
from dicom_node.duties import is_of_the_registry

AWAY_FOR = timedelta(seconds=60)
"""A registry that starts again is not worth a word."""
AWAY = "the registry does not answer"
NOT_THERE = "there is no registry (echoworker restore brings one back, echoworker db upgrade makes an empty one)"
WITHOUT_TABLES = "the registry lacks tables of this version, which echoworker db upgrade makes"


SUBJECT_AT_MOST = 64
"""Characters, as the registry keeps it."""


def _now() -> datetime:
    return datetime.now(UTC)


class Alerts:
    """One process's part in telling."""

    def __init__(
        self, settings: Settings, database: Database, *, clock: Callable[[], datetime] = _now, host: str = ""
    ) -> None:
        self._settings = settings
        self._alerting = settings.monitoring.alerting
        self._again_after = timedelta(hours=self._alerting.repeat_after_h)
        self._database = database
        self._clock = clock
        self._host = host or socket.gethostname()[:SUBJECT_AT_MOST]
        self._away_since: datetime | None = None
        self._what_is_away = AWAY
        self._told_away: dict[str, datetime] = {}
        """When each receiver was last told that the registry is away."""

    def run(self, stop: threading.Event) -> None:
        """Look until `stop` is set."""
        while not stop.wait(self._alerting.look_every_s):
            try:
                self.look_once()
            except Exception as error:  # noqa: BLE001  who watches the others outlives every fault
                emit(Event.DUTY_FAILS, step="alerts", error=place_of(error))

    def look_once(self) -> None:
        """See what is wrong, and tell it."""
        now = self._clock()
        if not self._database.is_there:
            self._registry_is_away(now, NOT_THERE)
            return
        found = list(conditions_without_registry(self._settings, host=self._host, now=now))
        try:
            with self._database.read() as session:
                found += conditions_of_registry(self._settings, session, now=now)
            for receiver in self._settings.alerts:
                self._note(receiver, found, now)
            with self._database.write() as session:
                forget_other_receivers(session, [receiver.name for receiver in self._settings.alerts], now=now)
        except SQLAlchemyError as error:
            if not is_of_the_registry(error):
                raise
            self._registry_is_away(now, WITHOUT_TABLES if lacks_tables(error) else AWAY)
            return
        self._registry_is_there()
        for receiver in self._settings.alerts:
            self._tell_due(receiver)

    def _note(self, receiver: AlertSettings, found: list[Condition], now: datetime) -> None:
        wanted = [condition for condition in found if condition.cause in receiver.causes]
        with self._database.write() as session:
            note_conditions(session, receiver.name, wanted, host=self._host, now=now, again_after=self._again_after)

    def _tell_due(self, receiver: AlertSettings) -> None:
        with self._database.write() as session:
            due = take_alerts(session, receiver.name, host=self._host, now=self._clock())
        for alert in due:
            was_told = self._tell(receiver, alert)
            now = self._clock()
            with self._database.write() as session:
                if was_told:
                    alert_told(session, alert, now=now, again_after=self._again_after)
                else:
                    alert_not_told(session, alert, now=now)

    def _registry_is_away(self, now: datetime, what: str) -> None:
        """Every receiver is tried each time, until it has been told."""
        self._what_is_away = what
        self._away_since = self._away_since or now
        if now - self._away_since < AWAY_FOR:
            return
        for receiver in self._settings.alerts:
            told_at = self._told_away.get(receiver.name)
            is_due = told_at is None or now - told_at >= self._again_after
            if AlertCause.REGISTRY_AWAY in receiver.causes and is_due and self._tell(receiver, self._away(receiver)):
                self._told_away[receiver.name] = now

    def _registry_is_there(self) -> None:
        for receiver in self._settings.alerts:
            if receiver.name in self._told_away and self._tell(receiver, self._away(receiver, is_resolved=True)):
                del self._told_away[receiver.name]
        if not self._told_away:
            self._away_since = None

    def _away(self, receiver: AlertSettings, *, is_resolved: bool = False) -> Alert:
        return Alert(
            receiver=receiver.name,
            cause=AlertCause.REGISTRY_AWAY,
            subject="",
            said=f"{self._what_is_away}: the node goes on receiving, and nothing is scored or delivered",
            since=self._away_since or self._clock(),
            is_resolved=is_resolved,
        )

    def _tell(self, receiver: AlertSettings, alert: Alert) -> bool:
        try:
            tell(self._settings, receiver, alert, now=self._clock())
        except EchoWorkerError as error:
            emit(Event.ALERT_NOT_TOLD, destination=receiver.name, step=alert.cause, reason=str(error))
            return False
        emit(Event.ALERT_TOLD, destination=receiver.name, step=alert.cause, reason=alert.said)
        return True
