"""What this host received, into the bucket: before the registry names it, so that every host finds what it names.

With the bucket away an instance waits among the unregistered, as it does with the registry away.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from config.errors import InstanceConflictError
from config.logs import Event, emit
from config.whole_files import unfinished_name
from db.lifecycle.received import ReceivedInstance
from dicom_node.bucket import Bucket
from dicom_node.quarantine import put_in_quarantine
from dicom_node.same_instance import is_same_instance
from dicom_node.spool import Spool, sha256_of

AT_ONCE = 8
"""Requests at the same time: an object takes some milliseconds of work, and more of waiting."""

Waiting = tuple[Path, ReceivedInstance]


class Sharing:
    """Remembers what this process has put there: with the registry away, nothing goes twice."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._shared: set[Path] = set()

    def shared(self, received: list[Waiting]) -> list[Waiting]:
        """Put instances into the bucket; those that may be registered now.

        One that the bucket has with other bytes, which this host had no more when it came, goes into quarantine.

        Raises
        ------
        BucketAwayError
            The bucket does not take them now: they wait.
        OSError
            The disk failed.
        """
        bucket = self._spool.bucket
        if bucket is None:
            return received
        if any(waiting not in self._shared for waiting, _ in received):
            bucket.require_answer()  # one that is away is waited for once, not for each of them
        with ThreadPoolExecutor(AT_ONCE) as pool:
            are_there = list(pool.map(lambda pair: self._share(bucket, *pair), received))
        return [pair for pair, is_there in zip(received, are_there, strict=True) if is_there]

    def forget(self, waiting: Path) -> None:
        """It waits no more."""
        self._shared.discard(waiting)

    def _share(self, bucket: Bucket, waiting: Path, instance: ReceivedInstance) -> bool:
        if waiting in self._shared:
            return True
        try:
            if bucket.look(instance.spool_path) is None:
                bucket.put(waiting, instance.spool_path)
            else:
                self._compare(bucket, waiting, instance)
        except FileNotFoundError:
            return False  # registered by another process
        except InstanceConflictError as error:
            self._spool.note_conflict(instance.sop_instance_uid, instance.calling_ae_title)
            put_in_quarantine(self._spool, waiting, reason=str(error), calling_ae_title=instance.calling_ae_title)
            uid = instance.study_instance_uid
            emit(Event.INSTANCE_QUARANTINED, study_instance_uid=uid, reason=str(error))
            return False
        self._shared.add(waiting)
        return True

    def _compare(self, bucket: Bucket, waiting: Path, instance: ReceivedInstance) -> None:
        """What came first stays, in the bucket; this host forgets its own where that has other bytes."""
        first = unfinished_name(self._spool.new_incoming())
        try:
            if bucket.fetch(instance.spool_path, first) is None:
                bucket.put(waiting, instance.spool_path)
                return
            if sha256_of(first) == instance.sha256:
                return
            with suppress(FileNotFoundError):
                self._spool.absolute(instance.spool_path).unlink()
            if not is_same_instance(waiting, first):
                raise InstanceConflictError("other bytes are already kept under this SOP Instance UID")
        finally:
            first.unlink(missing_ok=True)
