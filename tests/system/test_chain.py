"""The main job, from outside: DCMTK sends, the whole product works, Orthanc receives."""

import os
import signal
import subprocess
from io import BytesIO
from pathlib import Path

import highdicom
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.uid import CTImageStorage, UltrasoundMultiFrameImageStorage
from pynetdicom import AE
from sqlalchemy import func, select

from config.logs import Event
from config.steps import Step
from db.monitoring.tallies import BEAT, heartbeats
from db.results.runs import Verdict
from db.tables.deliveries import Report
from db.tables.runs import RunRow
from db.tables.studies import Study
from dicom_node.report.checking.check import check_file
from dicom_node.send import send_files
from tests.support.associating import refuses_associations
from tests.support.clips import LARGE, SMALL, as_study_of_its_own, study_of
from tests.support.installation import Installation
from tests.support.servers import Orthanc
from tests.support.tools import require_tool
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.system, pytest.mark.timeout(300)]


def dcmsend(installation: Installation, *files: Path) -> subprocess.CompletedProcess[str]:
    command = [require_tool("dcmsend"), "--call", "ECHOWORKER", "127.0.0.1", str(installation.port)]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    return subprocess.run([*command, *files], capture_output=True, text=True, check=False, env=environment)


def clips_of_two_studies(folder: Path) -> list[Path]:
    """Both real files; fresh UIDs, since in the wild they share theirs, and Orthanc serves several tests."""
    return [as_study_of_its_own(file, folder, PatientName="Doe^Jane") for file in (SMALL, LARGE)]


def test_two_real_files_become_two_reports_in_the_pacs(
    installation: Installation, orthanc: Orthanc, tmp_path: Path
) -> None:
    files = clips_of_two_studies(tmp_path / "outside")
    with installation.up():
        sent = dcmsend(installation, *files)
        assert sent.returncode == 0, sent.stderr
        details = [installation.wait_for(study_of(file), "DELIVERED") for file in files]
    for file, detail in zip(files, details, strict=True):
        spooled = installation.folder / "data" / "spool" / detail.instances[0].spool_path
        assert pydicom.dcmread(spooled).PixelData == pydicom.dcmread(file).PixelData
        assert detail.run is not None
        answered = [result for result in detail.run.results if result.verdict is not Verdict.ABSTAINED]
        assert {result.verdict for result in answered} == {Verdict.MEASURED, Verdict.UNCALIBRATED}
        (content,) = orthanc.reports_of(study_of(file))
        report = tmp_path / "received.dcm"
        report.write_bytes(content)
        assert_valid(report, source=file)
        ejection = highdicom.sr.srread(BytesIO(content)).content.get_image_measurement_groups()[0].get_measurements()[0]
        lvef = next(result for result in detail.run.results if result.task_id == "lvef")
        assert ejection.value == pytest.approx(lvef.value, abs=0.051)
    shown = installation.command("study", study_of(files[0]))
    assert shown.returncode == 0
    for word in ("DELIVERED", "Left ventricular ejection fraction", "UNTRAINED", "0x0000", "score"):
        assert word in shown.stdout
    assert_can_be_followed(installation, study_of(files[0]))
    with installation.registry.read() as session:
        assert BEAT in heartbeats(session)
    listed = installation.command("studies", "--state", "delivered")
    assert all(study_of(file) in listed.stdout for file in files)


def assert_can_be_followed(installation: Installation, study_instance_uid: str) -> None:
    """Through the logs of all processes, by one field; and nothing about an object lacks it."""
    events = installation.events()
    of_study = [event for event in events if event.get("study_instance_uid") == study_instance_uid]
    way = [(event["event"], event.get("step", event.get("destination"))) for event in of_study]
    steps = [
        (said, step) for step in ("prepare", "score", "report") for said in (Event.STEP_STARTED, Event.STEP_FINISHED)
    ]
    expected = [(Event.INSTANCE_STORED, None), (Event.STUDY_READY, None), *steps, (Event.OBJECT_SENT, "pacs")]
    # Where the machine is slow, a lease is lost, and its step begins once more.
    assert [each for each in dict.fromkeys(way) if each in expected] == expected
    assert len({event["process"] for event in of_study}) >= 4
    about_an_object = [event for event in events if {"sop_instance_uid", "study_id"} & event.keys()]
    assert [event for event in about_an_object if not event.get("study_instance_uid")] == []


def assert_valid(report: Path, *, source: Path) -> None:
    for command in (["dciodvfy", "-new", report], ["dcentvfy", source, report]):
        run = subprocess.run([require_tool(command[0]), *command[1:]], capture_output=True, text=True, check=False)
        assert "Error" not in run.stdout + run.stderr, run.stderr
    dump = subprocess.run([require_tool("dsrdump"), report], capture_output=True, text=True, check=False)
    assert dump.returncode == 0, dump.stderr
    assert "error" not in dump.stderr.lower(), dump.stderr
    assert check_file(report).findings == ()


