"""Logs are events from a closed list with allow-listed fields: no patient name, id or birth date can slip in.

Study, series and instance UIDs identify objects for the PACS administrator; free text from a data set never
is a field. The loggers of the DICOM libraries, which print data set values, are silenced.
"""

import logging
import sys
import traceback
import warnings
from contextlib import suppress
from enum import StrEnum
from typing import TextIO, TypedDict, Unpack

import structlog

from config.errors import EchoWorkerError
from config.library_logs import LibraryLines


class Event(StrEnum):
    """Everything that this software logs."""

    NODE_LISTENING = "node listening"
    NODE_DRAINING = "node draining: no new associations"
    RECEIVING_STOPPED = "receiving stopped"
    ASSOCIATION_REJECTED = "association rejected"
    ASSOCIATION_BROKEN = "association broken off"
    CERTIFICATES_READ_ANEW = "certificates and revocation lists read anew"
    CERTIFICATES_UNUSABLE = "changed certificates or revocation lists cannot be used: those before stay"
    INSTANCE_STORED = "instance stored"
    INSTANCE_REPEATED = "instance already stored, same bytes"
    INSTANCE_REFUSED = "instance refused"
    INSTANCE_UNREADABLE = "instance in the spool cannot be read: it waits"
    SPOOL_AWAY = "spool cannot be written"
    INSTANCE_QUARANTINED = "instance quarantined"
    REGISTRY_AWAY = "registry away: work waits"
    REGISTRY_LACKS_TABLES = "registry lacks tables of this version: work waits for echoworker db upgrade"
    REGISTRY_BACK = "registry back"
    REGISTRY_CATCHES_UP = "instances found that the registry does not have"
    DUTY_FAILS = "a duty fails: it is tried again, the others go on"
    DUTY_DONE_AGAIN = "a duty is done again"
    FILE_SET_ASIDE = "file of the spool cannot be used: set aside"
    STUDY_READY = "study quiet, ready"
    STUDY_REOPENED = "late instance, study re-opened"
    BROKER_AWAY = "broker away: the reaper will announce the step"
    STEP_STARTED = "step started"
    STEP_FINISHED = "step finished"
    STEP_FAILED = "step failed"
    STEP_NOT_DUE = "step not due"
    LEASE_LOST = "lease lost: work discarded"
    STEPS_REAPED = "overdue steps announced again"
    MODEL_LOADED = "model loaded"
    SEARCH_WITHOUT_MODEL = "the model for retrieval cannot be loaded: studies are scored, and search does not have them"
    EMBEDDINGS_REMOVED = "embeddings of a model that is not in use any more removed"
    REMOVED_BY_AGE = "studies have lost what was kept of them for its time"
    NOT_SEARCHABLE = "study scored, but the model for retrieval failed on it: search does not have it"
    PICTURE_NOT_MADE = "picture of a result cannot be made: its report goes without"
    OBJECT_SENT = "object sent"
    OBJECT_NOT_SENT = "object not accepted"
    DELIVERY_GIVEN_UP = "delivery given up: a dead letter"
    DELIVERIES_CANCELLED = "deliveries cancelled"
    COMMITMENT_REQUESTED = "storage commitment requested of us"
    COMMITMENT_REFUSED = "storage commitment: request or report not understood"
    COMMITMENT_REPORTED = "storage commitment reported"
    COMMITMENT_NOT_REPORTED = "storage commitment could not be reported: it waits"
    COMMITMENT_GIVEN_UP = "storage commitment never reported: its file is put aside"
    COMMITMENT_RECEIVED = "storage commitment of a destination received"
    COMMITMENT_UNKNOWN = "storage commitment of an unknown transaction received"
    AUDIT_REPOSITORY_AWAY = "audit repository away: messages wait in their file"
    AUDIT_REPOSITORY_BACK = "audit repository back: messages that waited were sent"
    AUDIT_NOT_WRITTEN = "audit trail cannot be written: messages wait in memory"
    AUDIT_WRITTEN_AGAIN = "audit trail written again"
    AUDIT_MESSAGE_LOST = "audit message lost: too many wait in memory"
    AUDIT_LINE_DAMAGED = "damaged line in the audit trail: not sent"
    STUDY_FETCHED = "study fetched from an archive"
    STUDY_NOT_FETCHED = "study not fetched from an archive"
    PEER_OUT_OF_REACH = "peer out of reach or resources: what is to go there waits"
    FORWARDS_CANCELLED = "forwards given up"
    PROCESS_STARTED = "process started"
    PROCESS_ENDED = "process ended unexpectedly, starting again"
    DEVICE_FAILS = "GPU failed its check: the next one is tried"
    DEVICE_SET_ASIDE = "GPU set aside: it has failed its check too often, and is used no more"
    DEVICE_USED_AGAIN = "GPU said to be mended: it is checked, and used, from the next loading of a model on"
    ON_CPU_INSTEAD = "no GPU is fit to be used: the model runs on the CPU, slowly"
    CLOCK_WENT_BACK = "times found further ahead than they can be: a clock was set back, and they are too"
    WORK_HANDED_BACK = "worker stopped before its work was done: others may take it"
    QUEUE_PAUSED = "queue paused: nothing of it begins until somebody resumes it"
    QUEUE_RESUMED = "queue resumed"
    WORKER_DIED = "worker died: what it held is tried again"
    SHUTTING_DOWN = "shutting down"
    STILL_ENDING = "shutting down takes its time: this process finishes what it is at"
    STOPPED = "stopped"
    REPORT_RECEIVED = "report received: it waits in the inbox"
    REPORT_REFUSED = "report refused"
    REPORT_MATCHED = "report registered, of a study"
    REPORT_UNMATCHED = "report registered, of no study so far"
    LISTENING_FOR_REPORTS = "listening for reports"
    MONITORING_LISTENING = "listening for monitoring"
    DASHBOARD_LISTENING = "dashboard listening"
    DASHBOARD_ACCOUNT_MADE = "account admin made for the dashboard: its password is in this file"
    RECONCILED = "archive and registry compared: nothing is missing"
    STUDIES_MISSING = "archive and registry compared: studies are missing, or it could not be asked"
    DRIFT_FOUND = "answers are distributed otherwise than before"
    CANARY_LOST = "canary has not come through"
    ALERT_TOLD = "alert told"
    ALERT_NOT_TOLD = "alert could not be told: tried again"
    REPORT_NOT_READ = "report of a study cannot be read: it is not compared"
    RESCORING_STARTED = "re-scoring started: results are answered anew, beside the current ones"
    RESCORING_MOVED = "re-scoring went on"
    DISCORDANCES_FOUND = "reports of a study and its images do not agree"
    LIBRARY_SAYS = "a library has something to say"
    REPORTED_AGAIN = "other reports of a study say otherwise now: its report is built once more"


