import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file

from config.errors import InstanceConflictError, SpoolFullError
from config.whole_files import unfinished_name
from dicom_node.header import InstanceHeader, read_header
from dicom_node.quarantine import put_in_quarantine
from dicom_node.reception.incoming import IncomingFile, Window
from dicom_node.spool import Kept, Spool

CLIP = Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path / "spool")
    made.create()
    return made


@pytest.fixture
def header() -> InstanceHeader:
    return read_header(CLIP)


def arrive(spool: Spool, name: str, content: bytes | None = None) -> Path:
    path = spool.incoming / name
    path.write_bytes(CLIP.read_bytes() if content is None else content)
    return path


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_kept_instance_has_its_final_name_waits_to_be_registered_and_leaves_no_temporary_file(
    spool: Spool, header: InstanceHeader
) -> None:
    assert spool.keep(arrive(spool, "a"), header) is Kept.STORED
    final = spool.instance_path(header.study_instance_uid, header.sop_instance_uid)
    assert final.read_bytes() == CLIP.read_bytes()
    (waiting,) = spool.unregistered()
    assert waiting.samefile(final)
    assert files(spool.incoming) == []


def test_the_same_bytes_again_are_accepted_and_wait_to_be_registered_again(
    spool: Spool, header: InstanceHeader
) -> None:
    spool.keep(arrive(spool, "a"), header)
    (waiting,) = spool.unregistered()
    waiting.unlink()
    assert spool.keep(arrive(spool, "b"), header) is Kept.REPEATED
    assert len(list(spool.unregistered())) == 1
    assert files(spool.incoming) == []


def test_the_same_data_set_from_another_sender_is_the_same_instance(spool: Spool, header: InstanceHeader) -> None:
    spool.keep(arrive(spool, "a"), header)
    dataset = pydicom.dcmread(CLIP)
    dataset.file_meta.SourceApplicationEntityTitle = "ANOTHER"
    dataset.save_as(spool.incoming / "b")
    assert (spool.incoming / "b").read_bytes() != CLIP.read_bytes()
    assert spool.keep(spool.incoming / "b", header) is Kept.REPEATED


def test_one_instance_uid_in_two_studies_is_two_instances(spool: Spool, header: InstanceHeader) -> None:
    spool.keep(arrive(spool, "a"), header)
    other = replace(header, study_instance_uid="1.2.3")
    assert spool.keep(arrive(spool, "b"), other) is Kept.STORED
    assert len(list(spool.unregistered())) == 2


def test_nothing_is_named_before_its_bytes_are_on_the_disk_nor_acknowledged_before_its_name_is(
    spool: Spool, header: InstanceHeader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a loss of power may not find: a final name without its bytes, or a success without its name."""
    steps: list[str] = []
    descriptors: dict[int, str] = {}

    def recorded(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            outcome = real(*arguments, **options)
            if name == "open":
                descriptors[outcome] = Path(arguments[0]).name
            elif name in ("fsync", "fdatasync"):
                steps.append(f"sync {descriptors.get(arguments[0], '')}")
            else:
                steps.append(name)
            return outcome

        return call

    for name in ("open", "fsync", "fdatasync", "link"):
        monkeypatch.setattr(os, name, recorded(name, getattr(os, name)))
    received = spool.new_incoming()
    file = IncomingFile(received, Window())
    content = CLIP.read_bytes()
    file.room()[: len(content)] = content
    file.advance(len(content))
    file.make_durable()
    spool.keep(received, header)
    file.close()
    assert steps[:2] == [f"sync {received.name}", "link"]
    assert steps[2:] == [f"sync {header.study_instance_uid}", "sync studies"]


def test_other_bytes_under_the_same_uid_never_replace_the_first(spool: Spool, header: InstanceHeader) -> None:
    spool.keep(arrive(spool, "a"), header)
    other = arrive(spool, "b", CLIP.read_bytes()[:-2] + b"xx")
    with pytest.raises(InstanceConflictError):
        spool.keep(other, header)
    assert spool.instance_path(header.study_instance_uid, header.sop_instance_uid).read_bytes() == CLIP.read_bytes()
    assert other.exists()


def test_of_concurrent_senders_of_one_uid_one_wins_and_the_bytes_stay_whole(
    spool: Spool, header: InstanceHeader
) -> None:
    contents = [CLIP.read_bytes() + bytes([n]) * 2 for n in range(8)]
    received = [arrive(spool, str(n), content) for n, content in enumerate(contents)]
    start = threading.Barrier(len(received))
    outcomes: list[str] = []

    def keep(path: Path) -> None:
        start.wait()
        try:
            outcomes.append(spool.keep(path, header).name)
        except InstanceConflictError:
            outcomes.append("CONFLICT")

    threads = [threading.Thread(target=keep, args=[path]) for path in received]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["CONFLICT"] * 7 + ["STORED"]
    assert spool.instance_path(header.study_instance_uid, header.sop_instance_uid).read_bytes() in contents


def test_what_is_refused_is_kept_with_its_reason(spool: Spool) -> None:
    kept = put_in_quarantine(spool, arrive(spool, "a", b"text"), reason="not DICOM", calling_ae_title="ECHO1")
    assert kept.read_bytes() == b"text"
    note = json.loads(kept.with_suffix(".json").read_text())
    assert (note["reason"], note["calling_ae_title"]) == ("not DICOM", "ECHO1")


def test_a_disk_below_its_mark_is_refused_and_recovers_by_itself(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = Spool(spool.root, minimum_free_bytes=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10_000, 9_500, 500))
    with pytest.raises(SpoolFullError, match="disk low"):
        guarded.require_room()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10_000, 500, 9_500))
    guarded.require_room()


def test_only_stale_temporaries_are_swept(spool: Spool) -> None:
    arrive(spool, "running")
    assert spool.sweep_incoming(older_than_s=3600) == 0
    assert spool.sweep_incoming(older_than_s=-1) == 1
    assert files(spool.incoming) == []


def test_half_a_report_of_a_killed_worker_is_swept(spool: Spool) -> None:
    report = spool.report_path("1.2.3", "1.2.3.4")
    report.parent.mkdir(parents=True)
    report.write_bytes(b"whole")
    half = unfinished_name(report)
    half.write_bytes(b"ha")
    assert spool.sweep_unfinished() == 0
    os.utime(half, (0, 0))
    assert spool.sweep_unfinished() == 1
    assert files(report.parent) == [report]
