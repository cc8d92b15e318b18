"""Files into a backup and out of it: read once, digested on the way, with the time that they have."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from config.whole_files import LOST_AND_FOUND

_LEFT_OUT = {
    PurePosixPath(name)
    for name in (
        "broker",  # wake-ups: the reaper sends others
        "cache",  # made again
        "spool/incoming",  # running transfers, which nobody was told are safe
        "spool/tensors",  # larger than the pixels that they are made of again
        "spool/.removing",  # locks
        "spool/received_reports/.registering",
    )
}
_REGISTRY = ("registry.sqlite3", "registry.sqlite3-wal", "registry.sqlite3-shm")  # copied by the database itself
_NAMES_LEFT_OUT = (*_REGISTRY, LOST_AND_FOUND)
_CHUNK = 1 << 20


def files_to_keep(data_dir: Path) -> Iterator[PurePosixPath]:
    """Every file of a data folder that a backup holds, relative to it, ordered by the parts of its path."""
    yield from _below(data_dir, PurePosixPath())


def copied(source: Path, target: Path) -> str:
    """Copy a file with its time, for its owner alone; the SHA-256 of what was copied.

    Raises
    ------
    FileNotFoundError
        It has gone meanwhile.
    OSError
        A disk failed or is full; it names the file of which.
    """
    digest = hashlib.sha256()
    with source.open("rb") as read:
        at = os.fstat(read.fileno())
        target.parent.mkdir(parents=True, exist_ok=True)
        with _named(target), target.open("xb") as written:
            while chunk := _next_of(source, read):
                digest.update(chunk)
                written.write(chunk)
    os.utime(target, ns=(at.st_atime_ns, at.st_mtime_ns))
    return digest.hexdigest()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What goes wrong while a file is open names none: somebody has to know which of two disks it was."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def _next_of(source: Path, read: BinaryIO) -> bytes:
    with _named(source):
        return read.read(_CHUNK)


def is_unchanged(source: Path, before: Path) -> bool:
    """Whether a file is still what a former backup holds: what is never changed has the size and time that it had."""
    try:
        now, then = source.stat(), before.stat()
    except FileNotFoundError:
        return False
    return (now.st_size, now.st_mtime_ns) == (then.st_size, then.st_mtime_ns)


def linked(before: Path, target: Path) -> bool:
    """Give a file of a former backup its name in this one, too; False where the file system cannot."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):
        os.link(before, target)
        return True
    return False


def _below(data_dir: Path, relative: PurePosixPath) -> Iterator[PurePosixPath]:
    try:
        entries = sorted(os.scandir(data_dir / relative), key=lambda entry: entry.name)
    except FileNotFoundError:  # a folder that became empty, and was removed
        return
    for entry in entries:
        path = relative / entry.name
        if path in _LEFT_OUT or entry.name in _NAMES_LEFT_OUT or entry.name.endswith((".lock", ".unfinished")):
            continue
        if entry.is_dir():
            yield from _below(data_dir, path)
        elif entry.is_file() and not _has_a_final_name(path, entry):
            yield path


def _has_a_final_name(path: PurePosixPath, entry: os.DirEntry[str]) -> bool:
    """An instance that waits to be registered is a second name of its file; whoever restores finds out what waits."""
    with suppress(FileNotFoundError):
        return path.parent == PurePosixPath("spool/unregistered") and entry.stat().st_nlink > 1
    return True
