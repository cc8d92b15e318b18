"""Files of the spool by the names that the registry holds, wherever they lie: on this host's disk, or in the bucket.

Without a bucket there is one place, and nothing here costs anything. With one, a host has

    <spool>/<name>          what it received itself
    <spool>/copies/<name>   what it has fetched, or made and put there: all of it is in the bucket, or was

so that a copy can go at any time, and nothing else does by accident.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG

from dicom_node.bucket import Bucket, StoredObject

RECEIVED = ("studies", "received_reports")
"""What is not only made here: it keeps its place and its time, which say when it was received."""
NEVER_CHANGED = (*RECEIVED, "tensors", "heat", "catalogues")
"""An object under such a name has the same bytes for ever: a copy needs not be compared with the bucket again."""


class SharedFiles:
    """The files of one spool that several hosts work with."""

    def __init__(self, root: Path, bucket: Bucket | None = None) -> None:
        self.root = root
        self.bucket = bucket
        self._copies = root / "copies"

    def relative(self, path: Path) -> str:
        """A path as the registry holds it: below the spool, so that the spool can move."""
        if path.is_relative_to(self._copies):
            return str(path.relative_to(self._copies))
        return str(path.relative_to(self.root))

    def absolute(self, relative: str) -> Path:
        """The place of a file on this host's disk, to write it there; to read it, see `file`."""
        return self.root / relative

    def file(self, relative: str) -> Path:
        """The file of a path that the registry holds, to be read; brought here where it lies in the bucket alone.

        It need not be there: then it is nowhere.

        Raises
        ------
        BucketAwayError
            It is not here, and the bucket does not say whether it has it.
        OSError
            The disk has no room for the copy.
        """
        here = self.root / relative
        if self.bucket is None or here.exists():
            return here
        copy = self._copies / relative
        if copy.exists():
            if relative.partition("/")[0] in NEVER_CHANGED or self._is_current(copy, relative):
                with suppress(FileNotFoundError):
                    copy.chmod(copy.stat().st_mode)  # its ctime: what is in use is not swept
                    return copy
            copy.unlink(missing_ok=True)
        there = self.bucket.fetch(relative, copy)
        if there is None:
            return here
        _date(copy, there)
        return copy

    def has(self, relative: str) -> bool:
        """Whether there is such a file, here or in the bucket; none is brought here.

        Raises
        ------
        BucketAwayError
            It is not here, and the bucket cannot be asked.
        """
        return self.size(relative) is not None

    def size(self, relative: str) -> int | None:
        """Of a file, here or in the bucket, in bytes; None: there is none.

        Raises
        ------
        BucketAwayError
            As above.
        OSError
            The disk does not say.
        """
        here = self.root / relative
        with suppress(FileNotFoundError):
            if (facts := here.stat()) and S_ISREG(facts.st_mode):
                return facts.st_size
        there = self.bucket.look(relative) if self.bucket is not None else None
        return None if there is None else there.size_bytes

    def share(self, path: Path) -> None:
        """Put a file that was durably written into the bucket: before the registry names it, so that others find it.

        What this host has made becomes a copy of what is there; what it has received stays where it is.

        Raises
        ------
        BucketAwayError
            The bucket does not take it now.
        """
        if self.bucket is None:
            return
        relative = self.relative(path)
        there = self.bucket.put(path, relative)
        if relative.partition("/")[0] not in RECEIVED:
            copy = self._copies / relative
            copy.parent.mkdir(parents=True, exist_ok=True)
            path.replace(copy)
            _date(copy, there)

    def remove(self, path: Path) -> None:
        """Remove a file here and in the bucket; one that is not there was removed before.

        Raises
        ------
        BucketAwayError
            The bucket cannot be asked: the file is here still.
        """
        relative = self.relative(path)
        if self.bucket is not None:
            self.bucket.remove(relative)
            (self._copies / relative).unlink(missing_ok=True)
        (self.root / relative).unlink(missing_ok=True)

    def remove_folder(self, folder: Path) -> None:
        """Remove a folder with all that is in it, here and in the bucket.

        Raises
        ------
        BucketAwayError
            As above.
        """
        relative = self.relative(folder)
        if self.bucket is not None:
            self.bucket.remove_below(relative)
            shutil.rmtree(self._copies / relative, ignore_errors=True)
        shutil.rmtree(self.root / relative, ignore_errors=True)

    def names_below(self, folder: str) -> list[str]:
        """The names of all files below a folder: in the bucket where there is one, else here.

        Raises
        ------
        BucketAwayError
            The bucket cannot be asked.
        """
        if self.bucket is not None:
            return self.bucket.names_below(folder)
        return sorted(self.relative(path) for path in (self.root / folder).rglob("*") if path.is_file())

    def _is_current(self, copy: Path, relative: str) -> bool:
        there = self.bucket.look(relative) if self.bucket is not None else None
        return there is not None and _is_as(copy, there)

    def copies(self) -> Iterator[Path]:
        """Every copy on this host, in no particular order."""
        for folder, _, names in os.walk(self._copies):  # which minds no folder that goes meanwhile
            yield from (Path(folder, name) for name in names)


def _is_as(copy: Path, there: StoredObject) -> bool:
    facts = copy.stat()
    modified_at = datetime.fromtimestamp(facts.st_mtime, UTC)
    return facts.st_size == there.size_bytes and abs((modified_at - there.modified_at).total_seconds()) < 1e-3


def _date(copy: Path, there: StoredObject) -> None:
    """With the time of the object; when it came here is its ctime."""
    with suppress(FileNotFoundError):  # another process has replaced it, or it was swept
        os.utime(copy, (there.modified_at.timestamp(), there.modified_at.timestamp()))
