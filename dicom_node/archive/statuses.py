"""What archives answer to C-FIND, C-MOVE and C-GET (PS3.4 tables C.4-1 to C.4-3, PS3.7 annex C)."""

from enum import IntEnum

from pydicom.dataset import Dataset


class QueryRetrieveStatus(IntEnum):
    """The statuses that decide what happens next."""

    SUCCESS = 0x0000
    PENDING = 0xFF00
    PENDING_KEYS_UNSUPPORTED = 0xFF01
    """Pending as well; the archive does not match or return every optional key."""
    CANCELLED = 0xFE00
    SOME_FAILED = 0xB000
    """The sub-operations are over; some failed or gave a warning."""
    DESTINATION_UNKNOWN = 0xA801


PENDING = (QueryRetrieveStatus.PENDING, QueryRetrieveStatus.PENDING_KEYS_UNSUPPORTED)

MEANINGS = (
    (0xFFFF, 0xA700, "out of resources"),
    (0xFFFF, 0xA701, "out of resources, cannot count the matches"),
    (0xFFFF, 0xA702, "out of resources, cannot send"),
    (0xFFFF, 0xA801, "move destination unknown"),
    (0xFFFF, 0xA900, "identifier does not match SOP class"),
    (0xFFFF, 0xB000, "sub-operations ended, some of them failed"),
    (0xFFFF, 0xFE00, "cancelled"),
    (0xF000, 0xC000, "unable to process"),
    (0xFFFF, 0x0110, "processing failure"),
    (0xFFFF, 0x0122, "SOP class not supported"),
    (0xFFFF, 0x0124, "not authorized"),
)


def status_of(response: Dataset) -> int | None:
    """The status of a response; None when the archive fell silent or broke the association off."""
    return int(response.Status) if "Status" in response else None


def named(status: int | None) -> str:
    """A status as people read it, such as `0xA900 identifier does not match SOP class`."""
    if status is None:
        return "no answer"
    meaning = next((text for mask, code, text in MEANINGS if status & mask == code), "")
    return f"0x{status:04X} {meaning}".strip()
