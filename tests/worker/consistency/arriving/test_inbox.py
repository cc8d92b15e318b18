"""Files of a watched folder are taken when they are whole, and are never lost or written over."""

import os
from pathlib import Path

import pytest

from config.errors import UnreadableReportError
from tests.worker.consistency.hl7.test_reports import UID, message, obx
from worker.consistency.arriving import inbox as inbox_module
from worker.consistency.arriving.inbox import Inbox, hl7_messages, is_text, plain_text
from worker.consistency.documents.plain_text import text_in
from worker.consistency.hl7.mllp_server import keep


def test_a_file_is_taken_once_it_has_stood_still(tmp_path: Path) -> None:
    inbox, file = Inbox(tmp_path, stands_still_s=5), tmp_path / "report.hl7"
    file.write_bytes(b"MSH|")
    assert inbox.waiting(now_s=0) == []
    assert inbox.waiting(now_s=4.9) == []
    file.write_bytes(message())
    assert inbox.waiting(now_s=6) == []
    assert inbox.waiting(now_s=10) == []
    assert inbox.waiting(now_s=11) == [file]
    os.utime(file, ns=(1, 1))
    assert inbox.waiting(now_s=12) == []


def test_files_of_the_server_are_taken_at_once_and_in_the_order_they_came(tmp_path: Path) -> None:
    paths = [keep(tmp_path, message(obx("TX", str(number)))) for number in range(20)]
    (tmp_path / ".x.hl7.1.unfinished").write_bytes(b"half")
    assert Inbox(tmp_path, stands_still_s=0).waiting() == paths


def test_what_is_taken_or_rejected_lies_beside_and_is_never_written_over(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, stands_still_s=0)
    moved = []
    for content in ("one", "two", "three"):
        (tmp_path / "A1.txt").write_text(content)
        moved.append(inbox.done(tmp_path / "A1.txt"))
    assert [path.read_text() for path in moved] == ["one", "two", "three"]
    assert [path.name for path in moved] == ["A1.txt", "A1.1.txt", "A1.2.txt"]
    (tmp_path / "A2.hl7").write_text("?")
    rejected = inbox.reject(tmp_path / "A2.hl7", "what came is no HL7 message")
    assert rejected == tmp_path / "rejected" / "A2.hl7"
    assert (tmp_path / "rejected" / "A2.hl7.reason.txt").read_text() == "what came is no HL7 message\n"
    assert inbox.waiting() == []


def test_a_share_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(inbox_module.os, "link", link)
    inbox = Inbox(tmp_path)
    for _ in range(2):
        (tmp_path / "A1.txt").write_text("EF 55 %")
        inbox.done(tmp_path / "A1.txt")
    assert sorted(path.name for path in (tmp_path / "done").iterdir()) == ["A1.1.txt", "A1.txt"]


def test_a_file_that_cannot_be_moved_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox, file = Inbox(tmp_path, stands_still_s=0), tmp_path / "A1.txt"
    file.write_text("EF 55 %")
    (tmp_path / "done").write_text("no folder")
    with pytest.raises(OSError, match="exists"):
        inbox.done(file)
    assert inbox.waiting() == [file]


def test_other_files_stay_and_are_listed(tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(b"%PDF-")
    (tmp_path / "folder.hl7").mkdir()
    inbox = Inbox(tmp_path, stands_still_s=0)
    assert inbox.waiting() == []
    assert inbox.others() == [tmp_path / "report.pdf"]


def test_a_text_is_named_by_its_study(tmp_path: Path) -> None:
    for name, content in ((f"{UID}.txt", b"EF 55 %"), ("ACC-77.TXT", "Größe".encode("cp1252"))):
        (tmp_path / name).write_bytes(content)
    by_uid, by_number = plain_text(tmp_path / f"{UID}.txt"), plain_text(tmp_path / "ACC-77.TXT")
    assert by_uid.identifiers.study_instance_uids == (UID,)
    assert [(a.value, a.source) for a in by_number.identifiers.accession_numbers] == [("ACC-77", "file name")]
    assert (by_uid.text, by_number.text) == ("EF 55 %", "Größe")
    assert is_text(tmp_path / "ACC-77.TXT")


@pytest.mark.parametrize("content", [b"", b" \r\n", b"a\0b"])
def test_what_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableReportError):
        text_in(content)


def test_messages_of_a_file_and_files_that_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "two.hl7"
    file.write_bytes(message(obx("TX", "one")) + message(obx("TX", "two")))
    assert len(hl7_messages(file)) == 2
    monkeypatch.setattr(inbox_module, "LARGEST_BYTES", 10)
    with pytest.raises(UnreadableReportError, match="not read"):
        hl7_messages(file)
    file.write_bytes(b"")
    with pytest.raises(UnreadableReportError, match="empty"):
        hl7_messages(file)
