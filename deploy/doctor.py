"""`echoworker doctor`: is this installation fit to work, and if not, what to do."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

from kombu.exceptions import OperationalError
from sqlalchemy.exc import SQLAlchemyError

from config.broker import create_celery_app
from config.catalogue import load_catalogue
from config.errors import EchoWorkerError
from config.labels import ModelLabel
from config.peers import Role
from config.settings import Settings
from db.session import Database
from dicom_node.calling import Peer, called_peer, echo

OUR_PACKAGES = ("config", "db", "dicom_node", "worker", "dashboard", "deploy")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the examination; `said` tells what was seen and, for a fault, the remedy."""

    subject: str
    ok: bool
    said: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Check everything, one finding at a time; a fault in one does not hide the others."""
    checks: Iterable[tuple[str, Callable[[Settings], str]]] = (
        ("installation", _installation),
        ("data folder", _data_folder),
        ("registry", _registry),
        ("broker", _broker),
        ("task catalogue", _catalogue),
        ("model pack", _model_pack),
        ("node", _node),
    )
    for subject, check in checks:
        yield _finding(subject, check, settings)
    yield from _peers(settings)


class FaultError(EchoWorkerError):
    """Something is wrong; the message says what and the remedy."""


def _finding(subject: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(subject=subject, ok=True, said=check(settings))
    except EchoWorkerError as error:
        return Finding(subject=subject, ok=False, said=str(error))


def _installation(_: Settings) -> str:
    """Our package names are common words: another distribution may have put files over ours."""
    owners = packages_distributions()
    for name in OUR_PACKAGES:
        if (owned_by := set(owners.get(name, ["echoworker"]))) != {"echoworker"}:
            others = ", ".join(sorted(owned_by - {"echoworker"}))
            raise FaultError(
                f"package {name} also comes from {others}: install EchoWorker in an environment of its own"
            )
    return "our packages are ours alone"


def _data_folder(settings: Settings) -> str:
    try:
        settings.spool_dir.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(settings.spool_dir).free
    except OSError as error:
        raise FaultError(
            f"{settings.data_dir}: {error.strerror}; choose another with --data or ECHOWORKER_DATA_DIR"
        ) from error
    least = settings.node.minimum_free_bytes
    if free < least:
        raise FaultError(
            f"{free >> 20} MiB free on {settings.spool_dir}, below {least >> 20} MiB: the node answers A700"
        )
    return f"{settings.data_dir}, {free >> 30} GiB free"


def _registry(settings: Settings) -> str:
    try:
        at, needed = Database(settings.database_url).schema_revisions()
    except SQLAlchemyError as error:
        raise FaultError(
            f"cannot be opened ({type(error).__name__}); check database.url and that the server runs"
        ) from error
    if at != needed:
        raise FaultError(
            f"schema at {at or 'nothing'}, needed {needed}: run echoworker db upgrade (up does it by itself)"
        )
    return f"schema {at}"


def _broker(settings: Settings) -> str:
    try:
        with create_celery_app(settings).connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
    except (OperationalError, OSError) as error:
        raise FaultError(
            f"{_host_of(settings.broker.url)} cannot be reached; check broker.url and that it runs"
        ) from error
    return f"{_host_of(settings.broker.url)} answers"


def _catalogue(settings: Settings) -> str:
    catalogue = load_catalogue(settings.catalogue_path)
    return f"{len(catalogue.tasks)} tasks, {catalogue.digest[:12]}"


def _model_pack(settings: Settings) -> str:
    if not settings.model.pack:
        return "none configured: an UNTRAINED model is used, whose numbers mean nothing; set model.pack"
    from worker.loading import load_scoring_pack  # noqa: PLC0415  torch costs a second

    identity = load_scoring_pack(Path(settings.model.pack)).identity
    note = "" if identity.label is ModelLabel.CLINICAL else ", not for clinical use"
    return f"{identity.name} {identity.version} ({identity.label}{note}), {identity.digest[:12]}"


def _node(settings: Settings) -> str:
    node = settings.node
    host = "127.0.0.1" if node.host == "0.0.0.0" else node.host  # noqa: S104
    peer = Peer(host=host, port=node.port, ae_title=node.ae_title, calling_ae_title="DOCTOR")
    try:
        echo(peer)
    except EchoWorkerError as error:
        raise FaultError(f"{error}: is it running? Start it with echoworker up, or echoworker node") from error
    return f"{peer} answers C-ECHO"


def _peers(settings: Settings) -> Iterator[Finding]:
    if not settings.peers_in(Role.DESTINATION):
        yield Finding(subject="peers", ok=True, said="no destination configured: reports stay in the spool")
    for peer in settings.peers:
        if not peer.host:
            continue
        called = called_peer(settings, peer)
        try:
            echo(called)
            yield Finding(subject=f"peer {peer.name}", ok=True, said=f"{called} answers C-ECHO")
        except EchoWorkerError as error:
            remedy = f"{error}; check its address, and that it knows {settings.node.ae_title}"
            yield Finding(subject=f"peer {peer.name}", ok=False, said=remedy)


def _host_of(url: str) -> str:
    """A URL without the password that may be in it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
