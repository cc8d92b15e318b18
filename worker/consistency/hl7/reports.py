"""Reports out of HL7 v2 messages: ORU^R01 of versions 2.3 to 2.5.1, each OBR of it a report (section 7.3.1)."""

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone, tzinfo
from enum import StrEnum

from config.errors import UnreadableReportError
from dicom_node.header import is_valid_uid
from dicom_node.messages.hl7_text import APPLICATION
from worker.consistency.documents.readable_text import Part, TextBuilder
from worker.consistency.hl7.observations import add_observations
from worker.consistency.hl7.parsing import Message, Segment, parse
from worker.consistency.identifiers import Identifier, ReportIdentifiers

_ACCESSION_FIELDS = (("IPC", 1), ("OBR", 18), ("OBR", 3), ("OBR", 2), ("ORC", 3), ("ORC", 2), ("OBR", 20), ("OBR", 19))
"""Where an accession number stands, the likeliest first: IHE puts it into OBR-18 (IPC-1 from 2.5.1), others use the
numbers of the filler or the placer."""
_STUDY_UID_CODES = {"113014", "110180"}
"""DCM: DICOM Study; Study Instance UID."""
_TIMESTAMP = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:\.(\d{1,6}))?\d*([+-]\d{4})?")


class ResultStatus(StrEnum):
    """How far a report has come."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    CORRECTED = "corrected"
    CANCELLED = "cancelled"
    """Taken back, or there will be none: what came before under this order is not to be compared."""
    UNSAID = "unsaid"


_ORDER_STATUS = {
    "F": ResultStatus.FINAL, "C": ResultStatus.CORRECTED, "K": ResultStatus.CORRECTED, "X": ResultStatus.CANCELLED,
    **dict.fromkeys("OISAPR", ResultStatus.PRELIMINARY),
}  # fmt: skip
"""OBR-25, table 0123."""
_OBSERVATION_STATUS = {
    "F": ResultStatus.FINAL, "U": ResultStatus.FINAL, "C": ResultStatus.CORRECTED,
    **dict.fromkeys("XDW", ResultStatus.CANCELLED), **dict.fromkeys("PRSIBV", ResultStatus.PRELIMINARY),
}  # fmt: skip
"""OBX-11, table 0085."""


@dataclass(frozen=True, kw_only=True)
class HL7Report:
    """One report of a message."""

    identifiers: ReportIdentifiers = field(repr=False)
    text: str = field(repr=False)
    parts: tuple[Part, ...] = field(default=(), repr=False)
    status: ResultStatus
    control_id: str = field(repr=False)
    """MSH-10 of the message."""
    order: int
    """Which OBR of the message: from 1."""
    notes: tuple[str, ...] = ()
    """What was left out; free of what the message says."""

    @property
    def study_day(self) -> date | None:
        """When the study was made, as far as the message says."""
        return self.identifiers.observed_at.date() if self.identifiers.observed_at else None


def read_hl7_reports(content: bytes, *, local_zone: tzinfo | None = None) -> tuple[HL7Report, ...]:
    """Read the reports of a message; of one without OBR, none.

    Parameters
    ----------
    content
        A message, without the frame of MLLP.
    local_zone
        Of times without a zone: the machine's own where it is None.

    Raises
    ------
    UnreadableReportError
        It is no HL7 message, one of another kind, or one of ours.
    """
    message = parse(content)
    refuse_other_messages(message)
    if message.header.first(3).upper() == APPLICATION:
        raise UnreadableReportError("EchoWorker sent this message itself: it is no report to compare with")
    return tuple(
        _report(message, patient, segments, number, local_zone)
        for number, (patient, segments) in enumerate(_orders(message), start=1)
    )


def refuse_other_messages(message: Message) -> None:
    """Say so where a message is none of results.

    Raises
    ------
    UnreadableReportError
        MSH-9 is another than ORU.
    """
    if message.header.first(9).upper() != "ORU":
        raise UnreadableReportError("an HL7 message of another kind than ORU: only results are read")


def _orders(message: Message) -> list[tuple[list[Segment], list[Segment]]]:
    """Of each OBR the segments of its patient, and its own with the ORC before it; there may be several of both."""
    patient: list[Segment] = []
    orders: list[tuple[list[Segment], list[Segment]]] = []
    own: list[Segment] | None = None
    common: list[Segment] = []
    for segment in message.segments:
        if segment.name == "PID":
            patient, own, common = [segment], None, []
        elif segment.name == "ORC":
            own, common = None, [segment]
        elif segment.name == "OBR":
            own, common = [*common, segment], []
            orders.append((patient, own))
        elif own is not None:
            own.append(segment)
        elif common:
            common.append(segment)
        else:
            patient.append(segment)
    return orders


def _report(
    message: Message, patient: list[Segment], segments: list[Segment], number: int, local_zone: tzinfo | None
) -> HL7Report:
    builder = TextBuilder()
    notes = [*message.notes, *add_observations(segments, builder), *builder.notes()]
    status = _status(segments)
    if not builder.text and status is not ResultStatus.CANCELLED:
        notes.append("the report has no text")
    return HL7Report(
        identifiers=ReportIdentifiers(
            study_instance_uids=_study_uids([*patient, *segments]),
            accession_numbers=_accession_numbers(segments),
            patient_ids=_patient_ids(patient),
            observed_at=_observed_at(segments, message.header, local_zone),
        ),
        text=builder.text,
        parts=tuple(builder.parts),
        status=status,
        control_id=message.header.raw(10),
        order=number,
        notes=tuple(notes),
    )


def _accession_numbers(segments: list[Segment]) -> tuple[Identifier, ...]:
    """Each number once, in the order of `_ACCESSION_FIELDS`."""
    found: dict[tuple[str, str], Identifier] = {}
    for name, number in _ACCESSION_FIELDS:
        for segment in segments:
            if segment.name == name:
                for parts in segment.repetitions(number):
                    value, issuer = parts[0], next((part for part in parts[1:3] if part), "")
                    if value:
                        said = Identifier(value=value, issuer=issuer, source=f"{name}-{number}")
                        found.setdefault((value, issuer), said)
    return tuple(found.values())


def _patient_ids(patient: list[Segment]) -> tuple[Identifier, ...]:
    """PID-3 with its assigning authorities, then what older versions have in PID-2 and PID-4."""
    found: dict[tuple[str, str], Identifier] = {}
    for segment in patient:
        if segment.name == "PID":
            for number in (3, 2, 4):
                for parts in segment.repetitions(number):
                    authority = parts[3].split(segment.delimiters.subcomponent or "&")[0] if len(parts) > 3 else ""
                    if parts[0]:
                        said = Identifier(value=parts[0], issuer=authority.strip(), source=f"PID-{number}")
                        found.setdefault((parts[0], said.issuer), said)
    return tuple(found.values())


def _study_uids(segments: list[Segment]) -> tuple[str, ...]:
    """ZDS-1 of IHE's scheduled workflow, IPC-3, and an OBX that is called so."""
    said: list[str] = []
    for segment in segments:
        match segment.name:
            case "ZDS":
                said.append(segment.first(1))
            case "IPC":
                said.append(segment.first(3))
            case "OBX":
                name = segment.repetitions(3)[:1]
                words = " ".join(name[0]).lower() if name else ""
                if words and (name[0][0] in _STUDY_UID_CODES or "study instance uid" in words or "studyuid" in words):
                    said += [segment.first(5), segment.first(5, 2)]
    return tuple(dict.fromkeys(uid for uid in said if uid and is_valid_uid(uid) and "." in uid))


