"""The connection to the registry: the engine for SQLite or PostgreSQL, and short transactions on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

import db.tables.metadata  # noqa: F401  the first write would miss a table that another refers to
from config.errors import ConfigurationError, RegistryError
from config.settings import Settings
from db.identities import IdentityKeeper, set_keeper
from db.identity_keeping import require_keeping

_LONGEST_STATEMENT_MS = 60_000
_PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "tcp_user_timeout": 20_000,
    "options": f"-c statement_timeout={_LONGEST_STATEMENT_MS}",
}
"""libpq: a server that is gone without a word is noticed in seconds, and no statement of ours takes a minute, but for
those of a migration."""


class Database:
    """The registry, opened once a process; `read` and `write` give short transactions."""

    def __init__(self, url: str, identities: IdentityKeeper | None = None) -> None:
        """Open lazily: nothing connects before the first transaction. Without a keeper, identities are plain.

        Raises
        ------
        ConfigurationError
            The URL is not one of SQLite or PostgreSQL (postgresql+psycopg).
        """
        self.url = url
        self._engine = _create_engine(url)
        self._identities = identities or IdentityKeeper()
        self._identities_are_as_settings_say = False
        set_keeper(self._engine.dialect, self._identities)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The registry of an installation.

        Raises
        ------
        ConfigurationError
            As above, or the key of patient identities cannot be read.
        """
        privacy = settings.privacy
        return cls(settings.database_url, IdentityKeeper(privacy.patient_identities, privacy.secret()))

    @property
    def is_there(self) -> bool:
        """Whether there is something to connect to; SQLite would make an empty file of a registry that is not."""
        return self._file is None or self._file.exists()

    @property
    def _file(self) -> Path | None:
        """The file of an SQLite registry."""
        url = self._engine.url
        return Path(url.database) if url.drivername == "sqlite" and url.database else None

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction that may change rows: committed at the end of the block, or rolled back."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            settled = self._identities_are_settled(session, may_begin=True)
            yield session
        self._identities_are_as_settings_say = settled

    @contextmanager
    def converting(self) -> Iterator[Session]:
        """As `write`, however identities are kept: for what changes that."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One transaction that only reads and holds no lock that a writer waits for."""
        reading = self._engine.execution_options(echoworker_read_only=True)
        with Session(reading, expire_on_commit=False) as session:
            self._identities_are_as_settings_say = self._identities_are_settled(session, may_begin=False)
            yield session

    def require_identities(self) -> None:
        """For whoever starts to work: see at once whether identities are kept as the settings say.

        Raises
        ------
        IdentitiesError
            They are kept otherwise. Every transaction says so, too.
        """
        with self.read():
            return

    def _identities_are_settled(self, session: Session, *, may_begin: bool) -> bool:
        """Once a process: the identities that are there are kept as the settings say, or nothing is read or written."""
        return self._identities_are_as_settings_say or require_keeping(session, self._identities, may_begin=may_begin)

    def leave_no_trace(self) -> None:
        """Rewrite what held identities: neither database forgets at once what a row said before.

        Nothing else may be using the registry.
        """
        raw: Any = self._engine.raw_connection()
        connection = raw.driver_connection
        try:
            if self._engine.dialect.name == "sqlite":
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            else:
                connection.autocommit = True
                connection.execute("SET statement_timeout = 0")
                connection.execute("VACUUM FULL patient_identities")
                connection.execute("VACUUM FULL received_report_keys")
        finally:
            raw.invalidate()
            raw.close()

    def upgrade(self, revision: str = "head") -> None:
        """Bring the schema to the newest migration; does nothing when it is there.

        Raises
        ------
        RegistryError
            The database is out of reach or a migration failed; the message says at which.
        """
        from db.migrating import migrate  # noqa: PLC0415  Alembic is loaded where a schema is looked at

        if (file := self._file) is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._engine.connect() as connection, _without_cascades(connection), connection.begin():
                _take_time(connection)
                migrate(connection, revision)
        except SQLAlchemyError as error:
            raise RegistryError(f"the registry cannot be upgraded: {type(error).__name__}") from error

    def downgrade(self, revision: str) -> None:
        """Bring the schema back to an earlier migration, for an earlier version: what only the later one holds goes.

        Raises
        ------
        RegistryError
            There is no such migration, the database is out of reach, or the way back failed.
        """
        from db.migrating import migrate_back  # noqa: PLC0415

        try:
            with self._engine.connect() as connection, _without_cascades(connection), connection.begin():
                _take_time(connection)
                migrate_back(connection, revision)
        except SQLAlchemyError as error:
            raise RegistryError(f"the registry cannot be downgraded: {type(error).__name__}") from error

    @property
    def is_empty(self) -> bool:
        """Whether it has no table at all; True where SQLite has no file yet."""
        if not self.is_there:
            return True
        with self._engine.connect() as connection:
            return not inspect(connection).get_table_names()

    def schema_revisions(self) -> tuple[str | None, str | None]:
        """The migration that the database is at, and the newest that this software brings."""
        from db.migrating import revisions  # noqa: PLC0415

        with self._engine.connect() as connection:
            return revisions(connection)

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()


def _create_engine(url: str) -> Engine:
    parsed = make_url(url)
    quiet = {"hide_parameters": True}  # what is written may be PHI, and error texts would quote it
    if parsed.drivername == "postgresql+psycopg":
        return create_engine(parsed, pool_pre_ping=True, connect_args=_PATIENCE, **quiet)
    if parsed.drivername != "sqlite":
        raise ConfigurationError(
            f"database.url: {parsed.drivername} is not supported; use sqlite or postgresql+psycopg"
        )
    engine = create_engine(parsed, connect_args={"timeout": 30}, **quiet)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we send BEGIN ourselves, see below
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a commit survives loss of power, as an acknowledged instance must
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


@contextmanager
def _without_cascades(connection: Connection) -> Iterator[None]:
    """SQLite alters a table by copying and dropping it, and a drop would take along every row that refers to it."""
    if connection.dialect.name != "sqlite":
        yield
        return
    # Of no effect within a transaction, so not by way of SQLAlchemy, which would begin one.
    raw: Any = connection.connection.driver_connection
    raw.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys=ON")


def _take_time(connection: Connection) -> None:
    """In this transaction: a table of millions of rows is changed, or gets an index, in minutes.

    Whoever is in the way is waited for as long as any statement may take.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LONGEST_STATEMENT_MS}")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails in SQLite when another wrote in between; writers
    # therefore take the write lock at their start, and wait for it.
    read_only = connection.get_execution_options().get("echoworker_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
