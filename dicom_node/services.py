"""Whether what the installation leans on is there: the registry, the broker, and what listens for others."""

import socket
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from config.broker import BROKER_AWAY, create_celery_app
from config.settings import Settings
from db.session import Database
from dicom_node.calling import own_host
from dicom_node.findings import Doubt, FaultError

Answer = TypeVar("Answer")
CONNECT_TIMEOUT_S = 5.0


def registry(settings: Settings) -> str:
    """The registry answers and has this version's schema."""
    there = Database.of(settings)
    if not there.is_there:
        raise FaultError("there is none: echoworker up makes one, and so does echoworker db upgrade")
    try:
        at, needed = there.schema_revisions()
    except SQLAlchemyError as error:
        raise FaultError(
            f"cannot be opened ({type(error).__name__}); check database.url and that the server runs"
        ) from error
    if at != needed:
        from db.migrating import what_brings_it_here  # noqa: PLC0415  Alembic is loaded where a schema is amiss

        raise FaultError(f"schema at {at or 'nothing'}, needed {needed}: {what_brings_it_here(at)}")
    return f"schema {at}"


def asked(settings: Settings, question: Callable[[Session], Answer]) -> Answer | None:
    """What the registry says; None where there is none yet.

    Raises
    ------
    Doubt
        It is away.
    """
    there = Database.of(settings)
    try:
        if not there.is_there:
            return None
        with there.read() as session:
            return question(session)
    except SQLAlchemyError as error:
        raise Doubt("cannot be told without the registry") from error


def broker(settings: Settings) -> str:
    """The broker takes connections."""
    if settings.broker.is_filesystem:
        return f"files under {settings.broker_dir}"
    try:
        app = create_celery_app(settings)
    except OSError as error:  # else it would be the broker that cannot be reached
        raise FaultError(f"{error.filename} cannot be read ({error.strerror}): is it of the service's user?") from error
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=5)
    except BROKER_AWAY as error:
        raise FaultError(
            f"{_host_of(settings.broker.url)} cannot be reached; check broker.url, that it runs, and that it lets us in"
        ) from error
    return f"{_host_of(settings.broker.url)} answers"


def require_listener(host: str, port: int, *, start_it: str) -> None:
    """Take up a connection with what listens here on `host` and `port`; `start_it` says what starts it.

    Raises
    ------
    FaultError
        Nothing does.
    """
    called = own_host(host)
    try:
        socket.create_connection((called, port), timeout=CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise FaultError(f"nothing listens on {called}:{port}{start_it}") from error


def _host_of(url: str) -> str:
    """A URL without the password that may be in it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
