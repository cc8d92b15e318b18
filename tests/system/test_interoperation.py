"""The node and its SCU with the software of others: DCMTK and Orthanc, in both directions.

Debian's DCMTK has no stgcmtscu: storage commitment is tested with Orthanc and pynetdicom, in test_commitment.py.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
    generate_uid,
)

from dicom_node.calling import Peer
from dicom_node.send import send_files
from tests.support import servers
from tests.support.archives import made_study
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.dcmtk import SUCCESS, dcmsend, echoscu, run_scu, storescu
from tests.support.receivers import ReceiverProcess, data_set_of, receiving, small_clips
from tests.support.tools import require_tool
from tests.support.transfer_syntaxes import PROPOSED_BY, clip_in
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.system]

PDU_SIZES = ("4096", "16384", "131072")
"""DCMTK's smallest, its default and its largest."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[UID, Path]:
    folder = tmp_path_factory.mktemp("clips")
    return {syntax: clip_in(syntax, folder) for syntax in PROPOSED_BY}


@pytest.fixture(params=["fast", "stock"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReceiverProcess]:
    with receiving(tmp_path / "data", NODE__RECEIVE_PATH=request.param) as receiver:
        yield receiver


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "data/spool"


def kept_of(spool: Path, file: Path) -> Path:
    dataset = pydicom.dcmread(file, stop_before_pixels=True)
    return spool / "studies" / dataset.StudyInstanceUID / f"{dataset.SOPInstanceUID}.dcm"


def assert_kept(spool: Path, *files: Path) -> None:
    """Everything is there, in the transfer syntax it was sent in, every element and every byte of the pixels."""
    for file in files:
        sent, kept = pydicom.dcmread(file), pydicom.dcmread(kept_of(spool, file))
        assert kept.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
        assert kept.PixelData == sent.PixelData
        assert kept == sent
    assert list((spool / "incoming").iterdir()) == []
    assert list((spool / "quarantine").rglob("*.dcm")) == []


@pytest.mark.parametrize("syntax", PROPOSED_BY, ids=lambda uid: UID(uid).keyword)
def test_storescu_sends_in_each_transfer_syntax(
    node: ReceiverProcess, spool: Path, clips: dict[UID, Path], syntax: UID
) -> None:
    sent = storescu(node.port, clips[syntax], options=[PROPOSED_BY[syntax]])
    assert (sent.code, sent.answers) == (0, [SUCCESS]), sent.said
    assert_kept(spool, clips[syntax])


def test_dcmsend_sends_all_transfer_syntaxes_in_one_association(
    node: ReceiverProcess, spool: Path, clips: dict[UID, Path]
) -> None:
    # dcmsend proposes Explicit VR Little Endian alone for what is not compressed, and converts.
    as_they_are = [file for syntax, file in clips.items() if syntax.is_compressed or syntax == ExplicitVRLittleEndian]
    sent = dcmsend(node.port, *as_they_are, options=["-dn", "-ma"])
    assert (sent.code, sent.answers) == (0, [SUCCESS] * len(as_they_are)), sent.said
    assert "Number of associations   : 1" in sent.said
    assert_kept(spool, *as_they_are)


def test_what_a_sender_converts_on_the_way_has_the_same_pixels(
    node: ReceiverProcess, spool: Path, clips: dict[UID, Path]
) -> None:
    sent = storescu(node.port, clips[ExplicitVRLittleEndian], options=["-xi"])
    assert (sent.code, sent.answers) == (0, [SUCCESS]), sent.said
    kept = pydicom.dcmread(kept_of(spool, clips[ExplicitVRLittleEndian]))
    assert kept.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert (kept.pixel_array == pydicom.dcmread(clips[ExplicitVRLittleEndian]).pixel_array).all()


def test_an_association_profile_of_storescu(
    node: ReceiverProcess, spool: Path, clips: dict[UID, Path], tmp_path: Path
) -> None:
    """Several transfer syntaxes in one presentation context, and one context for each: both are negotiated."""
    profile = tmp_path / "profile.cfg"
    profile.write_text(
        "[[TransferSyntaxes]]\n[Plain]\n"
        "TransferSyntax1 = LittleEndianExplicit\nTransferSyntax2 = LittleEndianImplicit\n"
        "[Wavelets]\nTransferSyntax1 = JPEG2000LosslessOnly\n"
        "[[PresentationContexts]]\n[Echo]\n"
        "PresentationContext1 = UltrasoundMultiframeImageStorage\\Wavelets\n"
        "PresentationContext2 = UltrasoundMultiframeImageStorage\\Plain\n"
        "[[Profiles]]\n[ECHO]\nPresentationContexts = Echo\n"
    )
    files = [clips[JPEG2000Lossless], clips[ExplicitVRLittleEndian]]
    sent = storescu(node.port, *files, options=["-xf", profile, "ECHO"])
    assert (sent.code, sent.answers) == (0, [SUCCESS] * 2), sent.said
    assert_kept(spool, *files)


@pytest.mark.parametrize(
    ("proposed", "sent_in"),
    [
        (("JPEGBaseline", "LittleEndianExplicit", "LittleEndianImplicit"), JPEGBaseline8Bit),
        (("LittleEndianImplicit", "LittleEndianExplicit", "JPEGBaseline"), ImplicitVRLittleEndian),
        (("RLELossless", "JPEGBaseline", "LittleEndianExplicit"), RLELossless),
        (("JPEGLossless:Non-hierarchical-1stOrderPrediction", "LittleEndianExplicit"), JPEGLosslessSV1),
    ],
    ids=["compressed-first", "plain-first", "run-lengths-first", "lossless-first"],
)
def test_of_several_transfer_syntaxes_in_one_context_the_sender_chooses(
    node: ReceiverProcess, spool: Path, clips: dict[UID, Path], tmp_path: Path, proposed: tuple[str, ...], sent_in: UID
) -> None:
    """storescu compresses and decompresses nothing: an instance in any other syntax than that accepted is not sent."""
    profile = tmp_path / "profile.cfg"
    syntaxes = "".join(f"TransferSyntax{number} = {name}\n" for number, name in enumerate(proposed, 1))
    profile.write_text(
        f"[[TransferSyntaxes]]\n[Several]\n{syntaxes}"
        "[[PresentationContexts]]\n[Echo]\n"
        "PresentationContext1 = UltrasoundMultiframeImageStorage\\Several\n"
        "[[Profiles]]\n[ECHO]\nPresentationContexts = Echo\n"
    )
    sent = storescu(node.port, clips[sent_in], options=["-xf", profile, "ECHO"])
    assert (sent.code, sent.answers) == (0, [SUCCESS]), sent.said
    assert_kept(spool, clips[sent_in])


@pytest.mark.parametrize("pdu", PDU_SIZES)
def test_a_folder_of_clips_in_one_association_in_pdus_of_any_size(
    node: ReceiverProcess, spool: Path, tmp_path: Path, pdu: str
) -> None:
    files = small_clips(tmp_path / "folder", 5)
    limits = ["--max-pdu", pdu, "--max-send-pdu", pdu]
    sent = storescu(node.port, tmp_path / "folder", options=["+sd", *limits])
    assert (sent.code, sent.answers) == (0, [SUCCESS] * 5), sent.said
    assert_kept(spool, *files)
    again = dcmsend(node.port, *files, options=limits)
    assert (again.code, again.answers) == (0, [SUCCESS] * 5), again.said
    assert_kept(spool, *files)


@pytest.mark.parametrize("maximum", [4096, 16384, 1048576])
def test_a_node_with_another_maximum_pdu_is_sent_to_in_fragments_that_fit(
    tmp_path: Path, spool: Path, maximum: int
) -> None:
    (file,) = small_clips(tmp_path, 1)
    with receiving(tmp_path / "data", NODE__MAXIMUM_PDU_BYTES=maximum) as node:
        sent = storescu(node.port, file, options=["--max-send-pdu", "131072"])
        negotiated = storescu(node.port, file, options=["-d"]).said
    assert re.findall(r"Their Max PDU Receive Size: +(\d+)", negotiated)[-1] == str(maximum)
    assert (sent.code, sent.answers) == (0, [SUCCESS]), sent.said
    assert_kept(spool, file)


def test_an_association_for_each_instance(node: ReceiverProcess, spool: Path, tmp_path: Path) -> None:
    files = small_clips(tmp_path, 5)
    answers = [storescu(node.port, file).answers for file in files]
    assert answers == [[SUCCESS]] * 5
    assert_kept(spool, *files)


def test_an_instance_that_is_sent_again_and_again_is_welcome_and_kept_once(
    node: ReceiverProcess, spool: Path, tmp_path: Path
) -> None:
    (file,) = small_clips(tmp_path, 1)
    assert storescu(node.port, file, options=["--repeat", "4"]).answers == [SUCCESS] * 4
    assert_kept(spool, file)
    assert len(list((spool / "studies").rglob("*.dcm"))) == 1


def test_what_was_answered_before_an_abort_stays(node: ReceiverProcess, spool: Path, tmp_path: Path) -> None:
    files = small_clips(tmp_path, 3)
    sent = storescu(node.port, *files, options=["--abort"])
    assert sent.answers == [SUCCESS] * 3
    assert "Aborting Association" in sent.said
    assert_kept(spool, *files)
    assert echoscu(node.port).answers == [SUCCESS]


def test_a_sender_killed_in_the_middle_leaves_nothing_half(node: ReceiverProcess, spool: Path, tmp_path: Path) -> None:
    (large,) = small_clips(tmp_path / "large", 1, kilobytes=60_000)
    (small,) = small_clips(tmp_path / "small", 1)
    command = [require_tool("storescu"), "--max-send-pdu", "4096", "127.0.0.1", str(node.port), str(large)]
    at_rest = node.memory_mb()
    sender = subprocess.Popen(command)
    try:
        # The fast path writes as it receives, the stock one holds a data set in memory to its end.
        wait_until(
            lambda: list((spool / "incoming").iterdir()) or node.memory_mb() > at_rest + 5, 20, "the transfer to begin"
        )
    finally:
        sender.kill()
        sender.wait()
    wait_until(lambda: not list((spool / "incoming").iterdir()), 20, "the half file to be gone")
    assert not kept_of(spool, large).exists()
    assert storescu(node.port, small).answers == [SUCCESS]
    assert_kept(spool, small)


def test_a_sender_that_names_its_user_is_served_as_any_other(
    node: ReceiverProcess, spool: Path, tmp_path: Path
) -> None:
    (file,) = small_clips(tmp_path, 1)
    assert storescu(node.port, file, options=["--user", "tech", "--empty-password"]).answers == [SUCCESS]
    assert_kept(spool, file)


def test_echoscu_with_as_many_presentation_contexts_as_there_can_be(node: ReceiverProcess) -> None:
    sent = echoscu(node.port, options=["-ppc", "128", "-pts", "38", "--repeat", "3"])
    assert (sent.code, sent.answers) == (0, [SUCCESS] * 3), sent.said


def test_orthanc_sends_a_study_and_what_lies_in_the_spool_is_what_it_has(
    node: ReceiverProcess, spool: Path, orthanc: servers.Orthanc, tmp_path: Path
) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path)
    dataset = pydicom.dcmread(clip)
    plain = clip_in(ExplicitVRLittleEndian, tmp_path)
    for name, file in {"second": clip, "third": plain}.items():
        other = pydicom.dcmread(file)
        other.StudyInstanceUID, other.PatientID = dataset.StudyInstanceUID, dataset.PatientID
        other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        other.save_as(tmp_path / name)
    files = [clip, tmp_path / "second", tmp_path / "third"]
    orthanc.keep(*files)
    orthanc.know("ECHOWORKER", node.port)
    said = orthanc.send("ECHOWORKER", dataset.StudyInstanceUID)
    assert (said["InstancesCount"], said["FailedInstancesCount"]) == (3, 0)
    assert_kept(spool, *files)


