"""No message of the trail is lost with the process that received the instances, and none is told for a living one."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from dicom_node.audit.events import RemoteAE, Transfer
from dicom_node.audit.journal import SUFFIX, TransferJournal, left_behind
from dicom_node.audit.message import AuditMessage, AuditSource, to_xml
from dicom_node.spool import Spool
from tests.support.audit_schema import parse_valid
from tests.support.tools import require_root

SENDER = RemoteAE(ae_title="VIVID1", address="10.20.0.7")
CLIP = Transfer(sop_class_uid="1.2.840.10008.5.1.4.1.1.3.1", study_instance_uid="1.2.3", patient_id="P-17")
UNREAD = Transfer(sop_class_uid=CLIP.sop_class_uid, failure="0xC000 cannot understand")


def counts(messages: list[AuditMessage]) -> list[tuple[str | None, int]]:
    """Outcome, and number of instances, of each message; each obeys the schema."""
    roots = [parse_valid(to_xml(message, AuditSource(ae_title="A", host="h", process_id=1))) for message in messages]
    return [
        (
            event.get("EventOutcomeIndicator"),
            sum(int(found.get("NumberOfInstances", 0)) for found in root.iter("SOPClass")),
        )
        for root in roots
        if (event := root.find("EventIdentification")) is not None
    ]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path)
    made.create()
    return made


def left_in(spool: Spool) -> list[tuple[str | None, int]]:
    return [count for instances in left_behind(spool) for count in counts(instances.messages())]


def test_what_a_living_process_notes_is_its_own_and_gone_once_told(spool: Spool) -> None:
    journal = TransferJournal(spool.receivers, SENDER)
    for transfer in (CLIP, CLIP, UNREAD):
        journal.add(transfer)
    assert left_in(spool) == []
    assert counts(journal.messages()) == [("0", 2), ("8", 1)]
    journal.close()
    assert list(spool.receivers.iterdir()) == []


def test_what_a_dead_process_noted_is_told_once_by_another(spool: Spool) -> None:
    journal = TransferJournal(spool.receivers, SENDER)
    journal.add(CLIP)
    (file,) = spool.receivers.iterdir()
    assert file.stat().st_mode & 0o007 == 0, "it names patients by their ID"
    content = file.read_bytes()
    journal.close()
    file.write_bytes(content + content.splitlines()[-1][:10])  # torn in the middle of a line
    assert left_in(spool) == [("0", 1)]
    assert list(spool.receivers.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"text\n",
        b"[]\n",
        b'{"other": 1}\n',
        b"",
        b"\xff\n",
        b'{"ae_title": "A", "address": null}\n{"sop_class_uid": "1.2"}\n',
        b'{"ae_title": "A", "address": "10.0.0.1"}\n{"sop_class_uid": "1.2", "patient_id": 5}\n',
    ],
)
def test_a_damaged_file_stops_no_other(spool: Spool, content: bytes) -> None:
    for number in range(2):
        (spool.receivers / f"{number}{SUFFIX}").write_bytes(content)
    assert left_in(spool) == []
    assert list(spool.receivers.iterdir()) == []


def test_on_a_full_disk_it_is_told_from_memory(spool: Spool) -> None:
    journal = TransferJournal(spool.root / "missing", SENDER)
    journal.add(CLIP)
    assert counts(journal.messages()) == [("0", 1)]
    journal.close()


def test_a_full_disk_leaves_no_file_open_behind_and_no_half_line(tmp_path: Path) -> None:
    require_root("mounting a small file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", tmp_path], check=True)
    try:
        spool = Spool(tmp_path)
        spool.receivers.mkdir()
        filler = tmp_path / "filler"
        with suppress(OSError):
            filler.write_bytes(b"x" * 100_000)
        open_before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(3):
            journal = TransferJournal(spool.receivers, SENDER)
            journal.add(CLIP)
            journal.add(CLIP)
            assert counts(journal.messages()) == [("0", 2)]
        assert len(list(Path("/proc/self/fd").iterdir())) == open_before
        assert list(spool.receivers.iterdir()) == []

        os.truncate(filler, 4096)  # one page is free: the file outgrows it while instances come
        journal = TransferJournal(spool.receivers, SENDER)
        for _ in range(100):
            journal.add(CLIP)
        (file,) = spool.receivers.iterdir()
        assert file.read_bytes().endswith(b"}\n")
        journal.close()
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


@pytest.mark.parametrize("by_get", [False, True])
def test_who_asked_for_a_transfer_is_told_also_after_its_process_died(spool: Spool, by_get: bool) -> None:
    journal = TransferJournal(spool.receivers, SENDER, by_get=by_get)
    journal.add(CLIP)
    (file,) = spool.receivers.iterdir()
    content = file.read_bytes()
    told = requestors(journal.messages())
    journal.close()
    file.write_bytes(content)
    (left,) = left_behind(spool)
    assert told == requestors(left.messages()) == (["A"] if by_get else [SENDER.ae_title])


def requestors(messages: list[AuditMessage]) -> list[str]:
    """The AE titles of those who asked for it (PS3.15 section A.5.2.3)."""
    roots = [parse_valid(to_xml(message, AuditSource(ae_title="A", host="h", process_id=1))) for message in messages]
    asking = [found for root in roots for found in root.findall("ActiveParticipant[@UserIsRequestor='true']")]
    return [found.get("AlternativeUserID", "").removeprefix("AETITLES=") for found in asking]
