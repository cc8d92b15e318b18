"""Which studies open associations keep open, and what the audit trail hears of them however they end."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest

from config.settings import load_settings
from dicom_node.header import InstanceHeader, read_header
from dicom_node.reception import associations as module
from dicom_node.reception import receive
from dicom_node.reception.access import AccessList, Caller
from dicom_node.reception.associations import OpenAssociations
from dicom_node.reception.receiver import Receiver
from dicom_node.reception.reporting import studies_open_anywhere
from dicom_node.spool import Kept, Spool
from dicom_node.statuses import StorageStatus
from tests.support.audit_trail import TRANSFERRED, Told, trail
from tests.support.clips import SMALL
from tests.support.receivers import (
    ReceiverProcess,
    association_request,
    connected,
    receiving,
    small_clips,
    store_pdus,
    store_while_it_lasts,
)
from tests.support.waiting import wait_until

CALLER = Caller(calling_ae_title="ROUTER", called_ae_title="ECHOWORKER", address="127.0.0.1", tls=False)
HEADER = read_header(SMALL)


@dataclass
class Coming:
    header: InstanceHeader | None = None
    sop_class_uid: str = HEADER.sop_class_uid


def of_study(uid: str) -> InstanceHeader:
    return replace(HEADER, study_instance_uid=uid)


def brings(book: OpenAssociations, association: threading.Thread, header: InstanceHeader) -> bool:
    return book.ended(association, header.sop_class_uid, header, Kept.STORED)


@pytest.fixture
def association() -> Iterator[threading.Thread]:
    """A thread that runs until the test ends, as that of an association that stays open."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    yield thread
    over.set()
    thread.join()


Keep = Callable[[float], OpenAssociations]


@pytest.fixture
def keep(tmp_path: Path, association: threading.Thread) -> Keep:
    def opened(keeps_open_s: float) -> OpenAssociations:
        access = AccessList(load_settings(data_dir=tmp_path / "data"))
        made = OpenAssociations(access, tmp_path, keeps_open_s=keeps_open_s)
        made.admit(association, CALLER)
        return made

    return opened


def test_an_association_that_stays_open_lets_go_of_studies_that_it_has_moved_on_from(
    keep: Keep, association: threading.Thread
) -> None:
    """A router that keeps one association for the whole day must not keep every study of the day from being scored."""
    book = keep(300)
    assert brings(book, association, of_study("1.2.1"))
    assert not brings(book, association, of_study("1.2.1"))
    assert book.studies() == {"1.2.1"}
    assert brings(book, association, of_study("1.2.2"))
    assert book.studies() == {"1.2.2"}


def test_nor_does_it_keep_its_last_study_open_for_ever(keep: Keep, association: threading.Thread) -> None:
    book = keep(0)
    brings(book, association, of_study("1.2.1"))
    assert book.studies() == set()


def test_a_study_is_open_while_an_instance_of_it_comes_however_slowly(
    keep: Keep, association: threading.Thread
) -> None:
    book = keep(0)
    brings(book, association, of_study("1.2.1"))
    coming = Coming()
    book.begins(association, coming)
    assert book.studies() == {"1.2.1"}, "while it is not known what comes, it may be of the same study"
    coming.header = of_study("1.2.2")
    assert book.studies() == {"1.2.2"}
    book.ended(association, HEADER.sop_class_uid, coming.header, StorageStatus.OUT_OF_RESOURCES)
    assert book.studies() == set()


