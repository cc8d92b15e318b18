"""The registry in a backup: a copy of a moment, made while others write, by the database's own means."""

import os
import re
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from shutil import which

from sqlalchemy import URL, make_url

from config.errors import BackupError
from config.settings import Settings

SQLITE, POSTGRESQL = "sqlite", "postgresql"
_FILES = {SQLITE: "registry.sqlite3", POSTGRESQL: "registry.dump"}
_OF_SQLITE = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_CORRUPT": "it is damaged",
    "SQLITE_NOTADB": "it is damaged",
    "SQLITE_BUSY": "it is in use",
}
_OF_A_ROW = re.compile(r'( failed for table "[^"]*").*')
"""What a server says of a row may quote it."""


def kind_of(settings: Settings) -> str:
    """What the registry of these settings is."""
    return SQLITE if make_url(settings.database_url).drivername == "sqlite" else POSTGRESQL


def copy_registry(settings: Settings, folder: Path) -> str:
    """Copy the registry of an installation, as it is at one moment, into a file of this folder: its name.

    Raises
    ------
    BackupError
        pg_dump is not installed, or failed; or SQLite did.
    """
    url, kind = make_url(settings.database_url), kind_of(settings)
    target = folder / _FILES[kind]
    if kind == SQLITE:
        _copy_sqlite(Path(str(url.database)), target)
    else:
        # The custom format: compressed, and pg_restore takes it apart.
        _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")
    return target.name


def restore_registry(settings: Settings, file: Path) -> None:
    """Make the registry of these settings, which is not there or empty, what the file is; all of it or nothing.

    Raises
    ------
    BackupError
        pg_restore is not installed, or failed.
    """
    url = make_url(settings.database_url)
    if kind_of(settings) == SQLITE:
        target = Path(str(url.database))
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy_sqlite(file, target)
        return
    _run("pg_restore", url, "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", str(file))


def require_whole(file: Path) -> None:
    """Let SQLite look through a copy, page by page; of a dump whose digest is right, pg_dump has said that it is whole.

    Raises
    ------
    BackupError
        It is damaged.
    """
    if file.name != _FILES[SQLITE]:
        return
    # Only looked at: it is to stay as it is, byte by byte, and on a medium that may be read-only.
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True)) as connection:
            (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"{file}: SQLite cannot read it: {_said_of(error)}") from error
    if said != "ok":
        raise BackupError(f"{file}: SQLite finds it damaged")


def _copy_sqlite(source: Path, target: Path) -> None:
    """SQLite's online backup: a reader, whom no writer waits for."""
    try:
        with closing(sqlite3.connect(source, timeout=60)) as read, closing(sqlite3.connect(target)) as written:
            read.backup(written)
            written.execute("PRAGMA journal_mode=DELETE")  # else the copy would have a second file beside it
    except sqlite3.Error as error:
        raise BackupError(f"{source} cannot be copied to {target}: {_said_of(error)}") from error


def _said_of(error: sqlite3.Error) -> str:
    """Its code, with what it means where that is known; its text is left out, as of any error that is not ours."""
    code = getattr(error, "sqlite_errorname", type(error).__name__)
    return f"{code}, {_OF_SQLITE[code]}" if code in _OF_SQLITE else code


def _run(tool: str, url: URL, *arguments: str) -> None:
    found = which(tool)
    if found is None:
        raise BackupError(
            f"{tool} is not installed, which a registry on PostgreSQL needs: install PostgreSQL's client programs, of "
            "the server's version or a later one"
        )
    # The password by the environment: a command line is seen by everybody on the machine.
    secret: Mapping[str, str] = {"PGPASSWORD": str(url.password)} if url.password else {}
    environment = {**os.environ, **secret, "LC_ALL": "C"}  # English, for `_first_error`
    at = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    command = [found, *arguments, f"--dbname={at}", "--no-password"]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode != 0:
        raise BackupError(f"{tool} failed: {_first_error(run.stderr)}")


def _first_error(said: str) -> str:
    """The line that says what was wrong; those before it are warnings, and those after it may quote rows."""
    lines = said.strip().splitlines() or ["without a word"]
    error = next((line for line in lines if "error:" in line), lines[0])
    return _OF_A_ROW.sub(r"\1", error)
