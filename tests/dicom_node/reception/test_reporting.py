"""What receiving processes tell the rest of the house."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dicom_node.reception.reporting import Callers, OpenStudies, associations_of_receivers, published_calls
from dicom_node.spool import Spool


def test_while_the_registry_takes_none_calls_add_up_in_one_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    callers = Callers(spool)
    for _ in range(10):
        callers.note(ae_title="A", address="10.0.0.1", outcome="accepted")
        callers.publish()
    assert len(list(spool.receivers.iterdir())) == 1
    (published,) = published_calls(spool)
    assert [call.count for call in published.calls] == [10]
    published.file.unlink()
    callers.note(ae_title="A", address="10.0.0.1", outcome="accepted")
    callers.publish()
    (published,) = published_calls(spool)
    assert [call.count for call in published.calls] == [1]


def test_instances_are_counted_by_status_until_the_registry_has_them(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    callers = Callers(spool)
    for status in (0x0000, 0x0000, 0xA700):
        callers.note_instance(status)
        callers.publish()
    (published,) = published_calls(spool)
    assert published.instances == {"0x0000": 2, "0xA700": 1}
    published.file.unlink()
    callers.note_instance(0xC000)
    callers.publish()
    (published,) = published_calls(spool)
    assert published.instances == {"0xC000": 1}


def test_a_file_of_a_process_from_before_instances_were_counted_is_understood(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    at = "2026-11-24T12:00:00+00:00"
    call = {"ae_title": "A", "address": "10.0.0.1", "outcome": "accepted", "count": 3, "first_at": at, "last_at": at}
    (spool.receivers / "callers-1.json").write_text(json.dumps([call]))
    (published,) = published_calls(spool)
    assert [each.count for each in published.calls] == [3]
    assert published.instances == {}


def test_of_receiving_processes_those_alone_count_that_have_spoken_of_late(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.create()
    OpenStudies(spool).publish(["1.2.3"], associations=2)
    OpenStudies(spool).publish([], associations=0)
    OpenStudies(spool).publish(["1.2.4"])  # a fetch, which listens to nobody
    now = datetime.now(UTC)
    assert sorted(associations_of_receivers(spool, now=now)) == [0, 2]
    assert associations_of_receivers(spool, now=now + timedelta(minutes=1)) == []