def _observed_at(segments: list[Segment], header: Segment, local_zone: tzinfo | None) -> datetime | None:
    """OBR-7, or the first time that an observation has; in the zone of the message where the field names none."""
    zone = _zone(header.first(7)) or local_zone
    said = [s.first(7) for s in segments if s.name == "OBR"] + [s.first(14) for s in segments if s.name == "OBX"]
    return next((time for text in said if (time := time_in(text, zone)) is not None), None)


def time_in(text: str, zone: tzinfo | None) -> datetime | None:
    """A TS or DTM (HL7 v2.5.1 section 2.A.22) that names at least a day, as an aware time; None for anything else."""
    found = _TIMESTAMP.fullmatch(text.strip())
    if found is None or found[3] is None:
        return None
    numbers = [int(part or 0) for part in found.groups()[:6]]
    try:
        time = datetime(*numbers, int((found[7] or "0").ljust(6, "0")), tzinfo=_zone(text) or zone)  # type: ignore[arg-type, misc]
        return time if time.tzinfo is not None else time.astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def _zone(text: str) -> tzinfo | None:
    found = re.search(r"([+-])(\d\d)(\d\d)$", text.strip())
    if found is None or int(found[2]) > 23 or int(found[3]) > 59:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(offset if found[1] == "+" else -offset)


def _status(segments: list[Segment]) -> ResultStatus:
    """OBR-25; where that is empty, the least far that an observation is."""
    for segment in segments:
        if segment.name == "OBR" and (said := segment.first(25).upper()) in _ORDER_STATUS:
            return _ORDER_STATUS[said]
    letters = [s.first(11).upper() for s in segments if s.name == "OBX"]
    stages = {_OBSERVATION_STATUS.get(letter, ResultStatus.UNSAID) for letter in letters}
    for least in (ResultStatus.PRELIMINARY, ResultStatus.CORRECTED, ResultStatus.FINAL, ResultStatus.CANCELLED):
        if least in stages:
            return least
    return ResultStatus.UNSAID