_WARNINGS = {
    Event.ASSOCIATION_REJECTED,
    Event.ASSOCIATION_BROKEN,
    Event.CERTIFICATES_UNUSABLE,
    Event.INSTANCE_REFUSED,
    Event.INSTANCE_QUARANTINED,
    Event.INSTANCE_UNREADABLE,
    Event.SPOOL_AWAY,
    Event.REGISTRY_AWAY,
    Event.REGISTRY_LACKS_TABLES,
    Event.DUTY_FAILS,
    Event.FILE_SET_ASIDE,
    Event.BROKER_AWAY,
    Event.STEP_FAILED,
    Event.CANARY_LOST,
    Event.LEASE_LOST,
    Event.SEARCH_WITHOUT_MODEL,
    Event.NOT_SEARCHABLE,
    Event.PICTURE_NOT_MADE,
    Event.OBJECT_NOT_SENT,
    Event.DELIVERY_GIVEN_UP,
    Event.DELIVERIES_CANCELLED,
    Event.STUDY_NOT_FETCHED,
    Event.PEER_OUT_OF_REACH,
    Event.FORWARDS_CANCELLED,
    Event.AUDIT_REPOSITORY_AWAY,
    Event.AUDIT_NOT_WRITTEN,
    Event.AUDIT_MESSAGE_LOST,
    Event.AUDIT_LINE_DAMAGED,
    Event.PROCESS_ENDED,
    Event.WORKER_DIED,
    Event.CLOCK_WENT_BACK,
    Event.DEVICE_FAILS,
    Event.DEVICE_SET_ASIDE,
    Event.ON_CPU_INSTEAD,
    Event.QUEUE_PAUSED,
    Event.REPORT_REFUSED,
    Event.REPORT_NOT_READ,
    Event.STUDIES_MISSING,
    Event.DRIFT_FOUND,
    Event.ALERT_TOLD,
    Event.ALERT_NOT_TOLD,
    Event.LIBRARY_SAYS,
}
"""Logged with the level `warning`: somebody may have to look after it. All others are `info`."""


