"""What the commands share: how each starts, how it opens the registry, and where it prints."""

import getpass
import os
import pwd
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from config.errors import ConfigurationError
from config.logs import configure_logs
from config.settings import Settings, load_settings

if TYPE_CHECKING:
    from PIL.Image import Image

    from db.session import Database

console = Console(width=None if sys.stdout.isatty() else 160)
"""Piped into a file or a ticket, tables keep whole UIDs."""

StudyUID = Annotated[str, typer.Argument(metavar="UID", help="Study Instance UID.")]


def start(process: str, *, by_anybody: bool = False) -> Settings:
    """Read the settings, and log as this process; `by_anybody`: it leaves the data folder alone.

    Raises
    ------
    ConfigurationError
        Root asks, and the data folder is another user's: what root writes there, nobody else can read or append to.
    """
    configure_logs(process=process)
    settings = load_settings()
    if not by_anybody:
        _require_no_root_in(settings.data_dir)
    return settings


def _require_no_root_in(data_dir: Path) -> None:
    owner = 0
    with suppress(FileNotFoundError):
        owner = data_dir.stat().st_uid
    if owner == 0 or os.geteuid() != 0:
        return
    name = str(owner)
    with suppress(KeyError):
        name = pwd.getpwuid(owner).pw_name
    raise ConfigurationError(
        f"{data_dir} is of the user {name}, who could not read what root writes there (audit trail, backups, images): "
        f"run this as that user: runuser -u {name} -- env ECHOWORKER_CONFIG=SITE.TOML {sys.argv[0]} ..."
    )


def save_picture(picture: "Image", out: Path) -> None:
    """Write what a command has drawn to where `--out` says.

    Raises
    ------
    ConfigurationError
        The name does not end as that of a picture.
    """
    try:
        picture.save(out)
    except ValueError as error:  # Pillow knows the format by the ending
        raise ConfigurationError(f"--out {out}: give a file name that ends in .png") from error


def require_installation(settings: Settings) -> None:
    """For commands that only look: they make no data folder.

    Raises
    ------
    ConfigurationError
        There is none.
    """
    if not settings.data_dir.is_dir():
        raise _no_installation(settings)


def open_registry(settings: Settings) -> "Database":
    """The registry, which has to be there and to be at this version's schema: looking at it makes none.

    Raises
    ------
    ConfigurationError
        It is not there, or of another version.
    """
    from db.session import Database  # noqa: PLC0415  commands load what they need: --help is quick

    registry = Database.of(settings)
    if not registry.is_there:
        raise _no_installation(settings)
    at, needed = registry.schema_revisions()
    if at != needed:
        from db.migrating import what_brings_it_here  # noqa: PLC0415

        raise ConfigurationError(
            f"the registry's schema is at {at or 'nothing'}, this version needs {needed}: {what_brings_it_here(at)}"
        )
    return registry


def _no_installation(settings: Settings) -> ConfigurationError:
    if settings.spool_dir.is_dir():
        return ConfigurationError(
            f"no registry at {settings.data_dir}, where a spool is: echoworker spool rebuild makes one from it"
        )
    return ConfigurationError(f"no installation at {settings.data_dir}: echoworker up makes one")


def who() -> str:
    """Whoever runs this command, for what is written down with a name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        name = str(os.geteuid())
    return f"{name}@{socket.gethostname()}"
