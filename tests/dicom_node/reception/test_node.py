"""The node as its peers see it: real associations, a real spool, a real registry."""

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO, StringIO
from pathlib import Path

import pydicom
import pytest
import structlog
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEGBaseline8Bit, UltrasoundMultiFrameImageStorage
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE

from config.broker import create_celery_app
from config.errors import ConfigurationError
from config.logs import configure_logs
from config.settings import Settings, load_settings
from db.reading.queries import StudySummary, list_studies, study_detail
from db.session import Database
from dicom_node.contexts import RETIRED_ULTRASOUND, STORAGE_CLASSES, TRANSFER_SYNTAXES
from dicom_node.header import read_header
from dicom_node.intake import Intake
from dicom_node.reception.receiver import Receiver
from dicom_node.spool import Spool
from tests.support.associating import refuses_associations
from tests.support.waiting import wait_until

CLIP = Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))
STUDY = "1.2.840.114340.3.8251017118051.1.20160503.120850.2171"
INSTANCE = "1.2.840.114340.3.8251017118051.3.20160503.121539.16117.4"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receive_path: str) -> Settings:
    monkeypatch.setenv("ECHOWORKER_NODE__RECEIVE_PATH", receive_path)
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ECHOWORKER_NODE__PORT", "0")
    monkeypatch.setenv("ECHOWORKER_STUDY__QUIET_PERIOD_S", "1")
    return load_settings()


class Node:
    """Receiver and intake as threads of the test; in the product each has a process of its own."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.receiver = Receiver(settings)
        intake = Intake(settings, Spool(settings.spool_dir), database, create_celery_app(settings))
        self._stop = threading.Event()
        self._intake = threading.Thread(target=intake.run, args=[self._stop])

    def start(self) -> None:
        self.receiver.start()
        self._intake.start()

    def stop(self) -> None:
        self.receiver.stop()
        self._stop.set()
        self._intake.join()

    @property
    def port(self) -> int:
        return self.receiver.port


@pytest.fixture(params=["fast", "stock"])
def receive_path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def node(settings: Settings, database: Database) -> Iterator[Node]:
    running = Node(settings, database)
    running.start()
    yield running
    running.stop()


def associate(node: Node, **options: object) -> Association:
    ae = AE(ae_title="ECHO1")
    for syntax in (ExplicitVRLittleEndian, JPEGBaseline8Bit):
        ae.add_requested_context(UltrasoundMultiFrameImageStorage, syntax)
    association = ae.associate("127.0.0.1", node.port, **options)
    assert association.is_established
    return association


@pytest.fixture
def logs() -> Iterator[StringIO]:
    stream = StringIO()
    configure_logs(process="node", stream=stream)
    yield stream
    structlog.reset_defaults()


@pytest.fixture
def association(node: Node) -> Iterator[Association]:
    opened = associate(node)
    yield opened
    if opened.is_established:
        opened.release()


def store(association: Association, content: bytes, *, instance: str = INSTANCE) -> Dataset:
    """C-STORE these very bytes, whatever they are, as an ultrasound clip in JPEG Baseline."""
    context = next(c for c in association.accepted_contexts if c.transfer_syntax[0] == JPEGBaseline8Bit)
    request = C_STORE()
    request.MessageID = 1
    request.Priority = 2
    request.AffectedSOPClassUID = UltrasoundMultiFrameImageStorage
    request.AffectedSOPInstanceUID = instance
    request.DataSet = BytesIO(content)
    association._reactor_checkpoint.clear()
    wait_until(lambda: association._is_paused, 5, "the reactor to pause")
    association.dimse.send_msg(request, context.context_id)
    _, response = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    answer = Dataset()
    answer.Status = response.Status
    answer.ErrorComment = response.ErrorComment
    return answer


def encoded(**changes: object) -> bytes:
    """The bytes of the real clip's data set, with some attributes changed."""
    dataset = pydicom.dcmread(CLIP)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    file = BytesIO()
    dataset.save_as(file)
    content = file.getvalue()
    length = 132 + 12 + int.from_bytes(content[140:144], "little")
    return content[length:]


