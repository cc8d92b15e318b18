"""Files and folders that appear under their name only when they are whole, whatever happens while they are written.

They are written under a hidden name beside their own, and renamed. A process that is killed meanwhile leaves the hidden
name behind; `sweep_unfinished` removes it. Whoever writes something that others read while it grows does it from here.
"""

import os
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

ABANDONED_AFTER_S = 3600.0
"""What has not been written to for so long is nobody's any more."""
_SUFFIX = ".unfinished"
LOST_AND_FOUND = "lost+found"
"""At the top of a disk of its own, as a data folder may be: of its file system, and closed to all but root."""


def unfinished_name(path: Path) -> Path:
    """A hidden name beside `path`, like no other, to be renamed to it."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}{_SUFFIX}")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is either whole or not there for whoever reads it; a loss of power may take it.

    Raises
    ------
    OSError
        The disk is full or failed; nothing is left of it.
    """
    _write(path, content, durable=False)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file that is either whole or not there, also after a loss of power; its folder is made where it lacks.

    Raises
    ------
    OSError
        The disk is full or failed; nothing is left of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, content, durable=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep_unfinished(folder: Path, *, older_than_s: float = ABANDONED_AFTER_S) -> int:
    """Remove what was begun in `folder`, or below, and never finished; how many there were.

    Raises
    ------
    OSError
        The folder is there, and cannot be read.
    """
    swept = 0
    if folder.name == LOST_AND_FOUND:
        return swept
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith(".") and entry.name.endswith(_SUFFIX):
                with suppress(FileNotFoundError):  # it has just been finished
                    if entry.stat(follow_symlinks=False).st_mtime < time.time() - older_than_s:
                        shutil.rmtree(path) if entry.is_dir(follow_symlinks=False) else path.unlink()
                        swept += 1
            elif entry.is_dir(follow_symlinks=False):
                swept += sweep_unfinished(path, older_than_s=older_than_s)
    return swept


def _write(path: Path, content: bytes, *, durable: bool) -> None:
    unfinished = unfinished_name(path)
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        unfinished.rename(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
