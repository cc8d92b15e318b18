"""The C-STORE messages themselves (PS3.7 section 9.3.1), as bytes, of both sides: requests and answers made and read.

Command sets are always Implicit VR Little Endian (PS3.7 section 6.3.1); P-DATA-TF is big endian (PS3.8 section 9.3.5).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from dicom_node.reception.p_data import COMMAND, LAST, P_DATA_TF

C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
DATA_SET_FOLLOWS, NO_DATA_SET = 0x0001, 0x0101
MEDIUM_PRIORITY = 0x0000
LONGEST_COMMENT = 64
"""Error Comment (0000,0902) is LO."""

_GROUP_LENGTH = 0x0000
_AFFECTED_SOP_CLASS_UID = 0x0002
_COMMAND_FIELD = 0x0100
_PRIORITY = 0x0700
_MESSAGE_ID = 0x0110
_MESSAGE_ID_RESPONDED_TO = 0x0120
_DATA_SET_TYPE = 0x0800
_STATUS = 0x0900
_ERROR_COMMENT = 0x0902
_AFFECTED_SOP_INSTANCE_UID = 0x1000


@dataclass(frozen=True, kw_only=True)
class StoreRequest:
    """What a C-STORE-RQ says of the data set that follows it."""

    context_id: int
    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    has_data_set: bool


def read_store_request(context_id: int, command_set: bytes) -> StoreRequest | None:
    """The request in an encoded command set; None when it is another message, or none at all."""
    elements = _elements(command_set)
    if elements is None or _unsigned(elements, _COMMAND_FIELD) != C_STORE_RQ:
        return None
    message_id = _unsigned(elements, _MESSAGE_ID)
    data_set_type = _unsigned(elements, _DATA_SET_TYPE)
    if message_id is None or data_set_type is None:
        return None
    return StoreRequest(
        context_id=context_id,
        message_id=message_id,
        sop_class_uid=_uid(elements, _AFFECTED_SOP_CLASS_UID),
        sop_instance_uid=_uid(elements, _AFFECTED_SOP_INSTANCE_UID),
        has_data_set=data_set_type != NO_DATA_SET,
    )


def store_request(request: StoreRequest) -> bytes:
    """The encoded command set of a C-STORE-RQ."""
    return _command_set(
        [
            (_AFFECTED_SOP_CLASS_UID, _padded(request.sop_class_uid, b"\0")),
            (_COMMAND_FIELD, struct.pack("<H", C_STORE_RQ)),
            (_MESSAGE_ID, struct.pack("<H", request.message_id)),
            (_PRIORITY, struct.pack("<H", MEDIUM_PRIORITY)),
            (_DATA_SET_TYPE, struct.pack("<H", DATA_SET_FOLLOWS if request.has_data_set else NO_DATA_SET)),
            (_AFFECTED_SOP_INSTANCE_UID, _padded(request.sop_instance_uid, b"\0")),
        ]
    )


def store_response(request: StoreRequest, status: int, comment: str = "") -> bytes:
    """A whole P-DATA-TF PDU with the C-STORE-RSP to a request; `comment` is cut to 64 characters."""
    elements = [
        (_AFFECTED_SOP_CLASS_UID, _padded(request.sop_class_uid, b"\0")),
        (_COMMAND_FIELD, struct.pack("<H", C_STORE_RSP)),
        (_MESSAGE_ID_RESPONDED_TO, struct.pack("<H", request.message_id)),
        (_DATA_SET_TYPE, struct.pack("<H", NO_DATA_SET)),
        (_STATUS, struct.pack("<H", status)),
    ]
    if comment:
        elements.append((_ERROR_COMMENT, _padded(comment[:LONGEST_COMMENT], b" ")))
    elements.append((_AFFECTED_SOP_INSTANCE_UID, _padded(request.sop_instance_uid, b"\0")))
    command_set = _command_set(elements)
    item = struct.pack(">LBB", len(command_set) + 2, request.context_id, COMMAND | LAST) + command_set
    return struct.pack(">BBL", P_DATA_TF, 0, len(item)) + item


@dataclass(frozen=True, kw_only=True)
class StoreResponse:
    """What a C-STORE-RSP says."""

    status: int
    comment: str
    """Error Comment: the peer's own words, which may name the patient."""


def read_store_response(command_set: bytes, message_id: int) -> StoreResponse | None:
    """The answer to the request of this message ID in an encoded command set; None when it is something else."""
    elements = _elements(command_set)
    if elements is None or _unsigned(elements, _COMMAND_FIELD) != C_STORE_RSP:
        return None
    status = _unsigned(elements, _STATUS)
    if status is None or _unsigned(elements, _MESSAGE_ID_RESPONDED_TO) != message_id:
        return None
    comment = elements.get(_ERROR_COMMENT, b"").decode("ascii", errors="replace").strip(" \0")
    return StoreResponse(status=status, comment=comment)


def _command_set(elements: Sequence[tuple[int, bytes]]) -> bytes:
    body = b"".join(struct.pack("<HHL", 0, element, len(value)) + value for element, value in elements)
    return struct.pack("<HHLL", 0, _GROUP_LENGTH, 4, len(body)) + body


def _elements(command_set: bytes) -> dict[int, bytes] | None:
    """The values by element number; None unless these are elements of group 0000, in order, and nothing else."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(command_set):
        if at + 8 > len(command_set):
            return None
        group, element, length = struct.unpack_from("<HHL", command_set, at)
        at += 8
        if group != 0 or at + length > len(command_set):
            return None
        found[element] = command_set[at : at + length]
        at += length
    return found if all(before < after for before, after in pairwise(found)) else None


def _unsigned(elements: dict[int, bytes], element: int) -> int | None:
    value = elements.get(element, b"")
    return struct.unpack("<H", value)[0] if len(value) == 2 else None


def _uid(elements: dict[int, bytes], element: int) -> str:
    return elements.get(element, b"").rstrip(b"\0 ").decode("ascii", errors="replace")


def _padded(text: str, pad: bytes) -> bytes:
    value = text.encode("ascii", errors="replace")
    return value + pad if len(value) % 2 else value