def test_orthanc_takes_what_we_send_unchanged(orthanc: servers.Orthanc, clips: dict[UID, Path], tmp_path: Path) -> None:
    peer = Peer(host="127.0.0.1", port=orthanc.port, ae_title=orthanc.ae_title, calling_ae_title="ECHOWORKER")
    answers = {answer.path: answer for answer in send_files(list(clips.values()), peer)}
    assert {path: answer.status for path, answer in answers.items()} == dict.fromkeys(clips.values(), 0x0000)
    for file in clips.values():
        received = tmp_path / file.name
        (content,) = orthanc.instance_files(answers[file].sop_instance_uid)
        received.write_bytes(content)
        assert pydicom.dcmread(received) == pydicom.dcmread(file), file.name
        if file is not clips[DeflatedExplicitVRLittleEndian]:  # which Orthanc deflates anew
            assert data_set_of(received) == data_set_of(file), file.name


@pytest.mark.parametrize("pdu", PDU_SIZES)
def test_storescp_takes_what_we_send_byte_for_byte(clips: dict[UID, Path], tmp_path: Path, pdu: str) -> None:
    with servers.storescp(tmp_path, options=["+xa", "--bit-preserving", "--max-pdu", pdu]) as peer:
        called = Peer(host="127.0.0.1", port=peer.port, ae_title=peer.ae_title, calling_ae_title="ECHOWORKER")
        answers = list(send_files(list(clips.values()), called))
    assert {answer.path: answer.status for answer in answers} == dict.fromkeys(clips.values(), 0x0000)
    received = {path.name.removeprefix("USm."): path for path in peer.folder.iterdir()}
    for answer in answers:
        sent = data_set_of(answer.path)
        assert data_set_of(received[answer.sop_instance_uid]) == sent + bytes(len(sent) % 2), answer.path.name


