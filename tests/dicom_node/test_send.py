"""Sending files: what is in them arrives, whatever the peer's limits; one that goes is told from one that refuses."""

import hashlib
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    UltrasoundMultiFrameImageStorage,
)
from pynetdicom import AE, evt

from config.errors import DeliveryError, UnreadableInstanceError
from dicom_node import send as sending
from dicom_node.calling import Peer
from dicom_node.reception.store_messages import read_store_request, read_store_response, store_request, store_response
from dicom_node.send import send_files
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.due_reports import data_set
from tests.support.scps import serving

CLASS = UltrasoundMultiFrameImageStorage


class SCP:
    """Keeps what it gets; `answers` are given in turn, then success."""

    def __init__(self, *answers: int | str) -> None:
        self.answers = list(answers)
        self.got: list[bytes] = []
        self.requests: list[tuple[int, str]] = []
        self.ends: list[str] = []

    @contextmanager
    def running(self, *syntaxes: str, maximum_pdu_bytes: int = 16382) -> Iterator[Peer]:
        ae = AE(ae_title="SCP")
        ae.maximum_pdu_size = maximum_pdu_bytes
        for syntax in syntaxes or (JPEGBaseline8Bit,):
            ae.add_supported_context(CLASS, syntax)
        handlers = [
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_RELEASED, lambda _: self.ends.append("released")),
            (evt.EVT_ABORTED, lambda _: self.ends.append("aborted")),
        ]
        with serving(ae, handlers) as port:
            yield Peer(host="127.0.0.1", port=port, ae_title="SCP", calling_ae_title="US")

    def _on_store(self, event: evt.Event) -> int:
        self.requests.append((event.request.MessageID, event.request.AffectedSOPInstanceUID))
        answer = self.answers.pop(0) if self.answers else 0x0000
        if answer == "abort":
            event.assoc.abort()
            return 0x0110
        self.got.append(event.encoded_dataset(include_meta=False))
        return int(answer)


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    return [as_study_of_its_own(SMALL, tmp_path / "clips") for _ in range(3)]


@pytest.mark.parametrize("maximum_pdu_bytes", [0, 4096, 4097, 16382, 1 << 20])
def test_what_arrives_is_what_is_in_the_files_whatever_length_of_pdu_the_peer_takes(
    clips: list[Path], maximum_pdu_bytes: int
) -> None:
    scp = SCP()
    with scp.running(maximum_pdu_bytes=maximum_pdu_bytes) as peer:
        answers = list(send_files(clips, peer))
    assert [str(answer) for answer in answers] == ["0x0000"] * 3
    digests = [hashlib.sha256(content).hexdigest() for content in scp.got]
    assert digests == [hashlib.sha256(data_set(file)).hexdigest() for file in clips]
    assert scp.requests == [(number, file.stem) for number, file in enumerate(clips, 1)]
    assert scp.ends == ["released"]


def test_a_data_set_of_an_odd_number_of_bytes_gets_one_more(tmp_path: Path) -> None:
    deflated = Path(str(get_testdata_file("image_dfl.dcm", download=False)))
    assert len(data_set(deflated)) % 2 == 1
    file = as_study_of_its_own(deflated, tmp_path, SOPClassUID=CLASS)
    content = file.read_bytes()
    file.write_bytes(content if len(content) % 2 else content[:-1])
    scp = SCP()
    with scp.running(DeflatedExplicitVRLittleEndian) as peer:
        (answer,) = send_files([file], peer)
    assert answer.accepted
    assert scp.got == [data_set(file) + b"\0" * (len(data_set(file)) % 2)]


@pytest.mark.parametrize(
    ("own", "taken"),
    [(ExplicitVRLittleEndian, ImplicitVRLittleEndian), (ImplicitVRLittleEndian, ExplicitVRLittleEndian)],
)
def test_an_uncompressed_object_goes_as_the_peer_takes_it_with_the_same_elements(
    tmp_path: Path, own: str, taken: str
) -> None:
    dataset = pydicom.dcmread(str(get_testdata_file("reportsi.dcm", download=False)))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = CLASS
    dataset.file_meta.TransferSyntaxUID = own
    file = tmp_path / "own.dcm"
    dataset.save_as(file, implicit_vr=own == ImplicitVRLittleEndian, little_endian=True, enforce_file_format=True)
    for offered, arrives in (((taken,), taken), ((taken, own), own)):
        scp = SCP()
        with scp.running(*offered) as peer:
            (answer,) = send_files([file], peer)
        assert answer.accepted
        if arrives == own:
            assert scp.got == [data_set(file)]
        else:
            held = pydicom.dcmread(_file_of(scp.got[0], taken, tmp_path), force=True)
            assert held == pydicom.dcmread(file)


