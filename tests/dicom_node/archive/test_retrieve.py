"""Retrieval out of Orthanc, out of DCMTK's archive, and out of scripted ones that fail as some in the field do."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pydicom
import pytest
import structlog
from pydicom.dataset import Dataset
from pydicom.uid import JPEGBaseline8Bit, UltrasoundMultiFrameImageStorage, generate_uid
from pynetdicom.events import Event
from pynetdicom.presentation import build_context

from config.errors import RetrieveError
from config.logs import configure_logs
from dicom_node.archive.retrieve import SubOperations, get_study, move_study
from dicom_node.calling import Peer
from dicom_node.header import read_header
from dicom_node.reception.reporting import studies_open_anywhere
from dicom_node.spool import Spool
from tests.support.archives import (
    OUR_AE_TITLE,
    Answers,
    Destination,
    destination,
    made_study,
    peer_of,
    scripted_archive,
)
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.servers import DcmQRSCP, Orthanc, dcmqrscp, free_port

PENDING, SUCCESS, SOME_FAILED = 0xFF00, 0x0000, 0xB000
DEAD_AE_TITLE = "DEAD"
STUDY = "1.2.3.4"


@pytest.fixture
def node() -> Iterator[Destination]:
    """Stands for our node, where the archives know it to be."""
    with destination() as running:
        yield running


@pytest.fixture(params=["orthanc", "dcmqrscp"])
def archive(request: pytest.FixtureRequest, tmp_path: Path, node: Destination) -> Iterator[Orthanc | DcmQRSCP]:
    known = {OUR_AE_TITLE: node.port, DEAD_AE_TITLE: free_port()}
    if request.param == "dcmqrscp":
        folder = tmp_path / "dcmqrscp"
        folder.mkdir()
        with dcmqrscp(folder, known) as server:
            yield server
        return
    server = request.getfixturevalue("orthanc")
    for ae_title, port in known.items():
        server.know(ae_title, port)
    yield server


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)  # a C-GET moves it; put it back
    made = Spool(tmp_path / "spool")
    made.create()
    return made


@pytest.fixture
def logs() -> Iterator[StringIO]:
    stream = StringIO()
    configure_logs(process="fetch", stream=stream)
    yield stream
    structlog.reset_defaults()


def test_a_study_is_moved_to_our_node(archive: Orthanc | DcmQRSCP, node: Destination, tmp_path: Path) -> None:
    study = made_study(tmp_path / "outside", instances=3)
    archive.keep(*study.files)
    counts = list(move_study(peer_of(archive), study.uid))
    assert set(node.received) == study.instance_uids
    assert [count.sent for count in counts] == sorted(count.sent for count in counts)
    assert (counts[-1].sent, counts[-1].total, counts[-1].failed) == (3, 3, 0)


def test_a_study_is_got_into_the_spool_as_if_it_had_been_sent(
    archive: Orthanc | DcmQRSCP, spool: Spool, tmp_path: Path
) -> None:
    study = made_study(tmp_path / "outside", instances=3)
    archive.keep(*study.files)
    counts = list(get_study(peer_of(archive), study.uid, spool))
    assert (counts[-1].sent, counts[-1].total) == (3, 3)
    for file in study.files:
        kept = pydicom.dcmread(spool.instance_path(study.uid, file.stem))
        assert kept.PixelData == pydicom.dcmread(file).PixelData
    waiting = [read_header(path) for path in spool.unregistered()]
    assert {header.sop_instance_uid for header in waiting} == study.instance_uids
    assert {header.calling_ae_title for header in waiting} == {archive.ae_title}
    assert list(spool.incoming.iterdir()) == []
    again = list(get_study(peer_of(archive), study.uid, spool))
    assert again[-1].sent == 3, "the same bytes twice do no harm"


def test_a_compressed_clip_is_got_as_it_is(orthanc: Orthanc, spool: Spool, tmp_path: Path) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path / "outside")
    original = pydicom.dcmread(clip)
    orthanc.know(OUR_AE_TITLE, free_port())
    orthanc.keep(clip)
    list(get_study(peer_of(orthanc), original.StudyInstanceUID, spool))
    kept = pydicom.dcmread(spool.instance_path(original.StudyInstanceUID, original.SOPInstanceUID))
    assert kept.file_meta.TransferSyntaxUID == JPEGBaseline8Bit
    assert kept.PixelData == original.PixelData


def test_a_study_is_open_while_it_is_got_so_that_it_does_not_fall_quiet_half_way(spool: Spool, tmp_path: Path) -> None:
    study = made_study(tmp_path / "outside", instances=2)
    open_meanwhile: list[set[str]] = []

    def get(_: Event) -> Iterator[Any]:
        yield len(study.files)
        for file in study.files:
            open_meanwhile.append(studies_open_anywhere(spool, now=datetime.now(UTC)))
            yield PENDING, pydicom.dcmread(file)

    # This archive knows no storage classes: it asks for the next instance, and reports each as not sent.
    with scripted_archive(get=get) as archive, pytest.raises(RetrieveError):
        list(get_study(archive, study.uid, spool))
    assert open_meanwhile == [{study.uid}] * 2
    assert studies_open_anywhere(spool, now=datetime.now(UTC)) == set()


def test_a_study_that_vanished_is_an_error(archive: Orthanc | DcmQRSCP, node: Destination, spool: Spool) -> None:
    gone = generate_uid()
    for retrieval in (move_study(peer_of(archive), gone), get_study(peer_of(archive), gone, spool)):
        with pytest.raises(RetrieveError, match=f"study {gone}: (the archive has no instance|0xC000)"):
            list(retrieval)
    assert node.received == []


def test_a_node_that_is_not_reached_is_said(archive: Orthanc | DcmQRSCP, tmp_path: Path) -> None:
    study = made_study(tmp_path / "outside")
    archive.keep(*study.files)
    with pytest.raises(RetrieveError, match="nothing came: does it know DEAD, with the host and port of this node"):
        list(move_study(peer_of(archive, calling=DEAD_AE_TITLE), study.uid))


def test_an_archive_that_does_not_know_us_is_told_what_to_enter(tmp_path: Path) -> None:
    study = made_study(tmp_path / "outside")
    (tmp_path / "dcmqrscp").mkdir()
    with dcmqrscp(tmp_path / "dcmqrscp", {}) as server:
        server.keep(*study.files)
        with pytest.raises(RetrieveError, match=f"does not know {OUR_AE_TITLE} as a destination: enter our AE title"):
            list(move_study(peer_of(server), study.uid))


def test_one_instance_that_our_node_refuses_is_counted_and_named(
    archive: Orthanc | DcmQRSCP, node: Destination, tmp_path: Path
) -> None:
    study = made_study(tmp_path / "outside", instances=3)
    refused = study.files[1].stem
    node.refused.add(refused)
    archive.keep(*study.files)
    with pytest.raises(RetrieveError) as caught:
        list(move_study(peer_of(archive), study.uid))
    assert study.uid in str(caught.value)
    if isinstance(archive, DcmQRSCP):  # Orthanc stops at the first failure and says no more than 0xC000
        assert set(node.received) == study.instance_uids - {refused}
        assert f"1 of 3 instances did not come, the first {refused}" in str(caught.value)


def test_what_our_spool_refuses_is_said_with_its_reason(
    archive: Orthanc | DcmQRSCP, tmp_path: Path, spool: Spool
) -> None:
    study = made_study(tmp_path / "outside")
    archive.keep(*study.files)
    full = Spool(spool.root, minimum_free_bytes=1 << 60)
    with pytest.raises(RetrieveError, match=r"our spool refused \d: disk low"):
        list(get_study(peer_of(archive), study.uid, full))
    assert list(spool.root.rglob("*.dcm")) == []
    assert list(spool.incoming.iterdir()) == []


def test_other_bytes_under_a_uid_that_is_here_are_kept_beside(
    archive: Orthanc | DcmQRSCP, spool: Spool, tmp_path: Path, logs: StringIO
) -> None:
    study = made_study(tmp_path / "outside", instances=2, PatientName="Secret^Jane")
    archive.keep(*study.files)
    here = spool.instance_path(study.uid, study.files[0].stem)
    here.parent.mkdir()
    here.write_bytes(b"from the modality")
    counts = list(get_study(peer_of(archive), study.uid, spool))
    assert counts[-1].sent == 2
    assert here.read_bytes() == b"from the modality"
    (beside,) = spool.quarantined.rglob("*.dcm")
    assert pydicom.dcmread(beside).SOPInstanceUID == study.files[0].stem
    assert "other bytes are already kept" in logs.getvalue()
    assert "Secret" not in logs.getvalue()


def test_an_archive_that_is_away_is_an_error(spool: Spool) -> None:
    away = Peer(host="127.0.0.1", port=free_port(), ae_title="AWAY", calling_ae_title=OUR_AE_TITLE)
    for retrieval in (move_study(away, STUDY), get_study(away, STUDY, spool)):
        with pytest.raises(RetrieveError, match=f"study {STUDY}: AWAY at .*connection refused"):
            list(retrieval)


def test_an_archive_without_c_get_is_told_apart(spool: Spool) -> None:
    with scripted_archive(move=lambda _: iter(())) as peer, pytest.raises(RetrieveError, match=f"study {STUDY}"):
        list(get_study(peer, STUDY, spool))


def moving(port: int, *responses: tuple[int, Dataset | None], operations: int = 0) -> Answers:
    """A C-MOVE handler, as pynetdicom takes it: the destination, how many sub-operations, then each of them."""

    def on_c_move(_: Event) -> Iterator[Any]:
        yield "127.0.0.1", port, {"contexts": [build_context(UltrasoundMultiFrameImageStorage)]}
        yield operations
        yield from responses

    return on_c_move


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0xA701, "0xA701 out of resources, cannot count the matches"),
        (0xA702, "0xA702 out of resources, cannot send"),
        (0xA801, "does not know ECHOWORKER as a destination: enter our AE title there, with the host and port"),
        (0xA900, "0xA900 identifier does not match SOP class"),
        (0xC001, "0xC001 unable to process"),
        (0x0124, "0x0124 not authorized"),
    ],
)
def test_a_failure_is_named(node: Destination, status: int, said: str) -> None:
    handler = moving(node.port, (status, None), operations=1)
    with scripted_archive(move=handler) as peer, pytest.raises(RetrieveError, match=f"study {STUDY}: .*{said}"):
        list(move_study(peer, STUDY))


def test_an_archive_that_hangs_up_or_falls_silent_is_an_error(
    node: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_node.archive.retrieve.SILENCE_TIMEOUT_S", 0.5)

    def hangs_up(event: Event) -> Iterator[Any]:
        event.assoc.abort()
        yield "127.0.0.1", node.port, {}

    def falls_silent(event: Event) -> Iterator[Any]:
        yield "127.0.0.1", node.port, {}
        while not event.assoc.acse.is_aborted():
            pass
        yield 0

    for handler in (hangs_up, falls_silent):
        with scripted_archive(move=handler) as peer, pytest.raises(RetrieveError, match="broke off or fell silent"):
            list(move_study(peer, STUDY))


def response(status: int, **counts: int) -> Dataset:
    made = Dataset()
    made.Status = status
    for name, count in counts.items():
        setattr(made, f"NumberOf{name}Suboperations", count)
    return made


def test_counts_survive_responses_that_leave_them_out() -> None:
    counts = SubOperations().after(response(PENDING, Remaining=2, Completed=1, Failed=0, Warning=0))
    assert (counts.sent, counts.total) == (1, 3)
    counts = counts.after(response(PENDING))
    assert (counts.sent, counts.total) == (1, 3)
    counts = counts.after(response(SUCCESS))
    assert (counts.sent, counts.total, counts.remaining) == (3, 3, 0)


def test_warnings_are_not_failures_but_are_counted() -> None:
    pending = SubOperations().after(response(PENDING, Remaining=1, Completed=1, Failed=0, Warning=1))
    ended = pending.after(response(SOME_FAILED, Completed=1, Failed=0, Warning=2))
    assert (ended.sent, ended.warned, ended.failed, ended.remaining) == (3, 2, 0, 0)
