"""The list of what a backup holds: a line for each file, as sha256sum writes it, so that it can check a backup too."""

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from config.errors import BackupError

SUMS = "SHA256SUMS"


def sum_line(path: PurePosixPath, digest: str) -> str:
    """The line of a file.

    Raises
    ------
    BackupError
        Its name cannot stand in a line.
    """
    if "\n" in str(path) or "\\" in str(path):
        raise BackupError(f"{path}: a name with a line break or backslash cannot be listed; move the file away")
    return f"{digest}  {path}\n"


def read_sums(folder: Path) -> Iterator[tuple[PurePosixPath, str]]:
    """Path and SHA-256 of every file of a backup, in the order in which they were copied.

    Raises
    ------
    BackupError
        A line is none of ours.
    OSError
        There is no list, or it cannot be read.
    """
    with (folder / SUMS).open(encoding="utf-8") as lines:
        for line in lines:
            digest, gap, path = line.rstrip("\n").partition("  ")
            if not gap or len(digest) != 64 or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise BackupError(f"{folder / SUMS} is damaged: a line of it names no file of a backup")
            yield PurePosixPath(path), digest


class FormerSums:
    """The digests of the backup before, looked up in the order of its list: that of a whole hospital fits no memory."""

    def __init__(self, folder: Path | None) -> None:
        self._left = read_sums(folder) if folder is not None else iter(())
        self._next = next(self._left, None)

    def digest_of(self, path: PurePosixPath) -> str | None:
        """Of a file that comes behind all that were asked for before; None where that backup has none."""
        while self._next is not None and self._next[0].parts < path.parts:
            self._next = next(self._left, None)
        return self._next[1] if self._next is not None and self._next[0] == path else None


def faults_of(folder: Path) -> Iterator[str]:
    """Read every file of a backup: what is missing, and what has changed.

    Raises
    ------
    BackupError
        Its list is damaged.
    """
    for path, digest in read_sums(folder):
        try:
            with (folder / path).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            yield f"{path}: missing"
            continue
        if found != digest:
            yield f"{path}: changed since it was backed up"