def studies(database: Database) -> list[StudySummary]:
    with database.read() as session:
        return list_studies(session)


def quarantined_reasons(settings: Settings) -> list[str]:
    return [json.loads(path.read_text())["reason"] for path in (settings.spool_dir / "quarantine").rglob("*.json")]


def test_a_stored_clip_is_in_the_spool_when_the_answer_comes_and_its_study_falls_quiet(
    settings: Settings, association: Association, database: Database
) -> None:
    assert association.send_c_store(CLIP).Status == 0x0000
    kept = settings.spool_dir / "studies" / STUDY / f"{INSTANCE}.dcm"
    assert pydicom.dcmread(kept).PixelData == pydicom.dcmread(CLIP).PixelData
    association.release()
    wait_until(lambda: [s.state for s in studies(database)] == ["READY"], 20, "the study to be READY")
    assert list((settings.spool_dir / "unregistered").iterdir()) == []
    with database.read() as session:
        (instance,) = study_detail(session, STUDY).instances
    assert (instance.calling_ae_title, instance.size_bytes) == ("ECHO1", kept.stat().st_size)


def test_a_study_stays_open_while_an_association_that_sent_it_is_open(
    association: Association, database: Database
) -> None:
    association.send_c_store(CLIP)
    wait_until(lambda: studies(database), 20, "the study to be registered")
    registered = time.monotonic()
    # Three times the quiet period, on the registry's own clock: seen again and again, it never was READY.
    states = set()
    while time.monotonic() < registered + 3.5:
        states |= {study.state for study in studies(database)}
        threading.Event().wait(0.1)
    assert states == {"RECEIVING"}


@pytest.mark.parametrize(
    ("make", "status", "reason"),
    [
        (lambda: b"This is a letter, not a data set.", 0xC000, "DICOM|missing|cut off"),
        (lambda: encoded()[:-5000], 0xC000, "cut off"),
        (lambda: encoded(StudyInstanceUID="../../../../tmp/evil"), 0xC000, "StudyInstanceUID is not a valid UID"),
        (lambda: encoded(StudyInstanceUID=""), 0xC000, "StudyInstanceUID is missing"),
        (lambda: encoded(SOPInstanceUID="1.2.3"), 0xA900, "not that of the request"),
        (lambda: encoded(SOPClassUID=CTImageStorage), 0xA900, "not that of the request"),
    ],
    ids=["letter", "truncated", "path-in-uid", "no-study", "other-instance", "other-class"],
)
def test_what_cannot_be_kept_gets_its_status_and_is_quarantined_and_the_next_one_is_stored(
    settings: Settings,
    association: Association,
    database: Database,
    make: Callable[[], bytes],
    status: int,
    reason: str,
) -> None:
    answer = store(association, make())
    assert answer.Status == status
    assert answer.ErrorComment
    (kept,) = quarantined_reasons(settings)
    assert re.search(reason, kept)
    assert association.send_c_store(CLIP).Status == 0x0000
    wait_until(lambda: [s.study_instance_uid for s in studies(database)] == [STUDY], 20, "the good clip")
    assert {path.name for path in (settings.spool_dir / "studies").iterdir()} == {STUDY}
    assert list((settings.spool_dir / "incoming").iterdir()) == []


def test_other_bytes_under_a_known_uid_are_a_warning_and_both_are_kept(
    settings: Settings, association: Association
) -> None:
    assert association.send_c_store(CLIP).Status == 0x0000
    assert association.send_c_store(CLIP).Status == 0x0000
    answer = store(association, encoded(InstitutionName="elsewhere"))
    assert answer.Status == 0xB000
    assert store(association, encoded(InstitutionName="elsewhere")).Status == 0xB000
    assert quarantined_reasons(settings) == ["other bytes are already kept under this SOP Instance UID"]


