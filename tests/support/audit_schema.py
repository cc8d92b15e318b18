"""The DICOM Audit Message Schema of PS3.15 section A.5.1, as tables, and a check of a message against them."""

import re
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import datetime
from xml.etree import ElementTree as ET

ANY = r".*"
OID = r"[0-2](\.(0|[1-9][0-9]*))+"
COUNT = r"[0-9]+"
BASE64 = r"[A-Za-z0-9+/]*={0,2}"
BOOLEAN = r"true|false|0|1"


@dataclass(frozen=True)
class Rule:
    """Attributes with the pattern of their values; children as a pattern over their names, each closed by a space."""

    children: str = ""
    required: dict[str, str] = field(default_factory=dict)
    optional: dict[str, str] = field(default_factory=dict)
    text: str = ""


CODE = Rule(
    required={"csd-code": ANY, "codeSystemName": ANY, "originalText": ANY},
    optional={"displayName": ANY},
)
RULES = {
    "AuditMessage": Rule(
        "EventIdentification (ActiveParticipant )+AuditSourceIdentification (ParticipantObjectIdentification )*"
    ),
    "EventIdentification": Rule(
        "EventID (EventTypeCode )*(EventOutcomeDescription )?",
        required={"EventDateTime": ANY, "EventOutcomeIndicator": "0|4|8|12"},
        optional={"EventActionCode": "[CRUDE]"},
    ),
    "EventID": CODE,
    "EventTypeCode": CODE,
    "EventOutcomeDescription": Rule(text=ANY),
    "ActiveParticipant": Rule(
        "(RoleIDCode )*(MediaIdentifier )?",
        required={"UserID": ANY, "UserIsRequestor": BOOLEAN},
        optional={
            "AlternativeUserID": ANY,
            "UserName": ANY,
            "NetworkAccessPointID": ANY,
            "NetworkAccessPointTypeCode": "[1-5]",
        },
    ),
    "RoleIDCode": CODE,
    "AuditSourceIdentification": Rule(
        "(AuditSourceTypeCode )*", required={"AuditSourceID": ANY}, optional={"AuditEnterpriseSiteID": ANY}
    ),
    "AuditSourceTypeCode": Rule(required={"csd-code": "[1-9]"}),
    "ParticipantObjectIdentification": Rule(
        "ParticipantObjectIDTypeCode (ParticipantObjectName |ParticipantObjectQuery )"
        "(ParticipantObjectDetail )*(ParticipantObjectDescription )*",
        required={"ParticipantObjectID": ANY},
        optional={
            "ParticipantObjectTypeCode": "[1-4]",
            "ParticipantObjectTypeCodeRole": "[1-9]|1[0-9]|2[0-6]",
            "ParticipantObjectDataLifeCycle": "[1-9]|1[0-5]",
            "ParticipantObjectSensitivity": ANY,
        },
    ),
    "ParticipantObjectIDTypeCode": CODE,
    "ParticipantObjectName": Rule(text=ANY),
    "ParticipantObjectQuery": Rule(text=BASE64),
    "ParticipantObjectDetail": Rule(required={"type": ANY, "value": BASE64}),
    "ParticipantObjectDescription": Rule(
        "(MPPS )*(Accession )*(SOPClass )*(ParticipantObjectContainsStudy )?(Encrypted )?(Anonymized )?"
    ),
    "SOPClass": Rule("(Instance )*", required={"NumberOfInstances": COUNT}, optional={"UID": OID}),
    "Instance": Rule(required={"UID": OID}),
}


def parse_valid(document: str | bytes) -> ET.Element:
    """The message, after it has been held against the schema."""
    root = ET.fromstring(document)  # noqa: S314  it is our own
    assert root.tag == "AuditMessage"
    for element in root.iter():
        _check(element)
    at = datetime.fromisoformat(root.find("EventIdentification").attrib["EventDateTime"])  # type: ignore[union-attr]
    assert at.utcoffset() is not None, "A.5.2.5: with its time zone"
    return root


def _check(element: ET.Element) -> None:
    rule = RULES[element.tag]
    children = "".join(f"{child.tag} " for child in element)
    assert re.fullmatch(rule.children, children), f"{element.tag} holds {children}"
    assert re.fullmatch(rule.text, element.text or ""), f"{element.tag}: text"
    assert rule.required.keys() <= element.attrib.keys(), f"{element.tag}: {sorted(element.attrib)}"
    for name, value in element.attrib.items():
        pattern = {**rule.required, **rule.optional}[name]
        assert re.fullmatch(pattern, value), f"{element.tag}/@{name}: {value}"
        if pattern == BASE64:
            b64decode(value, validate=True)
