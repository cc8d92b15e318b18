"""Received instances go to the peers that the rules name: to real ones, once, byte for byte."""

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO, StringIO
from pathlib import Path

import pydicom
import pytest
import structlog
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import UltrasoundMultiFrameImageStorage
from pynetdicom import AE, evt
from sqlalchemy import select, update

from config.logs import configure_logs
from config.settings import load_settings
from db.delivery.forwards import ForwardSummary, forward_summaries
from db.tables.peers import Forward, PeerQueue
from db.tables.studies import Instance
from tests.support.clips import LARGE, SMALL, as_study_of_its_own
from tests.support.scps import serving
from tests.support.servers import Orthanc, free_port, storescp
from tests.worker.pipeline import Pipeline
from worker.forwarding import forward_to
from worker.reaper import announce_overdue_steps

SITE = """
[pipeline]
retry_after_s = 0.001
[[peers]]
name = "archive"
ae_title = "STORESCP"
roles = ["forward"]
host = "127.0.0.1"
port = {archive}
[[peers]]
name = "research"
ae_title = "{research_ae_title}"
roles = ["forward"]
host = "127.0.0.1"
port = {research}
[[rules]]
name = "stress echo"
series_description = ["*stress*"]
action = "store"
forward_to = ["archive"]
[[rules]]
name = "everything"
forward_to = ["archive", "research"]
"""
COUNTING = ["--accept-all", "--bit-preserving", "--unique-filenames"]
"""DCMTK keeps every arrival in a file of its own, as it came."""


def pipeline_to(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    archive: int,
    research: int,
    research_ae_title: str = "RESEARCH",
) -> Pipeline:
    site = tmp_path / "site.toml"
    site.write_text(SITE.format(archive=archive, research=research, research_ae_title=research_ae_title))
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    return Pipeline.create(load_settings(data_dir=tmp_path / "data"))


def forward(pipeline: Pipeline, *peers: str) -> None:
    """As if beat had woken the reaper, and the broker had brought its messages, whatever pause was being kept."""
    with pipeline.context.database.write() as session:
        for table in (Forward, PeerQueue):
            session.execute(update(table).values(next_attempt_at=None))
    announce_overdue_steps(pipeline.context)
    for peer in peers:
        forward_to(pipeline.context, peer)


def summary(pipeline: Pipeline, peer: str) -> ForwardSummary:
    with pipeline.context.database.read() as session:
        return next(found for found in forward_summaries(session) if found.peer == peer)


def data_set(content: bytes) -> str:
    """Digest of the bytes behind the File Meta Information, whose group length says where it ends (PS3.10 7.1)."""
    return hashlib.sha256(content[144 + int.from_bytes(content[140:144], "little") :]).hexdigest()


def data_sets(files: list[Path]) -> list[str]:
    return sorted(data_set(file.read_bytes()) for file in files)


def clips(folder: Path, **changes: object) -> list[Path]:
    """JPEG Baseline, deflated and big endian ones: what no peer may re-encode on the way."""
    samples = [SMALL, LARGE]
    made = [as_study_of_its_own(file, folder, StudyInstanceUID="1.2.9", **changes) for file in samples]
    for name in ("image_dfl.dcm", "ExplVR_BigEnd.dcm"):
        file = Path(str(get_testdata_file(name, download=False)))
        made.append(
            as_study_of_its_own(
                file, folder, StudyInstanceUID="1.2.9", SOPClassUID=UltrasoundMultiFrameImageStorage, **changes
            )
        )
    return made