def test_a_ct_image_is_refused_before_it_is_sent(node: Node) -> None:
    ae = AE()
    ae.add_requested_context(CTImageStorage)
    assert not ae.associate("127.0.0.1", node.port).is_established


def test_every_class_and_transfer_syntax_of_echo_machines_is_accepted(node: Node) -> None:
    assert len(STORAGE_CLASSES) == 19
    assert len(TRANSFER_SYNTAXES) == 14
    for sop_class in STORAGE_CLASSES:
        ae = AE()
        for syntax in TRANSFER_SYNTAXES:
            ae.add_requested_context(sop_class, syntax)
        association = ae.associate("127.0.0.1", node.port)
        assert len(association.accepted_contexts) == len(TRANSFER_SYNTAXES)
        association.release()


@pytest.mark.parametrize("retired", RETIRED_ULTRASOUND)
def test_the_retired_ultrasound_classes_are_stored_not_aborted(node: Node, retired: str, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(CLIP)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = retired
    ae = AE()
    ae.add_requested_context(retired, JPEGBaseline8Bit)
    association = ae.associate("127.0.0.1", node.port)
    assert association.send_c_store(dataset).Status == 0x0000
    association.release()


def test_with_the_database_away_reception_goes_on_and_the_registry_catches_up(
    settings: Settings,
) -> None:
    database = Database(settings.database_url)  # no schema yet: every statement fails
    node = Node(settings, database)
    node.start()
    association = associate(node)
    assert association.send_c_store(CLIP).Status == 0x0000
    association.release()
    (ticket,) = (settings.spool_dir / "unregistered").iterdir()
    database.upgrade()
    wait_until(lambda: not ticket.exists(), 20, "the ticket to be registered")
    assert [study.instances for study in studies(database)] == [1]
    node.stop()


def test_what_was_received_before_a_crash_is_registered_by_the_next_start(
    settings: Settings, database: Database
) -> None:
    spool = Spool(settings.spool_dir)
    spool.create()
    (spool.incoming / "whole").write_bytes(CLIP.read_bytes())
    spool.keep(spool.incoming / "whole", read_header(CLIP))
    half = spool.incoming / "half"
    half.write_bytes(CLIP.read_bytes()[:1000])
    long_ago = time.time() - 10 * settings.node.idle_timeout_s
    os.utime(half, (long_ago, long_ago))
    node = Node(settings, database)
    node.start()
    wait_until(lambda: [s.instances for s in studies(database)] == [1], 20, "the instance to be registered")
    assert list(spool.incoming.iterdir()) == []
    node.stop()


def test_stopping_refuses_new_associations_and_lets_running_ones_finish(settings: Settings, database: Database) -> None:
    node = Node(settings, database)
    node.start()
    association, port = associate(node), node.port
    stopping = threading.Thread(target=node.stop)
    stopping.start()

    wait_until(lambda: refuses_associations(port), 20, "the node to refuse")
    assert association.send_c_store(CLIP).Status == 0x0000
    association.release()
    stopping.join(30)
    assert not stopping.is_alive()
    assert [study.instances for study in studies(database)] == [1]


def test_a_port_that_is_taken_is_a_clear_error(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECHOWORKER_NODE__PORT", str(node.port))
    settings = load_settings()
    with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{node.port}"):
        Receiver(settings).start()


def test_nothing_of_the_patient_reaches_the_logs(
    association: Association, database: Database, logs: StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    phi = {"PatientName": "Secretname^Given", "PatientID": "SECRET-ID", "AccessionNumber": "SECRET-ACCESSION"}
    assert store(association, encoded(**phi)).Status == 0x0000
    assert store(association, encoded(**phi, StudyInstanceUID="Secretname^Given")).Status == 0xC000
    wait_until(lambda: studies(database), 20, "the study to be registered")
    logged = logs.getvalue() + "".join(capfd.readouterr())
    assert "instance stored" in logged
    assert "secret" not in logged.lower()
