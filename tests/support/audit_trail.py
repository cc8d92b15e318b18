"""What an audit trail tells, read back from its files; each message obeys the schema."""

from dataclasses import dataclass
from pathlib import Path

from tests.support.audit_schema import parse_valid

TRANSFERRED, QUERY, ACCESSED, AUTHENTICATION = "110104", "110112", "110103", "110114"
SECURITY_ALERT = "110113"


@dataclass(frozen=True, order=True)
class Told:
    outcome: str
    said: str
    object_id: str
    """Of the first object: a study's UID, or a query's SOP class."""
    instances: int
    source: str
    """AE title; empty of an event that has none."""


def trail(folder: Path, event_id: str) -> list[Told]:
    """The messages of one kind of event, in the order in which they were written."""
    found = []
    for line in b"".join(path.read_bytes() for path in sorted(folder.glob("*.log"))).splitlines():
        root = parse_valid(line)
        event = root.find("EventIdentification")
        assert event is not None
        if event.find(f"EventID[@csd-code='{event_id}']") is None:
            continue
        source = root.find("ActiveParticipant/RoleIDCode[@csd-code='110153']/..")
        subject = root.find("ParticipantObjectIdentification")
        found.append(
            Told(
                outcome=event.get("EventOutcomeIndicator", ""),
                said=event.findtext("EventOutcomeDescription", ""),
                object_id="" if subject is None else subject.get("ParticipantObjectID", ""),
                instances=sum(int(item.get("NumberOfInstances", 0)) for item in root.iter("SOPClass")),
                source="" if source is None else source.get("AlternativeUserID", "").removeprefix("AETITLES="),
            )
        )
    return found


@dataclass(frozen=True, order=True)
class Asked:
    """What somebody did on the pages."""

    user: str
    outcome: str
    said: str
    objects: tuple[str, ...]


def asked_by_people(folder: Path, event_id: str) -> list[Asked]:
    """The messages of one kind of event that somebody with an account is named in, as they were written."""
    found = []
    for line in b"".join(path.read_bytes() for path in sorted(folder.glob("*.log"))).splitlines():
        root = parse_valid(line)
        event = root.find("EventIdentification")
        users = [who for who in root.findall("ActiveParticipant") if who.get("UserName") is None]
        if event is None or event.find(f"EventID[@csd-code='{event_id}']") is None or not users:
            continue
        kind = event.find("EventTypeCode")
        found.append(
            Asked(
                user=users[0].get("UserID", ""),
                outcome=event.get("EventOutcomeIndicator", ""),
                said="" if kind is None else kind.get("originalText", ""),
                objects=tuple(
                    item.get("ParticipantObjectID", "") for item in root.iter("ParticipantObjectIdentification")
                ),
            )
        )
    return found
