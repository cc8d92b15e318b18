"""The report as it lies in the spool: what was built is what leaves."""

from config.labels import ModelLabel
from db.schema import Report
from dicom_node.spool import sha256_of
from worker.context import WorkerContext


def is_intact(context: WorkerContext, report: Report) -> bool:
    """Whether the file of a report is there, with the bytes that were built.

    Raises
    ------
    OSError
        The disk does not give it.
    """
    try:
        return sha256_of(context.spool.absolute(report.spool_path)) == report.sha256
    except FileNotFoundError:
        return False


def no_destination(label: ModelLabel) -> str:
    """Why a study with a report goes no further."""
    return f"the report stays here: no destination accepts results of {label} models"
