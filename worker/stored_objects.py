"""Objects made for the PACS, as they lie in the spool: what was built is what leaves."""

from dicom_node.spool import sha256_of
from worker.context import WorkerContext


def is_intact(context: WorkerContext, spool_path: str, sha256: str) -> bool:
    """Whether the file of an object is there, with the bytes that were built.

    Raises
    ------
    OSError
        The disk does not give it.
    """
    try:
        return sha256_of(context.spool.absolute(spool_path)) == sha256
    except FileNotFoundError:
        return False
