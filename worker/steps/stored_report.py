"""An object made for the PACS, as it lies in the spool: what was built is what leaves."""

from typing import Protocol

from dicom_node.spool import sha256_of
from worker.context import WorkerContext


class StoredObject(Protocol):
    """What the registry knows of its file."""

    @property
    def spool_path(self) -> str:
        """Relative to the spool."""

    @property
    def sha256(self) -> str:
        """Of the bytes that were built."""


def is_intact(context: WorkerContext, stored: StoredObject) -> bool:
    """Whether the file of an object is there, with the bytes that were built.

    Raises
    ------
    BucketAwayError
        It is not here, and the bucket does not answer.
    OSError
        The disk does not give it.
    """
    try:
        return sha256_of(context.spool.file(stored.spool_path)) == stored.sha256
    except FileNotFoundError:
        return False
