"""Whether reports come in: the listener, the watched folder, what waits to be registered, what matches no study."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.sections.consistency import ConsistencySettings
from config.settings import Settings
from db.consistency.received_reports import count_unmatched
from dicom_node.findings import Doubt, FaultError
from dicom_node.services import asked, require_listener
from dicom_node.spool import Spool
from worker.consistency.arriving.kept_reports import waiting_reports

RECENTLY = timedelta(days=7)


def received_reports(settings: Settings) -> str:
    """How reports come, and what became of those of the last days."""
    wanted = settings.consistency
    if not wanted.enabled:
        return "reports are not compared with images (consistency.enabled)"
    ways = [_listener(wanted)] if wanted.port else []
    ways += [_folder(Path(wanted.folder))] if wanted.folder else []
    _require_registered(settings)
    unmatched = _unmatched(settings)
    said = ", ".join(ways) or "none come by HL7 or a folder (consistency.port, consistency.folder)"
    if unmatched:
        raise Doubt(f"{said}; {unmatched} of the last 7 days have no study: echoworker reports --unmatched says why")
    return said


def _listener(wanted: ConsistencySettings) -> str:
    host, port = wanted.host, wanted.port
    require_listener(host, port, start_it=" for HL7 (consistency.port): start it with echoworker up, or node")
    how = "HL7 over TLS" if wanted.tls else "HL7"
    whom = f"{len(wanted.networks)} networks" if wanted.networks else "whoever reaches it"
    return f"{how} to {host}:{port}, which takes connections, of {whom}"


def _folder(folder: Path) -> str:
    if not folder.is_dir():
        raise FaultError(f"folder {folder} (consistency.folder) is not there: make it, or mount it")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise FaultError(f"folder {folder} (consistency.folder) cannot be read and written by this user")
    return f"files in {folder}"


def _require_registered(settings: Settings) -> None:
    patience_s = settings.pipeline.wake_again_after_s
    since = time.time() - patience_s
    waiting = sum(path.stat().st_ctime <= since for path in waiting_reports(Spool.of(settings)))
    if waiting:
        raise Doubt(
            f"{waiting} have waited longer than {patience_s:g} s to be registered (by the worker of maintenance, woken "
            "by echoworker beat): do these run, is the registry there, does the log say why not?"
        )


def _unmatched(settings: Settings) -> int:
    since = datetime.now(UTC) - RECENTLY
    return asked(settings, lambda session: count_unmatched(session, since=since)) or 0