def test_a_worker_killed_while_it_scores_costs_nothing_and_doubles_nothing(
    installation: Installation, orthanc: Orthanc, tmp_path: Path
) -> None:
    file = as_study_of_its_own(LARGE, tmp_path / "outside", PatientName="Doe^Jane")
    with installation.up():
        assert dcmsend(installation, file).returncode == 0
        killed = wait_until(lambda: _kill_scoring_worker(installation, study_of(file)), 60, "the score step to begin")
        detail = installation.wait_for(study_of(file), "DELIVERED")
    scored = [entry for entry in detail.journal if entry.step == Step.SCORE and entry.state_after == "SCORED"]
    assert [entry.attempt for entry in scored] == [2], f"worker {killed} was killed in the first attempt"
    with installation.registry.read() as session:
        study_id = session.scalars(select(Study.id).where(Study.study_instance_uid == study_of(file))).one()
        assert session.scalar(select(func.count(RunRow.id)).where(RunRow.study_id == study_id)) == 1
        assert session.scalar(select(func.count(Report.id)).where(Report.study_id == study_id)) == 1
    assert len(orthanc.reports_of(study_of(file))) == 1


def _kill_scoring_worker(installation: Installation, study_instance_uid: str) -> int | None:
    with installation.registry.read() as session:
        study = session.scalar(select(Study).where(Study.study_instance_uid == study_instance_uid))
        if study is None or study.state != "PREPARED" or study.lease_owner is None:
            return None
        worker = int(study.lease_owner.rpartition(":")[2])
    os.kill(worker, signal.SIGKILL)
    return worker


def test_bad_input_is_answered_and_kept_and_delays_nothing_else(embedded: Installation, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    good = as_study_of_its_own(SMALL, outside)
    still = as_study_of_its_own(Path(str(get_testdata_file("examples_palette.dcm", download=False))), outside)
    letter = outside / "letter.dcm"
    letter.write_text("Dear colleague, this is not DICOM.")
    with embedded.up():
        # A letter: our own sender says so and sends nothing; DCMTK's too.
        refused = embedded.command("send", letter)
        assert refused.returncode == 1
        assert refused.stderr.strip() == "error: letter.dcm: not a readable DICOM data set (InvalidDicomError)"
        assert dcmsend(embedded, letter).returncode != 0
        # A CT image: no presentation context for it.
        ct = Path(str(get_testdata_file("CT_small.dcm", download=False)))
        assert embedded.command("send", ct).returncode == 1
        assert "No acceptable Presentation Contexts" in dcmsend(embedded, ct).stderr
        # A truncated file, and a study UID that would leave the spool: stored nowhere, kept in quarantine.
        cut = outside / "cut.dcm"
        cut.write_bytes(as_study_of_its_own(LARGE, outside).read_bytes()[:-3_000_000])
        escape = as_study_of_its_own(SMALL, outside, StudyInstanceUID="../../escape")
        for file in (cut, escape):
            (answer,) = send_files([file], embedded.node)
            assert answer.status == 0xC000, file
        # An association that sends nothing, and a study without a clip.
        ae = AE()
        ae.add_requested_context(UltrasoundMultiFrameImageStorage)
        ae.associate("127.0.0.1", embedded.port).release()
        assert dcmsend(embedded, still).returncode == 0
        # None of it held up the good one.
        assert dcmsend(embedded, good).returncode == 0
        assert embedded.wait_for(study_of(good), "DELIVERED").study.attempts == 0
        assert embedded.wait_for(study_of(still), "SKIPPED").study.reason == "no usable clip: 1 × a still image"  # noqa: RUF001
    spool = embedded.folder / "data" / "spool"
    assert len(list((spool / "quarantine").rglob("*.dcm"))) == 2
    assert {path.name for path in (spool / "studies").iterdir()} == {study_of(good), study_of(still)}
    assert list((spool / "incoming").iterdir()) == []
    assert not list(embedded.folder.rglob("escape*"))
    assert CTImageStorage not in embedded.log.read_text()


def test_sigterm_lets_running_associations_finish_and_loses_nothing(embedded: Installation, tmp_path: Path) -> None:
    first = as_study_of_its_own(SMALL, tmp_path / "outside")
    second = as_study_of_its_own(LARGE, tmp_path / "outside", StudyInstanceUID=study_of(first))
    ae = AE()
    for file in (first, second):
        ae.add_requested_context(UltrasoundMultiFrameImageStorage, pydicom.dcmread(file).file_meta.TransferSyntaxUID)
    with embedded.up() as process:
        association = ae.associate("127.0.0.1", embedded.port)
        assert association.send_c_store(first).Status == 0x0000
        process.terminate()
        wait_until(lambda: refuses_associations(embedded.port), 20, "new ones to be refused")
        assert association.send_c_store(second).Status == 0x0000
        association.release()
        assert process.wait(60) == 0
    with embedded.up():
        detail = embedded.wait_for(study_of(first), "DELIVERED")
    assert len(detail.instances) == 2
    assert detail.study.revision == 1
