"""With a bucket: what a host keeps on its own disk of what is there goes when it has not been used for long enough."""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from config.logs import Event, emit, place_of, told_of
from config.settings import Settings
from dicom_node.spool import Spool

LOOKS_EVERY_S = 1800.0
MADE_BEFORE = ("reports", "headers", "heat", "embeddings", "catalogues")


def sweep_local_copies(spool: Spool, *, older_than: datetime) -> int:
    """Remove copies that nobody has used since, and received instances from before then; how many there were.

    Never one that waits to be registered, nor one that the bucket does not have as it is here.

    Raises
    ------
    BucketAwayError
        The bucket does not say what it has; copies are gone, and nothing else.
    """
    if spool.bucket is None:
        return 0
    oldest = older_than.timestamp()
    swept = 0
    for copy in spool.copies():
        with suppress(FileNotFoundError):
            if copy.stat().st_ctime < oldest:
                copy.unlink()
                swept += 1
                _remove_empty(copy.parent, below=spool.root / "copies")
    for tensor in _files_before(spool.root / "tensors", oldest):  # that could not be put there: prepared again
        tensor.unlink(missing_ok=True)
        swept += 1
    for kept in _kept_before(spool, oldest):
        there = spool.bucket.look(spool.relative(kept))
        with suppress(FileNotFoundError):
            is_there = there is not None and there.size_bytes == kept.stat().st_size
            # Asked last: what waits has been put there a moment ago, or is about to be.
            if is_there and not spool.is_waiting(kept):
                kept.unlink()
                swept += 1
    return swept


def sweep_while_running(settings: Settings, stop: threading.Event) -> None:
    """Look now and then, in a thread of its own, until `stop` is set or the process ends; nothing without a bucket."""
    if not settings.bucket.url:
        return
    spool, keep = Spool.of(settings), timedelta(hours=settings.bucket.keep_local_h)

    def sweep() -> None:
        while not stop.wait(LOOKS_EVERY_S):
            try:
                sweep_local_copies(spool, older_than=datetime.now().astimezone() - keep)
            except Exception as error:  # noqa: BLE001  it is tried again; the process has other work
                if (reason := told_of(error)) != place_of(error):
                    emit(Event.DUTY_FAILS, step="local copies", reason=reason)
                else:
                    emit(Event.DUTY_FAILS, step="local copies", error=reason)

    threading.Thread(target=sweep, name="local copies", daemon=True).start()


def _kept_before(spool: Spool, oldest: float) -> Iterator[Path]:
    """And what was made here while hosts shared the spool itself."""
    for folder in ("studies", *MADE_BEFORE):
        yield from _files_before(spool.root / folder, oldest)


def _files_before(folder: Path, oldest: float) -> Iterator[Path]:
    """By when they got their names here, or were last linked or renamed."""
    for below, _, names in os.walk(folder):
        for file in (Path(below, name) for name in names):
            with suppress(FileNotFoundError):
                if file.stat().st_ctime < oldest:
                    yield file


def _remove_empty(folder: Path, *, below: Path) -> None:
    with suppress(OSError):  # another file is in it
        while folder != below:
            folder.rmdir()
            folder = folder.parent
