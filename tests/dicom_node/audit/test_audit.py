"""What the audit trail says, held against the schema and the event tables of PS3.15 annex A.5; and its files."""

import errno
import multiprocessing
import os
import threading
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO, StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.dsutils import decode

from config.logs import configure_logs
from config.settings import Settings, load_settings
from db.lifecycle.received import Identity
from dicom_node.audit import trail as audit_trail
from dicom_node.audit.events import (
    ReceivedInstances,
    RemoteAE,
    StudyInstances,
    application_started,
    application_stopped,
    association_refused,
    instances_received,
    instances_sent,
    query_made,
    received,
)
from dicom_node.audit.message import AuditMessage, AuditSource, to_xml
from dicom_node.audit.trail import AuditTrail
from dicom_node.header import InstanceHeader
from dicom_node.spool import Kept
from dicom_node.statuses import StorageStatus
from tests.support.audit_schema import parse_valid

US = AuditSource(ae_title="ECHOWORKER", host="echo.hospital", process_id=4711)
MODALITY = RemoteAE(ae_title="VIVID1", address="10.20.0.7")
PACS = RemoteAE(ae_title="PACS", address="pacs.hospital")
US_MULTIFRAME, SR = "1.2.840.10008.5.1.4.1.1.3.1", "1.2.840.10008.5.1.4.1.1.88.33"
STUDY = StudyInstances(study_instance_uid="1.2.3", patient_id="P-17", sop_classes={US_MULTIFRAME: 58, SR: 2})
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"


def identifier(**values: str) -> Dataset:
    asked = Dataset()
    for keyword, value in values.items():
        setattr(asked, keyword, value)
    return asked


FIND = query_made(PACS, identifier(QueryRetrieveLevel="STUDY", PatientID="P-17"), sop_class_uid=STUDY_ROOT_FIND)
EVERY_KIND = {
    "started": application_started(),
    "stopped": application_stopped(),
    "received": instances_received(MODALITY, STUDY),
    "received again": instances_received(MODALITY, STUDY, already_held=True),
    "refused instances": instances_received(MODALITY, STUDY, failure="disk low"),
    "sent": instances_sent(PACS, STUDY),
    "not sent": instances_sent(PACS, STUDY, failure="0xA700 out of resources"),
    "query": FIND,
    "refused": association_refused(MODALITY, reason="unknown calling AE title"),
    "refused in the handshake": association_refused(RemoteAE(ae_title="", address="::1"), reason="no certificate"),
}


def told(message: AuditMessage) -> ET.Element:
    return parse_valid(to_xml(message, US))


def event(root: ET.Element) -> dict[str, str | None]:
    found = root.find("EventIdentification")
    assert found is not None
    codes = {child.tag: child.get("csd-code") for child in found if child.get("codeSystemName") == "DCM"}
    return {**found.attrib, **codes}


def participants(root: ET.Element) -> list[tuple[str | None, ...]]:
    """Of each: role, AE title, whether it asked for the event, address and kind of address."""
    return [
        (
            role.get("csd-code") if (role := found.find("RoleIDCode")) is not None else None,
            found.get("AlternativeUserID"),
            found.get("UserIsRequestor"),
            found.get("NetworkAccessPointID"),
            found.get("NetworkAccessPointTypeCode"),
        )
        for found in root.findall("ActiveParticipant")
    ]


def objects(root: ET.Element) -> dict[str | None, ET.Element]:
    """By the code of their kind of ID."""
    return {
        kind.get("csd-code"): found
        for found in root.findall("ParticipantObjectIdentification")
        if (kind := found.find("ParticipantObjectIDTypeCode")) is not None
    }


@pytest.mark.parametrize("message", EVERY_KIND.values(), ids=EVERY_KIND)
def test_every_message_obeys_the_schema_and_is_one_line_in_utc_from_one_source(message: AuditMessage) -> None:
    line = to_xml(message, US)
    root = parse_valid(line)
    assert line.startswith('<?xml version="1.0" encoding="UTF-8"?><AuditMessage>')
    assert "\n" not in line
    assert str(event(root)["EventDateTime"]).endswith("Z")
    source = root.find("AuditSourceIdentification")
    assert source is not None
    assert source.get("AuditSourceID") == "ECHOWORKER"
    assert sum(found.get("UserIsRequestor") == "true" for found in root.findall("ActiveParticipant")) <= 1


