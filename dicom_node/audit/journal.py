"""What associations have brought, on the disk until the trail says it: a process that dies takes no message with it.

    receivers/<unique>.transfers    one association: who it is with, then an instance a line

Its process holds a lock on the file. The lock ends with the process, however that ends: then the file is for any other
to put into the trail. A message may so be told twice, never not at all.
"""

import errno
import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from config.whole_files import unfinished_name
from dicom_node.audit.events import ReceivedInstances, RemoteAE, Transfer
from dicom_node.audit.message import AuditMessage
from dicom_node.spool import Spool
from dicom_node.spool_notes import set_aside

SUFFIX = ".transfers"


@dataclass(frozen=True, kw_only=True)
class _Sender(RemoteAE):
    by_get: bool = False


_SENDER, _TRANSFER = TypeAdapter(_Sender), TypeAdapter(Transfer)


class TransferJournal:
    """Of one association, whose requests come one after another: not for several threads. `by_get`: one of ours."""

    def __init__(self, folder: Path, sender: RemoteAE, *, by_get: bool = False) -> None:
        self._path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
        self._sender = _Sender(**vars(sender), by_get=by_get)
        self._instances = _instances_from(self._sender)
        self._descriptor: int | None = None
        self._begun_at = time.monotonic()

    @property
    def age_s(self) -> float:
        """How long ago it was begun."""
        return time.monotonic() - self._begun_at

    def add(self, transfer: Transfer) -> None:
        """Note one instance. On a full disk it is noted in memory alone."""
        self._instances.add(transfer)
        with suppress(OSError):
            if self._descriptor is None:
                self._descriptor = self._begin()
            _append(self._descriptor, asdict(transfer))

    def messages(self) -> list[AuditMessage]:
        """What the trail is to say of it."""
        return self._instances.messages()

    def close(self) -> None:
        """The trail has it: forget it."""
        if self._descriptor is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def _begin(self) -> int:
        unfinished = unfinished_name(self._path)
        # Readable for the group alone, as the trail: it names patients by their ID.
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _append(descriptor, asdict(self._sender))
            unfinished.rename(self._path)  # locked from the moment that others see it
        except OSError:  # while the disk is full, each association would leave an open file behind
            os.close(descriptor)
            unfinished.unlink(missing_ok=True)
            raise
        return descriptor


def left_behind(spool: Spool) -> Iterator[ReceivedInstances]:
    """What processes that died have not put into the trail; each file is gone once the next is asked for."""
    for path in spool.receivers.glob(f"*{SUFFIX}"):
        with suppress(FileNotFoundError), path.open("r+b") as file:  # NFS locks no file that is open for reading alone
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its process lives
            if not os.fstat(file.fileno()).st_nlink:
                continue  # another process was first
            try:
                yield _read(file)
            except ValidationError as error:
                set_aside(spool, path, error)
            else:
                path.unlink(missing_ok=True)


def _read(lines: Iterator[bytes]) -> ReceivedInstances:
    whole = [line for line in lines if line.endswith(b"\n")]  # the last may be torn
    instances = _instances_from(_SENDER.validate_json(whole[0]) if whole else _Sender(ae_title="", address=""))
    for line in whole[1:]:
        instances.add(_TRANSFER.validate_json(line))
    return instances


def _instances_from(sender: _Sender) -> ReceivedInstances:
    return ReceivedInstances(RemoteAE(ae_title=sender.ae_title, address=sender.address), by_get=sender.by_get)


def _append(descriptor: int, content: dict[str, object]) -> None:
    """Add a line, or on a full disk nothing of it: the next one would go on where it was torn."""
    line, size = json.dumps(content).encode() + b"\n", os.fstat(descriptor).st_size
    if os.write(descriptor, line) < len(line):
        os.ftruncate(descriptor, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
