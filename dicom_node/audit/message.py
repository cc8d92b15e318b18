"""The form of an audit message: PS3.15 section A.5.1, the DICOM Audit Message Schema, as value objects and as XML.

What is said with it is in `dicom_node.audit.events`, where it goes in `dicom_node.audit.trail`.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, StrEnum
from ipaddress import ip_address
from xml.etree import ElementTree as ET

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_NOT_IN_XML = re.compile("[^ -\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""XML 1.0 section 2.2 allows these and line ends; a message has no line ends, so that it is one line of a file."""


@dataclass(frozen=True)
class Code:
    """A coded value (CodedValueType)."""

    value: str
    meaning: str
    scheme: str = "DCM"


class Role(Enum):
    """What a participant did (PS3.16 CID 402)."""

    APPLICATION = Code("110150", "Application")
    DESTINATION = Code("110152", "Destination Role ID")
    SOURCE = Code("110153", "Source Role ID")


class Action(StrEnum):
    """EventActionCode."""

    CREATE = "C"
    READ = "R"
    EXECUTE = "E"
    DELETE = "D"


class Outcome(StrEnum):
    """EventOutcomeIndicator."""

    SUCCESS = "0"
    SERIOUS_FAILURE = "8"
    """The action was not carried out."""


@dataclass(frozen=True, kw_only=True)
class Participant:
    """An application entity that took part in an event (ActiveParticipant)."""

    ae_title: str
    """Empty where none was given, as by a caller that failed in the TLS handshake."""
    address: str
    """IP address or host name."""
    role: Role | None = None
    is_requestor: bool = False
    process_id: int | None = None
    """Known of ourselves alone."""
    name: str = ""
    """The name of the process."""


@dataclass(frozen=True, kw_only=True)
class User:
    """A person, or a program, that took part in an event (ActiveParticipant)."""

    name: str
    """Of the account."""
    address: str
    """IP address."""


@dataclass(frozen=True, kw_only=True)
class ParticipantObject:
    """What an event was about (ParticipantObjectIdentification)."""

    id: str
    id_type: Code
    type_code: int
    """1 a person, 2 a system object."""
    role: int | None
    """PS3.15 section A.5.1.2.2: 1 a patient, 3 a report (which a study is), 13 a security resource."""
    query: bytes | None = None
    details: Sequence[tuple[str, bytes]] = ()
    """Type and value of each."""
    sop_classes: Sequence[tuple[str, int]] = ()
    """SOP Class UID and number of instances of each."""


@dataclass(frozen=True, kw_only=True)
class AuditMessage:
    """One event of the audit trail; who reports it is added when it is recorded."""

    event: Code
    event_type: Code | None = None
    action: Action
    outcome: Outcome = Outcome.SUCCESS
    outcome_description: str = ""
    """Free of PHI: one of our own error messages (config.errors)."""
    own_role: Role | None
    """What we did ourselves."""
    we_requested: bool
    """Whether the event was our doing; False where nobody knows whose it was."""
    others: Sequence[Participant] = ()
    users: Sequence[User] = ()
    """Each of them asked for it."""
    objects: Sequence[ParticipantObject] = ()
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """Aware."""


@dataclass(frozen=True, kw_only=True)
class AuditSource:
    """Who reports: our process."""

    ae_title: str
    host: str
    process_id: int
    process_name: str = "echoworker"


def to_xml(message: AuditMessage, source: AuditSource) -> str:
    """The message as an XML document of one line.

    Characters that XML cannot hold, as a caller may put into its AE title, become U+FFFD.
    """
    ourselves = Participant(
        ae_title=source.ae_title,
        address=source.host,
        role=message.own_role,
        is_requestor=message.we_requested,
        process_id=source.process_id,
        name=source.process_name,
    )
    participants = [ourselves, *message.others]
    if message.own_role is Role.DESTINATION:
        participants.reverse()  # the table of each event names the source first
    root = ET.Element("AuditMessage")
    root.append(_event(message))
    root.extend(_active_participant(participant) for participant in participants)
    root.extend(_active_user(user) for user in message.users)
    reporter = ET.SubElement(root, "AuditSourceIdentification", AuditSourceID=_clean(source.ae_title))
    ET.SubElement(reporter, "AuditSourceTypeCode", {"csd-code": "4"})  # application server process
    root.extend(_participant_object(item) for item in message.objects)
    return DECLARATION + ET.tostring(root, encoding="unicode")


def _event(message: AuditMessage) -> ET.Element:
    element = ET.Element(
        "EventIdentification",
        EventActionCode=message.action,
        EventDateTime=_utc(message.at),
        EventOutcomeIndicator=message.outcome,
    )
    element.append(_code("EventID", message.event))
    if message.event_type:
        element.append(_code("EventTypeCode", message.event_type))
    if message.outcome_description:
        ET.SubElement(element, "EventOutcomeDescription").text = _clean(message.outcome_description)
    return element


def _active_participant(participant: Participant) -> ET.Element:
    # Section A.5.2.1: an identifier that our own logs use too. They name a peer by its AE title.
    user_id = str(participant.process_id or participant.ae_title or participant.address)
    attributes = {"UserID": _clean(user_id)}
    if participant.ae_title:
        attributes["AlternativeUserID"] = _clean(f"AETITLES={participant.ae_title}")  # section A.5.2.2
    if participant.name:
        attributes["UserName"] = _clean(participant.name)
    attributes["UserIsRequestor"] = "true" if participant.is_requestor else "false"
    if participant.address:
        attributes |= _network_point(participant.address)
    element = ET.Element("ActiveParticipant", attributes)
    if participant.role:
        element.append(_code("RoleIDCode", participant.role.value))
    return element


def _active_user(user: User) -> ET.Element:
    attributes = {"UserID": _clean(user.name), "UserIsRequestor": "true"}
    return ET.Element("ActiveParticipant", attributes | (_network_point(user.address) if user.address else {}))


def _network_point(address: str) -> dict[str, str]:
    return {
        "NetworkAccessPointID": _clean(address),
        "NetworkAccessPointTypeCode": "2" if _is_ip_address(address) else "1",
    }


def _participant_object(item: ParticipantObject) -> ET.Element:
    attributes = {"ParticipantObjectID": _clean(item.id), "ParticipantObjectTypeCode": str(item.type_code)}
    if item.role:
        attributes["ParticipantObjectTypeCodeRole"] = str(item.role)
    element = ET.Element("ParticipantObjectIdentification", attributes)
    element.append(_code("ParticipantObjectIDTypeCode", item.id_type))
    if item.query is None:
        ET.SubElement(element, "ParticipantObjectName")  # the schema demands it; we name nobody
    else:
        ET.SubElement(element, "ParticipantObjectQuery").text = _base64(item.query)
    for kind, value in item.details:
        ET.SubElement(element, "ParticipantObjectDetail", type=_clean(kind), value=_base64(value))
    if item.sop_classes:
        description = ET.SubElement(element, "ParticipantObjectDescription")
        for uid, count in item.sop_classes:
            ET.SubElement(description, "SOPClass", UID=_clean(uid), NumberOfInstances=str(count))
    return element


def _code(tag: str, code: Code) -> ET.Element:
    attributes = {"csd-code": code.value, "codeSystemName": code.scheme, "originalText": code.meaning}
    return ET.Element(tag, attributes)


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def _base64(value: bytes) -> str:
    return b64encode(value).decode("ascii")


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_ip_address(address: str) -> bool:
    try:
        ip_address(address)
    except ValueError:
        return False
    return True
