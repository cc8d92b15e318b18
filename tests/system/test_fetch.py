"""`echoworker fetch`, from outside: Orthanc as the archive, the whole product as the node that it sends to."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_node.send import send_files
from tests.support.archives import OUR_AE_TITLE, MadeStudy, made_study
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.installation import ECHOWORKER, Installation
from tests.support.servers import Orthanc
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.system, pytest.mark.timeout(300)]

ARCHIVE = """\
[[peers]]
roles = ["archive"]
name = "archive"
host = "127.0.0.1"
port = {port}
ae_title = "{ae_title}"
retrieve = "{retrieve}"
"""
PATIENT = {"PatientID": "SECRET-ID", "PatientName": "Secretname^Given"}


def with_archive(installation: Installation, orthanc: Orthanc, retrieve: str) -> Installation:
    entry = ARCHIVE.format(port=orthanc.port, ae_title=orthanc.ae_title, retrieve=retrieve)
    installation.site.write_text(installation.site.read_text() + entry)
    orthanc.know(OUR_AE_TITLE, installation.port)
    return installation


@pytest.fixture(params=["move", "get"])
def fetching(request: pytest.FixtureRequest, embedded: Installation, orthanc: Orthanc) -> Installation:
    return with_archive(embedded, orthanc, request.param)


@pytest.fixture
def moving(embedded: Installation, orthanc: Orthanc) -> Installation:
    return with_archive(embedded, orthanc, "move")


@pytest.fixture
def month(orthanc: Orthanc, tmp_path: Path) -> Iterator[list[MadeStudy]]:
    """Three echo studies and a CT of one month, in which the archive has nothing else."""
    days = ("20180501", "20180515", "20180531")
    studies = [made_study(tmp_path / "outside", StudyDate=day, **PATIENT) for day in days]
    ct = made_study(tmp_path / "outside", StudyDate="20180510", Modality="CT", **PATIENT)
    outside = made_study(tmp_path / "outside", StudyDate="20180601", **PATIENT)
    made = (*studies, ct, outside)
    orthanc.keep(*(file for study in made for file in study.files))
    yield studies
    for study in made:
        orthanc.forget(study.uid)


MONTH = ("--since", "2018-05-01", "--until", "2018-05-31")


def instances_of(installation: Installation, study: MadeStudy) -> set[str]:
    detail = installation.detail(study.uid)
    return {instance.sop_instance_uid for instance in detail.instances} if detail else set()


def test_a_back_fill_goes_on_where_it_was_stopped(fetching: Installation, month: list[MadeStudy]) -> None:
    with fetching.up():
        listed = fetching.command("fetch", *MONTH, "--dry-run")
        assert listed.returncode == 0, listed.stderr
        assert [study.uid in listed.stdout for study in month] == [True] * 3
        assert fetching.detail(month[0].uid) is None
        first = fetching.command("fetch", "--from", "archive", *MONTH, "--at-most", "1")
        assert first.returncode == 0, first.stderr
        assert first.stdout.splitlines()[-1] == "1 fetched"
        wait_until(lambda: instances_of(fetching, month[0]) == month[0].instance_uids, 20, "it to be registered")
        rest = fetching.command("fetch", *MONTH, "--pause", "0.1")
        assert rest.returncode == 0, rest.stderr
        assert rest.stdout.splitlines()[-1] == "1 already here, 2 fetched"
        for study in month:
            wait_until(lambda study=study: instances_of(fetching, study) == study.instance_uids, 20, "registration")
        again = fetching.command("fetch", *MONTH)
        assert again.stdout.splitlines()[-1] == "3 already here"
    for run in (listed, first, rest, again):
        assert "SECRET" not in (run.stdout + run.stderr).upper()
    assert "SECRET" not in fetching.log.read_text().upper()


def test_a_fetched_study_is_scored_and_its_priors_are_found(
    moving: Installation, orthanc: Orthanc, tmp_path: Path
) -> None:
    patient = {"PatientID": f"P{tmp_path.name}"[:60], "AccessionNumber": "SECRET-ACC"}
    clip = as_study_of_its_own(SMALL, tmp_path / "outside", StudyDate="20260503", **patient)
    prior = made_study(tmp_path / "outside", StudyDate="20240503", **patient)
    later = made_study(tmp_path / "outside", StudyDate="20260601", **patient)
    orthanc.keep(clip, *prior.files, *later.files)
    with moving.up():
        fetched = moving.command("fetch", "--accession", "SECRET-ACC", "--at-most", "1", "--dry-run")
        assert fetched.returncode == 0, fetched.stderr
        uid = _study_of(clip)
        assert moving.command("fetch", "--study", uid).returncode == 0
        assert moving.wait_for(uid, "DELIVERED").run is not None
        priors = moving.command("fetch", "--priors-of", uid)
        assert priors.returncode == 0, priors.stderr
        assert prior.uid in priors.stdout
        assert later.uid not in priors.stdout
        assert instances_of(moving, prior) == prior.instance_uids


def _study_of(file: Path) -> str:
    import pydicom  # noqa: PLC0415

    return str(pydicom.dcmread(file, specific_tags=["StudyInstanceUID"]).StudyInstanceUID)


def test_what_cannot_be_fetched_is_one_line_and_a_status(moving: Installation, month: list[MadeStudy]) -> None:
    assert moving.command("db", "upgrade").returncode == 0
    failed = moving.command("fetch", *MONTH)  # our node does not run
    assert failed.returncode == 1
    assert failed.stdout.count("does it know ECHOWORKER") == 3
    assert failed.stdout.splitlines()[-1] == "3 failed"
    assert failed.stderr.splitlines()[-1] == "error: 3 of 3 studies were not fetched: the same command tries them again"
    for arguments, said in (
        ((), "give one of --study"),
        (("--study", "1.2.3", *MONTH), "give one of --study"),
        (("--study", "1.2.3"), "has no such study"),
        (("--priors-of", "1.2.3"), "study 1.2.3 is not in the registry"),
        (("--patient", "SECRET*"), "would match others"),
        (("--until", "2018-05-31", "--study", "1.2.3"), "--until goes with --since"),
        (("--from", "nobody", *MONTH), "--from nobody: no such archive; there are archive"),
        ((*MONTH, "--between", "22-6"), "22-6: give a time of day"),
    ):
        run = moving.command("fetch", *arguments)
        assert run.returncode == 1
        assert run.stderr.startswith("error: ")
        assert said in run.stderr
        assert "SECRET" not in run.stderr


def test_outside_of_its_window_it_waits_and_stops_when_asked(moving: Installation, month: list[MadeStudy]) -> None:
    from datetime import datetime, timedelta  # noqa: PLC0415

    now = datetime.now().astimezone()
    window = f"{now + timedelta(hours=2):%H:%M}-{now + timedelta(hours=3):%H:%M}"
    assert moving.command("db", "upgrade").returncode == 0
    command = [ECHOWORKER, "--config", str(moving.site), "fetch", *MONTH, "--between", window]
    output = moving.folder / "fetch.out"
    with output.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=moving.folder)
        wait_until(lambda: f"waiting for {window[:5]}" in output.read_text(), 30, "it to say that it waits")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 1
    assert output.read_text().splitlines()[-1] == "error: stopped before the end: the same command goes on from here"
    assert moving.detail(month[0].uid) is None


def test_a_partly_received_study_is_completed(moving: Installation, month: list[MadeStudy]) -> None:
    study = month[0]
    with moving.up():
        (sent,) = send_files([study.files[0]], moving.node)
        assert sent.accepted
        wait_until(lambda: len(instances_of(moving, study)) == 1, 20, "the first to be registered")
        assert moving.command("fetch", "--study", study.uid).returncode == 0
        wait_until(lambda: instances_of(moving, study) == study.instance_uids, 20, "the rest to be registered")