def test_the_time_is_told_in_utc_wherever_it_was_taken() -> None:
    noon_in_berlin = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    root = told(replace(application_started(), at=noon_in_berlin))
    assert event(root)["EventDateTime"] == "2026-07-01T10:00:00.000Z"


@pytest.mark.parametrize(("message", "kind"), [(application_started(), "110120"), (application_stopped(), "110121")])
def test_application_activity_names_the_process_and_its_ae_title(message: AuditMessage, kind: str) -> None:
    root = told(message)
    assert event(root)["EventID"] == "110100"
    assert event(root)["EventTypeCode"] == kind
    assert (event(root)["EventActionCode"], event(root)["EventOutcomeIndicator"]) == ("E", "0")
    assert participants(root) == [("110150", "AETITLES=ECHOWORKER", "false", "echo.hospital", "1")]
    assert root.find("ActiveParticipant").get("UserID") == "4711"  # type: ignore[union-attr]


def test_received_instances_name_source_destination_study_and_patient() -> None:
    root = told(instances_received(MODALITY, STUDY))
    assert (event(root)["EventID"], event(root)["EventActionCode"]) == ("110104", "C")
    assert participants(root) == [
        ("110153", "AETITLES=VIVID1", "true", "10.20.0.7", "2"),
        ("110152", "AETITLES=ECHOWORKER", "false", "echo.hospital", "1"),
    ]
    study, patient = objects(root)["110180"], objects(root)["2"]
    assert study.get("ParticipantObjectID") == "1.2.3"
    assert (study.get("ParticipantObjectTypeCode"), study.get("ParticipantObjectTypeCodeRole")) == ("2", "3")
    assert {(found.get("UID"), found.get("NumberOfInstances")) for found in study.iter("SOPClass")} == {
        (US_MULTIFRAME, "58"),
        (SR, "2"),
    }
    assert patient.get("ParticipantObjectID") == "P-17"
    assert (patient.get("ParticipantObjectTypeCode"), patient.get("ParticipantObjectTypeCodeRole")) == ("1", "1")
    kind = patient.find("ParticipantObjectIDTypeCode")
    assert kind is not None
    assert (kind.get("codeSystemName"), kind.get("originalText")) == ("RFC-3881", "Patient Number")


def test_the_action_says_whether_the_receiver_held_the_instances_before() -> None:
    assert event(told(EVERY_KIND["received again"]))["EventActionCode"] == "R"
    assert event(told(EVERY_KIND["sent"]))["EventActionCode"] == "R"  # the sender cannot know


def test_sent_instances_name_us_as_the_source_and_the_requestor() -> None:
    assert participants(told(instances_sent(PACS, STUDY))) == [
        ("110153", "AETITLES=ECHOWORKER", "true", "echo.hospital", "1"),
        ("110152", "AETITLES=PACS", "false", "pacs.hospital", "1"),
    ]


@pytest.mark.parametrize("kind", ["refused instances", "not sent", "refused"])
def test_a_failure_says_so_and_why(kind: str) -> None:
    root = told(EVERY_KIND[kind])
    assert event(root)["EventOutcomeIndicator"] == "8"
    assert root.findtext("EventIdentification/EventOutcomeDescription")


def test_a_query_is_kept_as_the_data_set_that_was_sent() -> None:
    root = told(FIND)
    assert (event(root)["EventID"], event(root)["EventActionCode"]) == ("110112", "E")
    assert [row[0] for row in participants(root)] == ["110153", "110152"]
    asked = objects(root)["110181"]
    assert asked.get("ParticipantObjectID") == STUDY_ROOT_FIND
    detail = asked.find("ParticipantObjectDetail")
    assert detail is not None
    assert detail.get("type") == "TransferSyntax"
    assert b64decode(detail.get("value", "")).decode() == ExplicitVRLittleEndian
    query = decode(BytesIO(b64decode(asked.findtext("ParticipantObjectQuery", ""))), False, True)
    assert (query.QueryRetrieveLevel, query.PatientID) == ("STUDY", "P-17")


