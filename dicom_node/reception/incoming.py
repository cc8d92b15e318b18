"""A file that grows at the speed of the network, and is on the disk almost as soon as its last byte is here.

Each window is handed to the disk when it is full, and written while the next one is received: the final flush, for
which the sender waits, has little left to do. What was written stays in memory for who reads it next, the intake.
"""

import fcntl
import mmap
import os
from contextlib import suppress
from pathlib import Path

WINDOW_BYTES = 512 * 1024
"""One write."""


class Window:
    """The memory that one association receives into, used again for each instance."""

    def __init__(self) -> None:
        self.view = memoryview(mmap.mmap(-1, WINDOW_BYTES))


class IncomingFile:
    """A temporary file that is written from the front to the end, once."""

    def __init__(self, path: Path, window: Window) -> None:
        """Create the file.

        Raises
        ------
        OSError
            The disk is full or read-only, or locks no files; nothing stays.
        """
        self.path = path
        self._window = window.view
        self._filled = 0
        self._written = 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        try:
            # So that nobody takes it for left over, however slow its sender.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError:  # a share without locks: each instance that is refused would leave an open file behind
            self.discard()
            raise

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
        """Write the window, and let the disk begin with it.

        Raises
        ------
        OSError
            The disk is full or failed.
        """
        content = self._window[: self._filled]
        while content:
            content = content[os.write(self._descriptor, content) :]
        # Of pages that are still to be written, Linux takes this for a request to begin (mm/fadvise.c); elsewhere it
        # does nothing, and the final flush has more to do.
        os.posix_fadvise(self._descriptor, self._written, self._filled, os.POSIX_FADV_DONTNEED)
        self._written += self._filled
        self._filled = 0

    def make_durable(self) -> None:
        """Write what is left and wait until all of it is on the disk.

        Raises
        ------
        OSError
            The disk is full or failed.
        """
        self.flush()
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Let go of the file; it stays where it is."""
        os.close(self._descriptor)

    def discard(self) -> None:
        """Remove the file."""
        self.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
