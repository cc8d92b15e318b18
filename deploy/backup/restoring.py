"""A backup becomes an installation again, where there is none: what it holds, checked, and what follows from it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from config.errors import BackupError, IdentitiesError
from config.settings import Settings
from config.steps import Step
from config.whole_files import LOST_AND_FOUND
from db.accounts import end_all_of_all
from db.lifecycle.studies import requeue
from db.migrating import is_known
from db.reading.queries import studies_in
from db.session import Database
from db.states import StudyState
from deploy.backup.copying import copied
from deploy.backup.facts import DATA, BackupFacts, read_facts
from deploy.backup.registry_copy import kind_of, require_whole, restore_registry
from deploy.backup.sums import faults_of, read_sums
from deploy.data_folder import held_alone
from dicom_node.spool import Spool, sha256_of
from dicom_node.spool_check import rebuild
from worker.consistency.arriving.kept_reports import wait_again

_MAY_BE_THERE = {LOST_AND_FOUND}


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was restored, and what the running system will do about it."""

    facts: BackupFacts
    to_register: int
    """Instances of the spool that the registry, which is a little older, does not know."""
    to_prepare: int
    """Studies whose prepared clips are not in a backup: they are prepared again."""
    reports: int
    """Files of received reports, which are looked at once more."""
    signed_out: int
    """Sessions and tokens of the dashboard, none of which counts any more: some were taken back since."""


def faults_of_backup(backup: Path) -> Iterator[str]:
    """Read all of a backup; what is wrong with it.

    Raises
    ------
    BackupError
        It is none, or its list was changed.
    """
    facts = read_facts(backup)
    faults = list(faults_of(backup))
    yield from faults
    if not faults:
        require_whole(backup / facts.registry_file)


def restore_backup(settings: Settings, backup: Path) -> Restored:
    """Put a backup where the settings say, data folder and registry; neither may hold anything.

    Raises
    ------
    BackupError
        It is not whole, or does not fit: another kind of database, a later schema, or a place that is taken. Where a
        file turns out to be damaged, what was restored until then stays, and there is no registry.
    OSError
        The disk failed or is full.
    """
    facts = read_facts(backup)
    _require_fit(settings, facts)
    registry = Database.of(settings)
    _require_nothing_there(settings, registry)
    with held_alone(settings.data_dir):
        for path, digest in read_sums(backup):
            if path.parts[0] == DATA:
                _restore_file(settings.data_dir, backup, path, digest)
            else:
                _require_unchanged(backup, path, digest)
        require_whole(backup / facts.registry_file)
        os.sync()  # a row is written after its file, as everywhere
        restore_registry(settings, backup / facts.registry_file)
        registry.upgrade()
        _require_identities(registry)
        return _taken_up(settings, registry, facts)


def _require_fit(settings: Settings, facts: BackupFacts) -> None:
    if facts.registry != kind_of(settings):
        raise BackupError(
            f"the backup is of a registry on {facts.registry}, database.url names {kind_of(settings)}: name such a "
            "one, or copy its folder data by hand, and make the registry anew with echoworker spool rebuild"
        )
    if not is_known(facts.schema_revision):
        raise BackupError(
            f"the backup's registry is at schema {facts.schema_revision}, which this version does not know: restore it "
            f"with EchoWorker {facts.software}, which made it, or a later one"
        )


def _require_nothing_there(settings: Settings, registry: Database) -> None:
    folder = settings.data_dir
    if folder.exists() and {path.name for path in folder.iterdir()} - _MAY_BE_THERE:
        raise BackupError(f"{folder} is not empty: restore into a new folder (--data), or move that one away")
    if not registry.is_empty:
        raise BackupError("the registry's database has tables already: name an empty one in database.url")


def _require_identities(registry: Database) -> None:
    """Sessions would go on, and what came meanwhile would stay unknown, if this were passed over."""
    try:
        registry.require_identities()
    except IdentitiesError as error:
        raise BackupError(
            f"{error}; the restore is not done: set [privacy] as it was when the backup was made, empty data folder "
            "and database, and restore it again"
        ) from error


def _restore_file(data_dir: Path, backup: Path, path: PurePosixPath, digest: str) -> None:
    target = data_dir / path.relative_to(DATA)
    try:
        found = copied(backup / path, target)
    except FileNotFoundError as error:
        raise _missing(path) from error
    if found != digest:
        target.unlink()
        raise _changed(path)


def _require_unchanged(backup: Path, path: PurePosixPath, digest: str) -> None:
    """Of the registry, which the database itself reads: a bit of a value that fell over is nothing to it."""
    try:
        found = sha256_of(backup / path)
    except FileNotFoundError as error:
        raise _missing(path) from error
    if found != digest:
        raise _changed(path)


def _missing(path: PurePosixPath) -> BackupError:
    return BackupError(f"{path} is missing in the backup: echoworker restore --verify lists all that is")


def _changed(path: PurePosixPath) -> BackupError:
    return BackupError(f"{path} was changed since it was backed up: echoworker restore --verify lists all that were")


def _taken_up(settings: Settings, registry: Database, facts: BackupFacts) -> Restored:
    """What the copy of the spool has beyond that of the registry, and what the registry names beyond the spool."""
    spool = Spool.of(settings)
    spool.create()
    with registry.read() as session:
        prepared = studies_in(session, StudyState.PREPARED)
    for uid in prepared:
        with registry.write() as session:
            requeue(session, uid, now=datetime.now(UTC), step=Step.PREPARE)
    with registry.write() as session:
        signed_out = end_all_of_all(session)
    return Restored(
        facts=facts,
        signed_out=signed_out,
        to_register=rebuild(spool, registry),
        to_prepare=len(prepared),
        reports=wait_again(spool),
    )