def test_a_refused_association_names_the_caller_by_ae_title_and_address() -> None:
    root = told(association_refused(MODALITY, reason="unknown calling AE title"))
    assert (event(root)["EventID"], event(root)["EventTypeCode"]) == ("110113", "110126")
    assert participants(root)[1] == (None, "AETITLES=VIVID1", "false", "10.20.0.7", "2")
    subject = objects(root)["110182"]
    assert subject.get("ParticipantObjectID") == "10.20.0.7"
    detail = subject.find("ParticipantObjectDetail")
    assert detail is not None
    assert detail.get("type") == "Alert Description"
    assert b64decode(detail.get("value", "")) == b"unknown calling AE title"


@given(st.text(), st.text(), st.text(min_size=1))
def test_whatever_a_caller_calls_itself_the_message_stays_one_valid_line(title: str, patient: str, reason: str) -> None:
    caller = RemoteAE(ae_title=title, address="10.0.0.1")
    study = replace(STUDY, patient_id=patient)
    for message in (association_refused(caller, reason=reason), instances_received(caller, study, failure=reason)):
        line = to_xml(message, US)
        parse_valid(line.encode())
        assert len(line.encode().split(b"\n")) == 1


def header(*, study: str = "1.2.3", sop_class: str = US_MULTIFRAME, patient_id: str | None = "P-17") -> InstanceHeader:
    return InstanceHeader(
        study_instance_uid=study,
        series_instance_uid="1.2.3.4",
        sop_instance_uid="1.2.3.4.5",
        sop_class_uid=sop_class,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        modality="US",
        calling_ae_title="VIVID1",
        is_our_report=False,
        identity=Identity(
            patient_id=patient_id,
            patient_name="Doe^Jane",
            birth_date="19700131",
            accession_number="ACC-9",
            study_date="20260101",
        ),
    )


def test_an_association_gives_one_message_for_each_study_and_outcome() -> None:
    came = ReceivedInstances(MODALITY)
    for _ in range(60):
        came.add(received(US_MULTIFRAME, header(), Kept.STORED))
    came.add(received(SR, header(sop_class=SR), Kept.STORED))
    came.add(received(US_MULTIFRAME, header(), Kept.REPEATED))
    came.add(received(US_MULTIFRAME, header(study="1.2.4", patient_id=None), Kept.STORED))
    came.add(received(US_MULTIFRAME, header(), StorageStatus.COERCED))
    came.add(received(SR, None, StorageStatus.CANNOT_UNDERSTAND))
    summaries = set()
    for message in came.messages():
        root = told(message)
        counts = ",".join(f"{found.get('UID')}={found.get('NumberOfInstances')}" for found in root.iter("SOPClass"))
        study = objects(root)["110180"].get("ParticipantObjectID")
        summaries.add((study, event(root)["EventActionCode"], event(root)["EventOutcomeIndicator"], counts))
    assert summaries == {
        ("1.2.3", "C", "0", f"{US_MULTIFRAME}=60,{SR}=1"),
        ("1.2.3", "R", "0", f"{US_MULTIFRAME}=1"),
        ("1.2.4", "C", "0", f"{US_MULTIFRAME}=1"),
        ("1.2.3", "C", "8", f"{US_MULTIFRAME}=1"),
        ("", "C", "8", f"{SR}=1"),
    }


def test_of_the_patient_the_trail_holds_the_id_alone(settings: Settings) -> None:
    came = ReceivedInstances(MODALITY)
    came.add(received(US_MULTIFRAME, header(), Kept.STORED))
    asked = identifier(
        PatientName="Doe^Jane", PatientID="P-17", PatientBirthDate="19700131", AccessionNumber="ACC-9", StudyDate=""
    )
    asked.RequestAttributesSequence = [identifier(PatientName="Doe^Jane", RequestedProcedureID="ACC-9")]
    trail = AuditTrail(settings)
    for message in [*came.messages(), query_made(PACS, asked, sop_class_uid=STUDY_ROOT_FIND)]:
        trail.record(message)
    content = b"".join(lines_of(settings.audit_dir))
    for query in parse_valid(content.splitlines()[1]).iter("ParticipantObjectQuery"):
        content += b64decode(query.text or "")
        assert decode(BytesIO(b64decode(query.text or "")), False, True).keys() == asked.keys()
    assert content.count(b"P-17") == 2
    for secret in (b"Doe", b"Jane", b"19700131", b"ACC-9"):
        assert secret not in content


