"""The statuses that the node answers with (PS3.4 table B.2-1, PS3.7 annex C), and which error gives which."""

from enum import IntEnum

from pydicom.dataset import Dataset

from config.errors import (
    ClassNotSupportedError,
    InstanceConflictError,
    InstanceMismatchError,
    NotAuthorizedError,
    SpoolFullError,
    UnreadableInstanceError,
)


class StorageStatus(IntEnum):
    """C-STORE-RSP statuses."""

    SUCCESS = 0x0000
    COERCED = 0xB000
    """Warning: kept, but not as the instance of that UID, see the comment."""
    CLASS_NOT_SUPPORTED = 0x0122
    NOT_AUTHORIZED = 0x0124
    OUT_OF_RESOURCES = 0xA700
    DOES_NOT_MATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000
    UNEXPECTED = 0xC211


MEANINGS: dict[StorageStatus, str] = {
    StorageStatus.SUCCESS: (
        "the instance is durable on disk under its final name; the same bytes, or the same elements in another "
        "uncompressed transfer syntax, a second time as well"
    ),
    StorageStatus.COERCED: (
        "other bytes are already kept under this SOP Instance UID: both are kept, the newcomer in quarantine"
    ),
    StorageStatus.CLASS_NOT_SUPPORTED: "the request's SOP class is not that of its presentation context; not kept",
    StorageStatus.NOT_AUTHORIZED: "the caller may associate, but is no sender; not kept",
    StorageStatus.OUT_OF_RESOURCES: "out of room; the sender should keep the object and try again",
    StorageStatus.DOES_NOT_MATCH: "the data set's SOP class or instance is not that of the request; quarantined",
    StorageStatus.CANNOT_UNDERSTAND: (
        "the data set cannot be understood, is cut off, or a UID is missing or invalid; quarantined"
    ),
    StorageStatus.UNEXPECTED: "unexpected error; quarantined",
}
"""When the node answers which, for the conformance statement."""


class CommitmentStatus(IntEnum):
    """N-ACTION and N-EVENT-REPORT statuses (PS3.7 annex C), and Failure Reasons (PS3.3 section C.14.1.1)."""

    SUCCESS = 0x0000
    PROCESSING_FAILURE = 0x0110
    NO_SUCH_INSTANCE = 0x0112
    NO_SUCH_EVENT_TYPE = 0x0113
    INVALID_ARGUMENT = 0x0115
    CLASS_INSTANCE_CONFLICT = 0x0119
    NO_SUCH_ACTION = 0x0123
    NOT_AUTHORIZED = 0x0124
    RESOURCE_LIMITATION = 0x0213


ACTION_MEANINGS: dict[CommitmentStatus, str] = {
    CommitmentStatus.SUCCESS: "the request is durable",
    CommitmentStatus.NO_SUCH_INSTANCE: "the requested instance is not 1.2.840.10008.1.20.1.1",
    CommitmentStatus.INVALID_ARGUMENT: (
        "the Transaction UID or a reference is missing or no valid UID, or nothing is referenced"
    ),
    CommitmentStatus.NO_SUCH_ACTION: "the Action Type ID is not 1",
    CommitmentStatus.NOT_AUTHORIZED: "the caller is no sender",
    CommitmentStatus.RESOURCE_LIMITATION: "the request cannot be written",
}
"""When an N-ACTION is answered with which, for the conformance statement."""

FAILURE_MEANINGS: dict[CommitmentStatus, str] = {
    CommitmentStatus.PROCESSING_FAILURE: (
        "received, but its file is damaged or cannot be read, or it could not be registered; or the requester has last "
        "sent other bytes under the SOP Instance UID than are kept, which was answered B000: its own are in quarantine"
    ),
    CommitmentStatus.NO_SUCH_INSTANCE: "not received, or its file is gone",
    CommitmentStatus.CLASS_INSTANCE_CONFLICT: "received with another SOP class",
}
"""When an instance is not committed to for which reason, for the conformance statement."""


STATUS_OF_ERROR: dict[type[Exception], StorageStatus] = {
    ClassNotSupportedError: StorageStatus.CLASS_NOT_SUPPORTED,
    NotAuthorizedError: StorageStatus.NOT_AUTHORIZED,
    SpoolFullError: StorageStatus.OUT_OF_RESOURCES,
    InstanceMismatchError: StorageStatus.DOES_NOT_MATCH,
    UnreadableInstanceError: StorageStatus.CANNOT_UNDERSTAND,
    InstanceConflictError: StorageStatus.COERCED,
    OSError: StorageStatus.OUT_OF_RESOURCES,
}


def status_of(error: Exception) -> StorageStatus:
    """The status that tells the sender what went wrong."""
    return next(
        (status for kind, status in STATUS_OF_ERROR.items() if isinstance(error, kind)), StorageStatus.UNEXPECTED
    )


def answer(status: StorageStatus, comment: str = "") -> Dataset:
    """A C-STORE-RSP status with an Error Comment (0000,0902), which is LO: at most 64 characters."""
    response = Dataset()
    response.Status = int(status)
    if comment:
        response.ErrorComment = comment[:64]
    return response