@dataclass
class Research:
    """A storage SCP of one SOP class that answers with `statuses` in turn, and then with success."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    """The SOP Instance UIDs of what it was sent, in order."""
    associations: int = 0
    breaks_at: str = ""
    """At this SOP Instance UID it aborts the association instead."""

    def on_store(self, event: evt.Event) -> Dataset:
        uid = str(event.request.AffectedSOPInstanceUID)
        if uid == self.breaks_at:
            event.assoc.abort()
        self.sent.append(uid)
        answer = Dataset()
        answer.Status = self.statuses.pop(0) if self.statuses else 0x0000
        answer.ErrorComment = "Doe^Jane"
        return answer

    def on_accepted(self, _: evt.Event) -> None:
        self.associations += 1


@pytest.fixture
def research() -> Iterator[Research]:
    research, ae = Research(), AE(ae_title="RESEARCH")
    ae.add_supported_context(UltrasoundMultiFrameImageStorage, "1.2.840.10008.1.2.4.50")
    handlers = [(evt.EVT_C_STORE, research.on_store), (evt.EVT_ACCEPTED, research.on_accepted)]
    with serving(ae, handlers) as research.port:
        yield research


def test_a_peer_that_was_away_gets_every_instance_once_and_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    pipeline = pipeline_to(tmp_path, monkeypatch, archive=port, research=free_port())
    files = clips(tmp_path / "outside")
    pipeline.receive(*files)
    for _ in range(3):
        forward(pipeline, "archive")
    away = summary(pipeline, "archive")
    assert (away.due, away.delivered, away.cancelled) == (4, 0, 0)
    assert "STORESCP at 127.0.0.1" in str(away.last_answer)
    assert away.next_attempt_at is not None
    with storescp(tmp_path, port=port, options=COUNTING) as server:
        for _ in range(3):
            forward(pipeline, "archive")
        assert data_sets(list(server.folder.iterdir())) == data_sets(files)
    back = summary(pipeline, "archive")
    assert (back.due, back.delivered, back.last_answer) == (0, 4, None)


def test_of_two_peers_one_that_is_away_costs_the_other_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orthanc: Orthanc
) -> None:
    pipeline = pipeline_to(
        tmp_path, monkeypatch, archive=free_port(), research=orthanc.port, research_ae_title="ORTHANC"
    )
    file = as_study_of_its_own(SMALL, tmp_path / "outside")
    pipeline.receive(file)
    forward(pipeline, "archive", "research")
    assert (summary(pipeline, "research").delivered, summary(pipeline, "archive").due) == (1, 1)
    (content,) = orthanc.instance_files(file.stem)
    held, sent = pydicom.dcmread(BytesIO(content)), pydicom.dcmread(file)
    assert held.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
    assert held == sent  # Orthanc writes sequences its own way: the same elements, not the same bytes


def test_many_instances_go_in_one_association(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, research: Research
) -> None:
    pipeline = pipeline_to(tmp_path, monkeypatch, archive=free_port(), research=research.port)
    files = [as_study_of_its_own(SMALL, tmp_path / "outside", StudyInstanceUID="1.2.9") for _ in range(5)]
    pipeline.receive(*files)
    forward(pipeline, "research")
    assert sorted(research.sent) == sorted(file.stem for file in files)
    assert research.associations == 1


def test_a_long_queue_goes_in_parts_and_each_announces_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, research: Research
) -> None:
    monkeypatch.setattr("worker.forwarding.BATCH", 2)
    pipeline = pipeline_to(tmp_path, monkeypatch, archive=free_port(), research=research.port)
    files = [as_study_of_its_own(SMALL, tmp_path / "outside", StudyInstanceUID="1.2.9") for _ in range(5)]
    pipeline.receive(*files)
    announce_overdue_steps(pipeline.context)
    folder = pipeline.context.settings.broker_dir / "messages"
    messages = 0
    while due := [path for path in folder.iterdir() if "research" in path.read_text()]:
        messages += len(due)
        for path in due:
            path.unlink()
        forward_to(pipeline.context, "research")
    assert (messages, research.associations) == (3, 3)
    assert sorted(research.sent) == sorted(file.stem for file in files)


def test_an_answer_out_of_resources_is_followed_by_the_same_object_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, research: Research
) -> None:
    research.statuses = [0xA700, 0xA700, 0xB000]
    pipeline = pipeline_to(tmp_path, monkeypatch, archive=free_port(), research=research.port)
    file = as_study_of_its_own(SMALL, tmp_path / "outside")
    pipeline.receive(file)
    forward(pipeline, "research")
    refused = summary(pipeline, "research")
    assert (refused.due, refused.last_answer) == (1, "0xA700 out of resources")
    for _ in range(4):
        forward(pipeline, "research")
    assert research.sent == [file.stem] * 3
    with pipeline.context.database.read() as session:
        owed = session.scalars(select(Forward).where(Forward.peer == "research")).one()
    assert (owed.state, owed.attempts, owed.last_answer) == ("DELIVERED", 3, "0xB000 warning")


def test_no_word_of_the_peer_or_the_data_set_is_logged_or_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, research: Research
) -> None:
    research.statuses = [0xA700]
    pipeline = pipeline_to(tmp_path, monkeypatch, archive=free_port(), research=research.port)
    pipeline.receive(as_study_of_its_own(SMALL, tmp_path / "outside", SeriesDescription="Doe"))
    stream = StringIO()
    configure_logs(process="test", stream=stream)
    forward(pipeline, "research", "archive")
    structlog.reset_defaults()
    assert "0xA700" in stream.getvalue()
    assert "Doe" not in stream.getvalue()
    with pipeline.context.database.read() as session:
        assert not [answer for answer in session.scalars(select(Forward.last_answer)) if "Doe" in str(answer)]


def test_an_instance_that_the_peer_does_not_take_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, research: Research
) -> None:
    monkeypatch.setenv("ECHOWORKER_PIPELINE__MAXIMUM_DELIVERY_ATTEMPTS", "2")
    pipeline = pipeline_to(tmp_path, monkeypatch, archive=free_port(), research=research.port)
    vendor = Path(str(get_testdata_file("reportsi.dcm", download=False)))
    report = as_study_of_its_own(vendor, tmp_path / "outside", StudyInstanceUID="1.2.9")
    clip = as_study_of_its_own(SMALL, tmp_path / "outside", StudyInstanceUID="1.2.9")
    pipeline.receive(report, clip)
    forward(pipeline, "research")
    assert research.sent == [clip.stem]
    # Alone, it finds no association; that is an answer to this instance, and no reason to let others wait.
    forward(pipeline, "research")
    found = summary(pipeline, "research")
    assert (found.due, found.delivered, found.cancelled, found.next_attempt_at) == (0, 1, 1, None)
    assert "given up after 2 attempts" in str(found.last_answer)


def test_an_instance_at_which_the_peer_breaks_off_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, research: Research
) -> None:
    pipeline = pipeline_to(tmp_path, monkeypatch, archive=free_port(), research=research.port)
    files = [as_study_of_its_own(SMALL, tmp_path / "outside", StudyInstanceUID="1.2.9") for _ in range(3)]
    pipeline.receive(*files)
    with pipeline.context.database.read() as session:
        instances = select(Instance.sop_instance_uid).order_by(Instance.id)
        research.breaks_at = session.scalars(instances).all()[0]
    for _ in range(3):
        forward(pipeline, "research")
    assert (summary(pipeline, "research").delivered, summary(pipeline, "research").due) == (2, 1)


def test_a_file_that_is_gone_is_given_up_and_the_others_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, research: Research
) -> None:
    pipeline = pipeline_to(tmp_path, monkeypatch, archive=free_port(), research=research.port)
    gone, kept, damaged = (as_study_of_its_own(SMALL, tmp_path / "o", StudyInstanceUID="1.2.9") for _ in range(3))
    pipeline.receive(gone, kept, damaged)
    spool = pipeline.context.spool
    spool.instance_path("1.2.9", gone.stem).unlink()
    spool.instance_path("1.2.9", damaged.stem).write_text("Doe^Jane")
    forward(pipeline, "research")
    assert research.sent == [kept.stem]
    with pipeline.context.database.read() as session:
        given_up = select(Forward.last_answer).where(Forward.peer == "research", Forward.state == "CANCELLED")
        reasons = sorted(str(reason) for reason in session.scalars(given_up))
    assert reasons[0].startswith(f"{damaged.name}: not a readable DICOM data set")
    assert reasons[1] == "its file is no longer in the spool"


def test_a_peer_that_is_configured_no_more_is_owed_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = pipeline_to(tmp_path, monkeypatch, archive=free_port(), research=free_port())
    pipeline.receive(as_study_of_its_own(SMALL, tmp_path / "outside"))
    (tmp_path / "site.toml").write_text("")
    later = Pipeline.create(load_settings(data_dir=tmp_path / "data"))
    forward(later, "archive")
    assert (summary(later, "archive").due, summary(later, "archive").cancelled) == (0, 1)
    assert summary(later, "archive").last_answer == "no longer a peer with the role forward"


def test_nothing_goes_back_to_where_it_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The pipeline receives as if ECHO1 had sent.
    pipeline = pipeline_to(tmp_path, monkeypatch, archive=free_port(), research=free_port(), research_ae_title="ECHO1")
    pipeline.receive(as_study_of_its_own(SMALL, tmp_path / "outside"))
    with pipeline.context.database.read() as session:
        assert [found.peer for found in forward_summaries(session)] == ["archive"]


def test_two_messages_at_once_send_everything_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    pipeline = pipeline_to(tmp_path, monkeypatch, archive=port, research=free_port())
    files = clips(tmp_path / "outside")
    pipeline.receive(*files)
    announce_overdue_steps(pipeline.context)
    with storescp(tmp_path, port=port, options=COUNTING) as server:
        workers = [threading.Thread(target=forward_to, args=[pipeline.context, "archive"]) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert data_sets(list(server.folder.iterdir())) == data_sets(files)


def test_what_waits_is_announced_by_the_name_of_the_peer_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = pipeline_to(tmp_path, monkeypatch, archive=free_port(), research=free_port())
    pipeline.receive(as_study_of_its_own(SMALL, tmp_path / "outside", PatientName="Doe^Jane"))
    announce_overdue_steps(pipeline.context)
    folder = pipeline.context.settings.broker_dir / "messages"
    messages = [json.loads(path.read_text()) for path in folder.iterdir()]
    assert sorted(message["headers"]["argsrepr"] for message in messages) == ["['archive']", "['research']"]
    assert {message["headers"]["task"] for message in messages} == {"echoworker.forward"}


def test_a_series_that_a_rule_keeps_is_forwarded_and_not_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = pipeline_to(tmp_path, monkeypatch, archive=free_port(), research=free_port())
    ours = as_study_of_its_own(SMALL, tmp_path / "o", StudyInstanceUID="1.2.9")
    kept = as_study_of_its_own(LARGE, tmp_path / "o", StudyInstanceUID="1.2.9", SeriesDescription="Stress")
    pipeline.receive(ours, kept)
    pipeline.fall_quiet()
    detail = pipeline.run("1.2.9")
    assert detail.run is not None
    assert [clip.sop_instance_uid for clip in detail.clips] == [ours.stem]
    assert [clip.sop_instance_uid for clip in detail.run.clips] == [ours.stem]
    assert {row.sop_instance_uid: (row.action, row.rule) for row in detail.instances} == {
        ours.stem: ("score", "everything"),
        kept.stem: ("store", "stress echo"),
    }
    assert (summary(pipeline, "archive").due, summary(pipeline, "research").due) == (2, 1)


def test_a_study_of_kept_instances_alone_is_skipped_and_says_by_which_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = pipeline_to(tmp_path, monkeypatch, archive=free_port(), research=free_port())
    study = pipeline.receive(as_study_of_its_own(SMALL, tmp_path / "o", SeriesDescription="STRESS echo of Doe^Jane"))
    pipeline.fall_quiet()
    detail = pipeline.run(study)
    assert detail.study.state == "SKIPPED"
    assert detail.study.reason == "no instance of this study is to be scored: rule stress echo"