def test_a_compressed_object_goes_as_it_is_or_not_at_all(clips: list[Path]) -> None:
    scp = SCP()
    with scp.running(ExplicitVRLittleEndian, ImplicitVRLittleEndian) as peer, pytest.raises(DeliveryError):
        list(send_files(clips[:1], peer))
    assert scp.got == []


def test_what_the_peer_breaks_off_at_has_no_answer_and_what_follows_is_not_sent(clips: list[Path]) -> None:
    scp = SCP(0xA900, "abort")
    with scp.running() as peer:
        answers = send_files(clips, peer)
        first, second = next(answers), next(answers)
        assert (str(first), first.is_missing) == ("0xA900 data set does not match SOP class", False)
        assert (second.status, second.is_missing, str(second)) == (None, True, "no answer")
        with pytest.raises(DeliveryError, match="broke off the association"):
            next(answers)
    assert [uid for _, uid in scp.requests] == [file.stem for file in clips[:2]]


def test_a_peer_that_leaves_between_two_objects_is_not_sent_the_second(clips: list[Path]) -> None:
    left = threading.Event()
    ae = AE(ae_title="SCP")
    ae.add_supported_context(CLASS, JPEGBaseline8Bit)
    handlers = [
        (evt.EVT_C_STORE, lambda _: 0x0000),
        (evt.EVT_DIMSE_SENT, lambda event: threading.Timer(0.2, lambda: (event.assoc.abort(), left.set())).start()),
    ]
    with serving(ae, handlers) as port:
        peer = Peer(host="127.0.0.1", port=port, ae_title="SCP", calling_ae_title="US")
        answers = send_files(clips, peer)
        assert next(answers).accepted
        assert left.wait(20)
        with pytest.raises(DeliveryError, match="broke off the association"):
            next(answers)


def test_a_peer_that_says_nothing_is_not_waited_for_without_end(
    clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "ANSWER_TIMEOUT_S", 0.5)
    silence = threading.Event()
    ae = AE(ae_title="SCP")
    ae.add_supported_context(CLASS, JPEGBaseline8Bit)

    def wait(_: evt.Event) -> int:
        silence.wait(30)
        return 0x0000

    with serving(ae, [(evt.EVT_C_STORE, wait)]) as port:
        peer = Peer(host="127.0.0.1", port=port, ae_title="SCP", calling_ae_title="US")
        answers = send_files(clips, peer)
        assert next(answers).is_missing
        with pytest.raises(DeliveryError):
            next(answers)
        silence.set()


def test_closing_the_generator_releases_the_association(clips: list[Path]) -> None:
    scp = SCP()
    with scp.running() as peer:
        answers = send_files(clips, peer)
        assert next(answers).accepted
        answers.close()
    assert (len(scp.got), scp.ends) == (1, ["released"])


def test_with_a_file_that_is_none_nothing_is_sent(clips: list[Path], tmp_path: Path) -> None:
    letter = tmp_path / "letter.dcm"
    letter.write_text("Dear colleague")
    scp = SCP()
    with scp.running() as peer, pytest.raises(UnreadableInstanceError, match=r"letter\.dcm"):
        list(send_files([*clips, letter], peer))
    assert scp.got == []


def test_requests_and_answers_are_read_as_they_are_written() -> None:
    request = read_store_request(
        3,
        struct.pack("<HHLH", 0, 0x0100, 2, 1)
        + struct.pack("<HHLH", 0, 0x0110, 2, 513)
        + struct.pack("<HHLH", 0, 0x0800, 2, 1),
    )
    assert request is not None
    assert read_store_request(3, store_request(request)) == request
    pdu = store_response(request, 0xB007, "Coerced")
    response = read_store_response(pdu[12:], 513)
    assert response is not None
    assert (response.status, response.comment) == (0xB007, "Coerced")
    assert read_store_response(pdu[12:], 514) is None
    assert read_store_response(store_request(request), 513) is None


def _file_of(content: bytes, syntax: str, folder: Path) -> Path:
    path = folder / "held.dcm"
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CLASS, "1.2.3"
    with path.open("wb") as file:
        file.write(b"\0" * 128 + b"DICM")
        pydicom.filewriter.write_file_meta_info(file, meta)
        file.write(content)
    return path
