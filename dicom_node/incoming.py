"""A file that grows at the speed of the network: past the page cache, in large aligned blocks.

What a busy node receives is not read again for a while, so caching it only costs: with direct I/O the disk writes
while the next bytes arrive, and the final flush has nothing left to do.
"""

import errno
import mmap
import os
from contextlib import suppress
from pathlib import Path

WINDOW_BYTES = 512 * 1024
"""One write; a multiple of `ALIGNMENT`."""
ALIGNMENT = 4096
"""What direct I/O asks of offsets and lengths on every disk in use (open(2), O_DIRECT)."""


class Window:
    """The memory that one association receives into; aligned to a page, and used again for each instance."""

    def __init__(self) -> None:
        self.view = memoryview(mmap.mmap(-1, WINDOW_BYTES))


class IncomingFile:
    """A temporary file that is written from the front to the end, once."""

    def __init__(self, path: Path, window: Window) -> None:
        """Create the file.

        Raises
        ------
        OSError
            The disk is full or read-only.
        """
        self.path = path
        self._window = window.view
        self._filled = 0
        self._written = 0
        self._descriptor = _create(path)

    @property
    def size(self) -> int:
        """The number of bytes so far."""
        return self._written + self._filled

    @property
    def start(self) -> int:
        """The position in the file of the window's first byte."""
        return self._written

    def room(self) -> memoryview:
        """Where the next bytes go: at least one; say with `advance` how many there were."""
        return self._window[self._filled :]

    def filled(self) -> memoryview:
        """The bytes of the window that are not in the file yet."""
        return self._window[: self._filled]

    def advance(self, count: int) -> bool:
        """So many bytes were put into `room()`; whether the window is full now, and `flush` is due."""
        self._filled += count
        return self._filled == WINDOW_BYTES

    def flush(self) -> None:
        """Write the window.

        Raises
        ------
        OSError
            The disk is full or failed.
        """
        self._write(self._filled)
        self._written += self._filled
        self._filled = 0

    def make_durable(self) -> None:
        """Write what is left and wait until all of it is on the disk.

        Raises
        ------
        OSError
            The disk is full or failed.
        """
        if self._filled:
            size = self.size
            padded = -(-self._filled // ALIGNMENT) * ALIGNMENT
            self._write(padded)
            os.ftruncate(self._descriptor, size)
            self._written, self._filled = size, 0
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Let go of the file; it stays where it is."""
        os.close(self._descriptor)

    def discard(self) -> None:
        """Remove the file."""
        self.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _write(self, count: int) -> None:
        done = 0
        while done < count:
            done += os.write(self._descriptor, self._window[done:count])


def _create(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags | os.O_DIRECT, 0o640)
    except OSError as error:
        with suppress(FileNotFoundError):
            path.unlink()  # some file systems create the file, and then refuse to open it so
        if error.errno != errno.EINVAL:  # this file system has no direct I/O (open(2))
            raise
    return os.open(path, flags, 0o640)
