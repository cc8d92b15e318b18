"""The canary: now and then a synthetic study is stored at our own node, and looked after until it has come through.

Nothing waits for it: the worker that sends it may be the one that has to work on it. What became of it is in the
registry, and so is when the last one set out, for whichever process is woken next.
"""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy.exc import SQLAlchemyError

from config.errors import AssociationRejectedError, DeliveryError, RefusedError
from config.logs import Event, emit, told_of
from config.sections.canary import CanarySettings
from config.settings import Settings
from db.away import say_away
from db.lifecycle.retention import embedding_paths_of
from db.monitoring.canaries import (
    CAME_THROUGH,
    FAILED,
    SENT,
    begin_canary,
    canary_uid,
    forget_canary,
    last_canary,
    locked_canary,
    note_canary_of,
    note_canary_sent,
    outlived_canaries,
)
from db.monitoring.tallies import heartbeats
from db.session import Database
from dicom_node.calling import Peer, own_host
from dicom_node.send import send_files
from dicom_node.spool import Spool
from dicom_node.tls import calling_context
from worker.context import WorkerContext
from worker.phantom.canary_study import make_canary_study
from worker.retention import remove_file

OF_A_STUDY = ("studies", "headers", "tensors", "reports", "heat")
"""Folders of the spool that have one for each study."""


def send_canary_if_due(context: WorkerContext, *, now: datetime) -> None:
    """See what became of the last one, send the next if its time has come, and remove what was kept long enough."""
    wanted = context.settings.canary
    if not wanted.every_minutes:
        return
    try:
        _look(context.database, wanted, now=now)
        with context.database.write() as session:
            every, within = timedelta(minutes=wanted.every_minutes), timedelta(seconds=wanted.within_s)
            is_due = begin_canary(session, every=every, within=within, now=now)
        if is_due:
            is_sent = _send(context)
            with context.database.write() as session:
                note_canary_sent(session, sent=is_sent, now=now)
        remove_outlived_canaries(context.settings, context.database, context.spool, now=now)
    except SQLAlchemyError as error:
        say_away(error, step=CAME_THROUGH)


def send_canary(settings: Settings, study_instance_uid: str, *, now: datetime) -> None:
    """Store a canary of this UID at the node, as a sender does.

    Raises
    ------
    ConfigurationError
        The certificate of `[tls]` cannot be used.
    DeliveryError
        The node is out of reach, does not let it in, or refuses an instance; the message says what to do.
    """
    node = node_as_called(settings)
    with TemporaryDirectory() as folder:
        files = make_canary_study(Path(folder), study_instance_uid, now=now)
        try:
            refused = [answer for answer in send_files(files, node) if not answer.accepted]
        except AssociationRejectedError as error:
            raise DeliveryError(
                f'{error}: let it in by a [[peers]] entry with ae_title = "{node.calling_ae_title}" and the role sender'
            ) from error
    if refused:
        raise RefusedError(f"{node}: does not take the canary: {refused[0]}")


def node_as_called(settings: Settings) -> Peer:
    """Our own node, as any sender calls it: by TLS where it speaks that.

    Raises
    ------
    ConfigurationError
        The certificate of `[tls]` cannot be used.
    """
    by_tls = settings.tls.enabled
    return Peer(
        host=own_host(settings.canary.host or settings.node.host),
        port=settings.tls.port if by_tls else settings.node.port,
        ae_title=settings.node.ae_title,
        calling_ae_title=settings.canary.calling_ae_title,
        tls=calling_context(settings.tls) if by_tls else None,
    )


def new_canary_uid(now: datetime) -> str:
    """Of a study that there is not yet."""
    return canary_uid(now, secrets.randbelow(10_000))


def remove_outlived_canaries(settings: Settings, database: Database, spool: Spool, *, now: datetime) -> int:
    """Remove those that were kept long enough, from spool and registry; how many.

    The files first: whoever is killed in between leaves a row that the next one finds.

    Raises
    ------
    SpoolAwayError
        The spool is out of sight.
    """
    before = now - timedelta(hours=settings.canary.keep_hours)
    with database.read() as session:
        outlived = outlived_canaries(session, before=before)
    if not outlived:
        return 0
    spool.require_there()
    waiting = spool.unregistered_studies()
    for uid in outlived:
        if uid not in waiting:
            with database.write() as session:
                number = locked_canary(session, uid)
                if number is not None:
                    _remove_files(spool, uid, embedding_paths_of(session, number))
                    forget_canary(session, number)
    return len(outlived)


def _remove_files(spool: Spool, study_instance_uid: str, embeddings: list[str]) -> None:
    for folder in OF_A_STUDY:
        spool.remove_folder(spool.root / folder / study_instance_uid)
    for path in embeddings:
        remove_file(spool, path, below="embeddings")


def _send(context: WorkerContext) -> bool:
    """Whether the node took it: one that starts beside this worker may not listen yet."""
    now = datetime.now(UTC)
    try:
        send_canary(context.settings, new_canary_uid(now), now=now)
    except Exception as error:  # noqa: BLE001  Celery would log its text; that it never came is told of in any case
        emit(Event.DUTY_FAILS, step=CAME_THROUGH, reason=told_of(error))
        return False
    return True


def _look(database: Database, wanted: CanarySettings, *, now: datetime) -> None:
    """Note what became of the one that set out last, once that is clear."""
    with database.read() as session:
        at = heartbeats(session)
        sent = at.get(SENT)
        if sent is None or max(at.get(CAME_THROUGH, sent), at.get(FAILED, sent)) > sent:
            return
        last = last_canary(session, since=sent, sent_on=bool(wanted.destinations))
    is_late = now - sent > timedelta(seconds=wanted.within_s)
    if (last is None or not last.has_ended) and not is_late:
        return
    came_through = last is not None and last.came_through
    with database.write() as session:
        is_noted = note_canary_of(session, sent, came_through=came_through, now=now)
    if not is_noted:
        return
    if last is None:
        emit(Event.CANARY_LOST, reason="the registry does not have it")
    elif not came_through:
        emit(Event.CANARY_LOST, study_instance_uid=last.study_instance_uid, reason=f"it is {last.state}")