# The files


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path / "data")


def lines_of(folder: Path) -> list[bytes]:
    return [line for path in sorted(folder.glob("*.log")) for line in path.read_bytes().splitlines(keepends=True)]


@pytest.fixture
def log() -> Iterator[StringIO]:
    stream = StringIO()
    configure_logs(process="node", stream=stream)
    yield stream
    structlog.reset_defaults()


def test_messages_go_to_a_file_of_the_day_that_only_owner_and_group_read(settings: Settings) -> None:
    AuditTrail(settings).record(application_started())
    (path,) = settings.audit_dir.iterdir()
    assert path.parent == settings.data_dir / "audit"
    written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    assert path.name == f"{written_at:%Y-%m-%d}.log"
    assert path.stat().st_mode & 0o007 == 0
    parse_valid(path.read_bytes())


def test_a_site_names_its_own_folder(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / "data", audit={"folder": str(tmp_path / "log" / "audit")})
    AuditTrail(settings).record(application_started())
    assert len(lines_of(tmp_path / "log" / "audit")) == 1


def _record_many(settings: Settings, name: str, count: int) -> None:
    trail = AuditTrail(settings)
    caller = RemoteAE(ae_title=name, address="10.0.0.1")

    def record(part: int) -> None:
        for number in range(part, count, 4):
            trail.record(association_refused(caller, reason=f"{name} {number}"))

    threads = [threading.Thread(target=record, args=[part]) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_of_two_processes_append_to_one_file_and_every_line_stays_whole(settings: Settings) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_record_many, args=[settings, name, 300]) for name in ("ONE", "TWO")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    reasons = [
        parse_valid(line).findtext("EventIdentification/EventOutcomeDescription")
        for line in lines_of(settings.audit_dir)
    ]
    assert sorted(map(str, reasons)) == sorted(f"{name} {n}" for name in ("ONE", "TWO") for n in range(300))


def test_a_line_torn_by_a_loss_of_power_spoils_no_other(settings: Settings) -> None:
    trail = AuditTrail(settings)
    trail.record(application_started())
    (path,) = settings.audit_dir.iterdir()
    with path.open("ab") as file:
        file.write(b'<?xml version="1.0" enc')
    trail.record(application_stopped())
    first, torn, last = lines_of(settings.audit_dir)
    parse_valid(first)
    assert torn == b'<?xml version="1.0" enc\n'
    parse_valid(last)


def test_a_full_disk_fails_nobody_leaves_no_half_line_and_loses_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    trail = AuditTrail(settings)
    trail.record(application_started())
    write = os.write
    with monkeypatch.context() as full:
        full.setattr("os.write", lambda file, data: write(file, data[:10]))  # some room was left, not enough
        trail.record(association_refused(MODALITY, reason="first"))
        full.setattr("os.write", _no_space)
        trail.record(association_refused(MODALITY, reason="second"))
        assert len(lines_of(settings.audit_dir)) == 1
    trail.record(application_stopped())
    reasons = [
        parse_valid(line).findtext("EventIdentification/EventOutcomeDescription")
        for line in lines_of(settings.audit_dir)
    ]
    assert reasons == [None, "first", "second", None]
    assert log.getvalue().count("audit trail cannot be written") == 1
    assert log.getvalue().count("audit trail written again") == 1


def test_what_no_longer_fits_into_memory_is_counted_in_the_log(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    monkeypatch.setattr(audit_trail, "MOST_IN_MEMORY", 3)
    monkeypatch.setattr("os.write", _no_space)
    trail = AuditTrail(settings)
    for _ in range(5):
        trail.record(application_started())
    assert log.getvalue().count("audit message lost") == 2


def _no_space(_file: int, _data: bytes) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