def test_of_an_association_that_does_not_end_the_trail_hears_all_the_same(
    keep: Keep, association: threading.Thread, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = keep(300)
    brings(book, association, of_study("1.2.1"))
    assert book.take_ended() == []
    monkeypatch.setattr(module, "TOLD_EVERY_S", 0.0)
    (journal,) = book.take_ended()
    assert len(journal.messages()) == 1
    journal.close()
    brings(book, association, of_study("1.2.2"))
    (journal,) = book.take_ended()
    assert len(journal.messages()) == 1, "what was told once is not told again"
    journal.close()


def transferred(data: Path) -> list[Told]:
    return trail(data / "audit", TRANSFERRED)


def open_studies(data: Path) -> set[str]:
    return studies_open_anywhere(Spool(data / "spool"), now=datetime.now(UTC))


def in_conflict(file: Path) -> Path:
    dataset = pydicom.dcmread(file)
    dataset.InstitutionName = "elsewhere"
    dataset.save_as(file.with_name("conflict.dcm"))
    return file.with_name("conflict.dcm")


@pytest.mark.parametrize("path", ["fast", "stock"])
def test_what_was_refused_is_in_the_trail_with_the_reason(tmp_path: Path, path: str) -> None:
    (file,) = small_clips(tmp_path, 1)
    study = str(pydicom.dcmread(file).StudyInstanceUID)
    unreadable = tmp_path / "no-study.dcm"
    dataset = pydicom.dcmread(file)
    dataset.StudyInstanceUID = ""
    dataset.save_as(unreadable)
    with receiving(tmp_path / "data", NODE__RECEIVE_PATH=path) as receiver:
        assert store_while_it_lasts(receiver.port, [file, in_conflict(file), unreadable]) == [file]
        wait_until(lambda: len(transferred(tmp_path / "data")) == 3, 20, "the trail to tell of the association")
        told = transferred(tmp_path / "data")
    assert sorted((each.outcome, each.said, each.object_id, each.instances) for each in told) == [
        ("0", "", study, 1),
        ("8", "0xB000 coerced", study, 1),
        ("8", "0xC000 cannot understand", "", 1),
    ]


def test_what_a_killed_process_received_is_in_the_trail_once(tmp_path: Path) -> None:
    """While its association was open: nothing of it was told yet."""
    files = small_clips(tmp_path, 3)
    receiver, beside = (ReceiverProcess(tmp_path / "data") for _ in range(2))
    receiver.start()
    with connected(receiver.port) as connection:
        connection.sendall(association_request())
        connection.recv(65536)
        for file in [*files, in_conflict(files[0])]:
            connection.sendall(b"".join(store_pdus(file)))
            connection.recv(65536)
        receiver.kill()
    assert transferred(tmp_path / "data") == []
    beside.start()
    receiver.start()
    wait_until(lambda: len(transferred(tmp_path / "data")) == 4, 20, "the trail to tell of the killed process")
    receiver.stop()
    beside.stop()
    told = transferred(tmp_path / "data")
    assert sorted((each.outcome, each.instances) for each in told) == [("0", 1)] * 3 + [("8", 1)]
    assert {each.object_id for each in told} == {str(pydicom.dcmread(file).StudyInstanceUID) for file in files}
    assert list((tmp_path / "data/spool/receivers").glob("*.transfers")) == []


def test_a_sender_that_breaks_off_within_an_instance_is_in_the_trail(tmp_path: Path) -> None:
    (file,) = small_clips(tmp_path, 1, kilobytes=2000)
    with receiving(tmp_path / "data") as receiver:
        with connected(receiver.port) as connection:
            connection.sendall(association_request())
            connection.recv(65536)
            pdus = store_pdus(file)
            connection.sendall(b"".join(pdus[: len(pdus) // 2]))
            wait_until(lambda: list((tmp_path / "data/spool/incoming").iterdir()), 20, "the instance to come")
        (told,) = wait_until(lambda: transferred(tmp_path / "data"), 20, "the trail to tell of it")
    assert (told.outcome, told.said) == ("8", "broken off by its sender")


def test_a_process_says_what_comes_slowly_and_not_what_was_there_long_ago(tmp_path: Path) -> None:
    (file,) = small_clips(tmp_path, 1, kilobytes=2000)
    study = str(pydicom.dcmread(file).StudyInstanceUID)
    data = tmp_path / "data"
    with receiving(data, STUDY__ASSOCIATION_KEEPS_OPEN_S=0) as receiver, connected(receiver.port) as connection:
        connection.sendall(association_request())
        connection.recv(65536)
        pdus = store_pdus(file)
        half = len(pdus) // 2
        connection.sendall(b"".join(pdus[:half]))
        wait_until(lambda: open_studies(data) == {study}, 20, "the study to be open in the middle of an instance")
        connection.sendall(b"".join(pdus[half:]))
        connection.recv(65536)
        wait_until(lambda: open_studies(data) == set(), 20, "the study to be let go while the association is open")


@pytest.mark.parametrize(
    "mistaken", [[(OpenAssociations, "ended")], [(Spool, "keep"), (receive, "put_in_quarantine")]], ids=["told", "kept"]
)
def test_an_error_of_our_own_acknowledges_nothing_and_holds_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistaken: list[tuple[object, str]]
) -> None:
    monkeypatch.setenv("ECHOWORKER_NODE__PORT", "0")
    monkeypatch.setenv("ECHOWORKER_NODE__MAXIMUM_ASSOCIATIONS", "1")
    files = small_clips(tmp_path / "sent", 2)
    receiver = Receiver(load_settings(data_dir=tmp_path / "data"))
    receiver.start()
    try:
        with monkeypatch.context() as broken:
            for place, name in mistaken:
                broken.setattr(place, name, _fails)
            assert store_while_it_lasts(receiver.port, files) == []
        wait_until(lambda: store_while_it_lasts(receiver.port, files) == files, 10, "the place to be free again")
        assert list((tmp_path / "data/spool/incoming").iterdir()) == []
    finally:
        receiver.stop()


def _fails(*_: object, **__: object) -> None:
    raise RuntimeError("a mistake of ours")
