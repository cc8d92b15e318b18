from datetime import UTC, datetime
from pathlib import Path

from dicom_node.quarantine import put_in_quarantine, quarantined
from dicom_node.spool import Spool


def refused(spool: Spool, content: bytes, reason: str) -> Path:
    part = spool.new_incoming()
    part.write_bytes(content)
    return put_in_quarantine(spool, part, reason=reason, calling_ae_title="ECHO1")


def test_what_was_refused_is_listed_with_its_reason_the_latest_first(tmp_path: Path) -> None:
    assert quarantined(tmp_path) == []
    spool = Spool(tmp_path)
    spool.create()
    refused(spool, b"123", "cut off")
    refused(spool, b"12345", "other bytes")
    found = quarantined(tmp_path)
    assert [(kept.reason, kept.calling_ae_title, kept.size_bytes) for kept in found] == [
        ("other bytes", "ECHO1", 5),
        ("cut off", "ECHO1", 3),
    ]
    assert all((spool.quarantined / kept.path).is_file() for kept in found)
    assert abs((datetime.now(UTC) - found[0].received_at).total_seconds()) < 60


def test_of_many_days_the_last_are_looked_at_until_there_are_enough(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    kept = refused(spool, b"1", "of today")
    for day, size in (("2026-01-02", 2), ("2026-01-01", 3)):
        (spool.quarantined / day).mkdir()
        (spool.quarantined / day / f"{size}.dcm").write_bytes(b"1" * size)
        note = kept.with_suffix(".json").read_text().replace(f"{datetime.now(UTC):%Y-%m-%d}", day)
        (spool.quarantined / day / f"{size}.json").write_text(note)
    assert [each.size_bytes for each in quarantined(tmp_path)] == [1, 2, 3]
    assert [each.size_bytes for each in quarantined(tmp_path, at_least=2)] == [1, 2]


def test_an_instance_whose_note_is_lost_or_damaged_is_listed_all_the_same(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    refused(spool, b"1", "cut off").with_suffix(".json").unlink()
    refused(spool, b"12", "cut off").with_suffix(".json").write_text("{")
    refused(spool, b"123", "cut off").with_suffix(".json").write_text("[1]")
    assert sorted((kept.reason, kept.size_bytes) for kept in quarantined(tmp_path)) == [
        ("its note is lost", size) for size in (1, 2, 3)
    ]


def test_the_same_bytes_are_kept_once_however_often_they_are_sent(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    first = refused(spool, b"123", "cut off")
    for _ in range(2):
        assert refused(spool, b"123", "cut off") == first
    refused(spool, b"1234", "cut off")
    found = {kept.size_bytes: kept.times for kept in quarantined(tmp_path)}
    assert found == {3: 3, 4: 1}
    assert list(spool.incoming.iterdir()) == []