@pytest.mark.parametrize(
    ("tool", "options", "said"),
    [
        ("findscu", [], "No Acceptable Presentation Contexts"),
        ("movescu", ["--move", "ELSEWHERE"], "No Acceptable Presentation Contexts"),
        ("getscu", [], "No adequate Presentation Contexts for sending C-GET"),
    ],
)
def test_who_takes_the_node_for_an_archive_is_told_so_at_once(
    node: ReceiverProcess, spool: Path, tool: str, options: list[str], said: str
) -> None:
    """The node is no Query/Retrieve SCP: its contexts are refused, and nothing hangs or is broken off."""
    for model in ("--study", "--patient"):
        asked = run_scu(tool, node.port, model, *options, "--key", "QueryRetrieveLevel=STUDY")
        assert asked.code != 0
        assert said in asked.said
        assert "Abort" not in asked.said
    assert echoscu(node.port).answers == [SUCCESS]
    assert list((spool / "studies").iterdir()) == []


@pytest.mark.parametrize("archive", ["orthanc", "dcmqrscp"])
def test_an_archive_moves_a_study_to_the_node_when_somebody_else_asks_it_to(
    request: pytest.FixtureRequest, node: ReceiverProcess, spool: Path, tmp_path: Path, archive: str
) -> None:
    study = made_study(tmp_path / "outside", instances=3)
    with ExitStack() as running:
        server: servers.Orthanc | servers.DcmQRSCP
        if archive == "orthanc":
            server = request.getfixturevalue("orthanc")
            server.know("ECHOWORKER", node.port)
            server.know("WORKSTATION", servers.free_port())
        else:
            server = running.enter_context(servers.dcmqrscp(tmp_path, {"ECHOWORKER": node.port}))
        server.keep(*study.files)
        titles = ["--aetitle", "WORKSTATION", "--call", server.ae_title, "--move", "ECHOWORKER"]
        keys = ["--key", "QueryRetrieveLevel=STUDY", "--key", f"StudyInstanceUID={study.uid}"]
        asked = run_scu("movescu", server.port, "--study", *titles, *keys)
    assert asked.code == 0, asked.said
    assert "Received Final Move Response (Success)" in asked.said
    assert_kept(spool, *study.files)