class EventFields(TypedDict, total=False):
    """The only fields that an event may have."""

    study_instance_uid: str
    sop_instance_uid: str
    transaction_uid: str
    study_id: int
    revision: int
    step: str
    state: str
    attempt: int
    duration_ms: int
    calling_ae_title: str
    called_ae_title: str
    ae_title: str
    destination: str
    host: str
    port: int
    status: str
    reason: str
    """One of our own error messages (config.errors), which hold no PHI by contract."""
    error: str
    """The type and place of an unexpected error; never its text."""
    count: int
    batch: int
    """The number of a batch of re-scoring."""
    process_name: str
    pid: int
    report: str
    """The first letters of the id of a received report."""
    model: str
    device: str
    """A GPU by torch's name."""
    label: str
    path: str
    library: str
    said: str
    """By a library: of a broker or the like. Those that see data sets are silenced (`_silence_libraries`)."""


_log = structlog.get_logger("echoworker")


def emit(event: Event, **fields: Unpack[EventFields]) -> None:
    """Log one event. A field outside `EventFields` is a programming error.

    Raises
    ------
    TypeError
        A field is not on the list.
    """
    if unknown := fields.keys() - EventFields.__annotations__.keys():
        raise TypeError(f"not a log field: {', '.join(sorted(unknown))}")
    with suppress(OSError, ValueError):  # standard error is closed or its pipe is broken: work goes on without a log
        log = _log.warning if event in _WARNINGS else _log.info
        log(event.value, **fields)


def configure_logs(*, process: str, stream: TextIO | None = None) -> None:
    """Log to standard error: lines for people on a terminal, JSON otherwise; `process` is on every line."""
    stream = stream or sys.stderr
    structlog.configure(
        processors=[
            _naming(process),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer() if stream.isatty() else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    logging.basicConfig(level=logging.WARNING, handlers=[LibraryLines(_quote)])
    _silence_libraries()


def _quote(library: str, said: str) -> None:
    emit(Event.LIBRARY_SAYS, library=library, said=said)


def _silence_libraries() -> None:
    """Their log lines and warnings quote the values of data sets and documents.

    celery.app.trace logs the text and the traceback of whatever leaves a task, uvicorn.error of whatever leaves a page:
    what failed, our own events say.
    """
    for library in ("pynetdicom", "pydicom", "highdicom", "pypdf", "celery.app.trace", "uvicorn.error"):
        silenced = logging.getLogger(library)
        silenced.handlers = [logging.NullHandler()]
        silenced.propagate = False
        warnings.filterwarnings("ignore", module=library)


def _naming(process: str) -> structlog.typing.Processor:
    def name(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {"process": process, **event}

    return name


def told_of(error: Exception) -> str:
    """What may be written down of an error: the text of ours, which holds no PHI; of any other its type and place."""
    return str(error) if isinstance(error, EchoWorkerError) else place_of(error)


def place_of(error: BaseException) -> str:
    """Type and innermost place of an unexpected error, without its text, which may quote a data set."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    frame = trace.tb_frame
    module = frame.f_globals.get("__name__")
    return f"{type(error).__name__} in {module}.{frame.f_code.co_name}:{trace.tb_lineno}"


def frames_of(error: BaseException) -> str:
    """Where an error came from, and those that it came of: types, files, lines and functions; no text, no values."""
    parts, seen = [], set[int]()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        walked = traceback.walk_tb(link.__traceback__)
        frames = [f"  {frame.f_code.co_filename}:{line} in {frame.f_code.co_name}" for frame, line in walked]
        parts.append("\n".join([f"{type(link).__name__}, most recent call last", *frames]))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\nwhich came of\n".join(parts)
