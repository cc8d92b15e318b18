"""What every page works with: the installation's settings, registry, catalogue and audit trail."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import BoundedSemaphore
from typing import Annotated

from fastapi import Depends, Request

from config.catalogue import Catalogue, load_catalogue
from config.kept_answers import Kept
from config.settings import Settings
from dashboard.recently import Recently
from db.session import Database
from dicom_node.audit.trail import AuditTrail
from dicom_node.findings import Finding
from dicom_node.readiness import look

EXPORTS_AT_ONCE = 2
"""Of one process."""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Opened once a process, handed to every request."""

    settings: Settings
    database: Database
    catalogue: Catalogue
    trail: AuditTrail
    checks: Kept[list[Finding]]
    """Whether the node can do its work; looked at seldom, as it takes a moment."""
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    """Aware."""
    recently: Recently = field(default_factory=Recently)
    """What was written into the audit trail a moment ago."""
    exports: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(EXPORTS_AT_ONCE))
    """Places for exports: each holds a connection to the registry for as long as whoever takes it is slow."""

    @classmethod
    def of(cls, settings: Settings) -> "Installation":
        """The one that these settings describe.

        Raises
        ------
        ConfigurationError
            The database's URL, the key of identities or the task catalogue is wrong.
        """
        return cls(
            settings=settings,
            database=Database.of(settings),
            catalogue=load_catalogue(settings.catalogue_path),
            trail=AuditTrail(settings),
            checks=Kept(lambda: look(settings), for_s=settings.monitoring.answers_kept_s),
        )


def _installation(request: Request) -> Installation:
    installation: Installation = request.app.state.installation
    return installation


Here = Annotated[Installation, Depends(_installation)]
"""For functions that answer requests: the installation."""
