"""A backup is made while the system runs: the registry as of a moment, then every file that it may name.

In this order, since a row is written after the file that it is about: whatever the registry of the backup names is
there. Retention, which alone takes files away from rows, waits meanwhile (dicom_node.removing). Files that are there
and that this registry does not know are registered when it is restored.

Each backup is whole by itself. A file that was not changed since the one before is given another name, not copied.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

from config.errors import BackupError
from config.settings import Settings
from config.whole_files import sync, unfinished_name, write_durably
from db.session import Database
from deploy.backup.copying import copied, files_to_keep, is_unchanged, linked
from deploy.backup.facts import DATA, FACTS, BackupFacts, backups_in
from deploy.backup.registry_copy import copy_registry, kind_of, require_whole
from deploy.backup.sums import SUMS, FormerSums, sum_line
from dicom_node.removing import nothing_removed
from dicom_node.spool import Spool, sha256_of


@dataclass(frozen=True, kw_only=True)
class MadeBackup:
    """What was made."""

    folder: Path
    facts: BackupFacts
    copied_files: int
    copied_bytes: int
    """Of these; the others are those of the backup before."""


def make_backup(settings: Settings, registry: Database, into: Path, *, now: datetime) -> MadeBackup:
    """Make a backup of an installation in a folder of its own below `into`, which it has only once it is whole.

    Raises
    ------
    BackupError
        Another is being made there, it would lie in the data folder, or the registry cannot be copied.
    SpoolAwayError
        The spool is out of sight.
    OSError
        The disk failed or is full; nothing is left of it.
    """
    into = into.absolute()
    if into.resolve().is_relative_to(settings.data_dir.resolve()):
        raise BackupError(f"{into} is in the data folder: a backup belongs on another disk")
    into.mkdir(parents=True, exist_ok=True)
    final = into / f"{now:%Y%m%dT%H%M%SZ}"
    with _alone(into), nothing_removed(Spool.of(settings)):
        if final.exists():
            raise BackupError(f"{final} is there already: wait a second")
        unfinished = unfinished_name(final)
        unfinished.mkdir()
        try:
            made = _fill(settings, registry, unfinished, before=next(reversed(backups_in(into)), None), now=now)
            os.sync()  # one for all: a million files wait for one after the other for hours
            unfinished.rename(final)
            sync(into)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return MadeBackup(folder=final, **made)


def forget_but_last(into: Path, keep: int, *, made: Path | None = None) -> list[Path]:
    """Remove all but so many of the latest backups: those that went. Never the one that was just `made`: while a clock
    is set back it is the earliest by its name.

    Raises
    ------
    BackupError
        A backup is being made there.
    OSError
        One cannot be removed.
    """
    with _alone(into):
        going = [folder for folder in backups_in(into)[:-keep] if folder != made]
        for folder in going:
            hidden = folder.rename(unfinished_name(folder))  # what is half removed looks like no backup
            shutil.rmtree(hidden)
    return going


def _fill(
    settings: Settings, registry: Database, folder: Path, *, before: Path | None, now: datetime
) -> dict[str, Any]:
    schema, _ = registry.schema_revisions()
    if schema is None:
        raise BackupError("there is no registry yet: nothing to back up; echoworker up makes one")
    file = copy_registry(settings, folder)
    require_whole(folder / file)
    files = copied_files = 1
    size = copied_bytes = (folder / file).stat().st_size
    former, left_out = FormerSums(before), _what_opens(settings)
    with (folder / SUMS).open("w", encoding="utf-8") as sums:
        for path in files_to_keep(settings.data_dir):
            if (settings.data_dir / path).resolve() in left_out:
                continue
            kept = PurePosixPath(DATA) / path
            digest, is_copy = _kept(settings.data_dir / path, folder / kept, before, kept, former)
            if digest is None:
                continue
            sums.write(sum_line(kept, digest))
            taken = (folder / kept).stat().st_size
            files, size = files + 1, size + taken
            copied_files, copied_bytes = copied_files + is_copy, copied_bytes + (taken if is_copy else 0)
        sums.write(sum_line(PurePosixPath(file), sha256_of(folder / file)))
    facts = BackupFacts(
        software=version("echoworker"),
        began_at=now,
        ended_at=datetime.now(UTC),
        registry=kind_of(settings),
        registry_file=file,
        schema_revision=schema,
        files=files,
        size_bytes=size,
        sums=sha256_of(folder / SUMS),
    )
    write_durably(folder / FACTS, facts.model_dump_json(indent=1).encode() + b"\n")
    return {"facts": facts, "copied_files": copied_files, "copied_bytes": copied_bytes}


def _what_opens(settings: Settings) -> set[Path]:
    """The key of patient identities, which beside them would be none; and a password in plain text."""
    files = [settings.dashboard.password_file(settings.data_dir)]
    if settings.privacy.key_file:
        files.append(Path(settings.privacy.key_file))
    return {file.resolve() for file in files}


def _kept(
    source: Path, target: Path, before: Path | None, kept: PurePosixPath, former: FormerSums
) -> tuple[str | None, bool]:
    """The digest of a file that is in the backup now, and whether it was copied; None where it has gone meanwhile."""
    if before is not None and is_unchanged(source, before / kept):
        digest = former.digest_of(kept)
        if digest is not None and linked(before / kept, target):
            return digest, False
    try:
        return copied(source, target), True
    except FileNotFoundError:
        with suppress(FileNotFoundError):
            target.unlink()
        return None, False


@contextmanager
def _alone(into: Path) -> Iterator[None]:
    """One at a time in a folder of backups; what a killed one has left is removed."""
    with (into / ".lock").open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(f"another backup is being made in {into}") from None
        for left in into.glob(".*.unfinished"):
            shutil.rmtree(left)
        yield
