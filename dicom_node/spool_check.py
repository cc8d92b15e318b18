"""Spool against registry: what one has and the other does not know; and how the spool makes the registry whole."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from config.errors import UnreadableInstanceError
from db.reading.queries import instances_after, known_sop_instance_uids
from db.session import Database
from dicom_node.header import read_header
from dicom_node.spool import Spool, sha256_of

READ_AT_ONCE = 1000
"""Instances that the registry is asked for together."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One instance on which spool and registry disagree."""

    path: str
    """Relative to the spool."""
    said: str


def unregistered(spool: Spool, database: Database, *, since: datetime | None = None) -> Iterator[Path]:
    """The instances of the spool that the registry does not have, and that do not wait for it to take them.

    With `since`, of studies changed after that. The node may be receiving meanwhile.
    """
    for folder in spool.study_folders(changed_since=since):
        # In this order: an instance waits until the registry has it.
        at_rest = [path for path in sorted(folder.glob("*.dcm")) if not spool.is_waiting(path)]
        if at_rest:
            with database.read() as session:
                known = known_sop_instance_uids(session, folder.name)
            yield from (path for path in at_rest if path.stem not in known)


def compare(spool: Spool, database: Database, *, verify: bool = False) -> Iterator[Difference]:
    """Every difference; with `verify` every registered file is read and its SHA-256 checked as well."""
    for path in unregistered(spool, database):
        yield Difference(path=spool.relative(path), said=_why_unregistered(path))
    for spool_path, sha256 in _registered(database):
        if (fault := _fault_of(spool, spool_path, sha256 if verify else None)) is not None:
            yield Difference(path=spool_path, said=fault)


def rebuild(spool: Spool, database: Database, *, since: datetime | None = None) -> int:
    """Put what the registry does not have among the instances that wait to be registered; how many were put there."""
    count = 0
    for path in unregistered(spool, database, since=since):
        with suppress(UnreadableInstanceError):  # `compare` names it
            spool.wait_again(path, read_header(path))
            count += 1
    return count


def _registered(database: Database) -> Iterator[tuple[str, str]]:
    """Spool path and SHA-256 of every instance, with no transaction open in between: a spool is read for hours.

    For as long as one is open the database keeps whatever anybody replaces or removes.
    """
    last = 0
    while True:
        with database.read() as session:
            portion = instances_after(session, last, limit=READ_AT_ONCE)
        if not portion:
            return
        yield from ((spool_path, sha256) for _, spool_path, sha256 in portion)
        last = portion[-1][0]


def _why_unregistered(path: Path) -> str:
    try:
        read_header(path)
    except UnreadableInstanceError as error:
        return f"in the spool, and cannot be registered: {error}"
    return "in the spool, not in the registry: echoworker spool rebuild registers it"


def _fault_of(spool: Spool, spool_path: str, sha256: str | None) -> str | None:
    if not spool.has(spool_path):
        return "in the registry, not in the spool: restore it from a backup, or have it sent again"
    if sha256 is not None and sha256_of(spool.file(spool_path)) != sha256:
        return "changed since it was received: restore it from a backup, or have it sent again"
    return None
