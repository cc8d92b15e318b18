"""How an installation is watched: where it says how it is doing, and whom it tells when something is wrong."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from config.sections.credentials import refuse_token_in_the_open, refuse_user_in, require_files, require_port
from config.sections.peers import Port
from config.sections.time_window import require_window

Days = Annotated[tuple[Annotated[int, Field(ge=1, le=7)], ...], Field(min_length=1)]
"""Of the week: 1 is Monday (ISO 8601)."""


class AlertCause(StrEnum):
    """What somebody may want to be told of."""

    REGISTRY_AWAY = "registry-away"
    BROKER_AWAY = "broker-away"
    STANDS_STILL = "stands-still"
    """Beat, or the worker for maintenance, has given no sign of life."""
    DEAD_LETTER = "dead-letter"
    STUDY_FAILED = "study-failed"
    CIRCUIT_OPEN = "circuit-open"
    SPOOL_LOW = "spool-low"
    NOTHING_RECEIVED = "nothing-received"
    CERTIFICATE_EXPIRES = "certificate-expires"
    NO_BACKUP = "no-backup"
    """`echoworker backup` made one once, and has made none for long."""
    STUDIES_MISSING = "studies-missing"
    """An archive has echo studies that never came to us (`echoworker reconcile`)."""
    DRIFT = "drift"
    CANARY = "canary"
    """A synthetic study did not come through (`echoworker canary`)."""


class AlertKind(StrEnum):
    """How they are told."""

    WEBHOOK = "webhook"
    """JSON, posted to a URL."""
    COMMAND = "command"
    """The same JSON on the standard input of a command."""


class AlertSettings(BaseModel):
    """Somebody who is told when something is wrong, and when it is right again: without PHI, without UIDs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=32)
    kind: AlertKind
    url: str = ""
    trusted: str = ""
    """PEM bundle of the authorities that signed the server's certificate; empty: the system's."""
    bearer_token_file: str = ""
    command: tuple[str, ...] = ()
    """A program and its arguments; no shell."""
    causes: tuple[AlertCause, ...] = Field(default=tuple(AlertCause), min_length=1)
    """What of all that may be wrong it is told of."""

    @model_validator(mode="after")
    def _can_be_told(self) -> Self:
        if (self.kind is AlertKind.COMMAND) != bool(self.command) or (self.kind is AlertKind.WEBHOOK) != bool(self.url):
            raise ValueError("kind webhook needs a url and no command, kind command a command and no url")
        if self.url:
            parts = urlsplit(self.url)
            require_port(parts)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("url is http://host or https://host")
            refuse_user_in(parts)
            refuse_token_in_the_open(self.bearer_token_file, is_secure=parts.scheme == "https")
        require_files(self.trusted, self.bearer_token_file)
        return self


class AlertingSettings(BaseModel):
    """What is wrong enough for an alert."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    look_every_s: float = Field(gt=0)
    repeat_after_h: float = Field(gt=0)
    """What is still wrong is said again after so long."""
    circuit_open_for_s: float = Field(ge=0)
    nothing_received_for_h: float = Field(ge=0)
    """Of working hours; 0: nobody is told."""
    working_hours: str
    """HH:MM-HH:MM, by this machine's clock; over midnight too."""
    working_days: Days
    certificate_expires_within_days: int = Field(ge=0)
    no_backup_for_days: int = Field(ge=0)
    """Since the last one of `echoworker backup`; where it never made one nobody is told, nor with 0."""

    @model_validator(mode="after")
    def _working_hours_are_a_window(self) -> Self:
        require_window(self.working_hours)
        return self

    def lacks_a_backup(self, last: datetime, *, now: datetime) -> bool:
        """Whether somebody is to be told that none was made since the last one."""
        days = self.no_backup_for_days
        return days > 0 and now - last > timedelta(days=days)


class ReconcileSettings(BaseModel):
    """The nightly look at what the archives have and we have not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: str = Field(pattern=r"^$|^([01]\d|2[0-3]):[0-5]\d$")
    """Time of day, by the clock of the worker; empty: never by itself."""
    days: int = Field(ge=1, le=366)
    """How many days back, today included."""
    fetch: bool
    """Whether what is missing is fetched."""
    study_descriptions: tuple[str, ...]
    """Shell globs, upper and lower case the same: the studies that should be here; empty: all of ultrasound."""


class DriftSettings(BaseModel):
    """The nightly look whether the answers are still distributed as they were (docs/drift.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: str = Field(pattern=r"^$|^([01]\d|2[0-3]):[0-5]\d$")
    """Time of day, by the clock of the worker; empty: never by itself."""
    recent_days: int = Field(ge=1, le=366)
    reference_days: int = Field(ge=1, le=3660)
    """Before the recent ones."""
    minimum_studies: int = Field(ge=10)
    """With fewer recent answers nothing is said; of the reference there have to be three times as many."""
    threshold: float = Field(gt=0)
    """Of the population stability index; a difference has to be beyond chance as well."""


class MonitoringSettings(BaseModel):
    """The page for Prometheus and for probes (docs/monitoring.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    port: Port
    """0: there is none."""
    answers_kept_s: float = Field(ge=0)
    """However often it is asked, the registry is asked once in so many seconds."""
    alerting: AlertingSettings
    reconcile: ReconcileSettings
    drift: DriftSettings
