"""Storage commitment with Orthanc, both ways: it asks our node, and it is asked for our reports."""

import json
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UltrasoundMultiFrameImageStorage, generate_uid

from dicom_node.send import send_files
from tests.support.archives import OUR_AE_TITLE, made_study
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.installation import Installation
from tests.support.servers import Orthanc
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.system, pytest.mark.timeout(300)]

SENDER = """\
[[peers]]
roles = ["sender"]
name = "orthanc"
host = "127.0.0.1"
port = {port}
ae_title = "{ae_title}"
"""
US = str(UltrasoundMultiFrameImageStorage)


@pytest.fixture
def committing(installation: Installation, orthanc: Orthanc) -> Installation:
    """Orthanc sends to us, takes our reports, and is to commit to keeping them."""
    site = installation.site.read_text().replace("[[peers]]", "[[peers]]\nstorage_commitment = true", 1)
    sender = SENDER.format(port=orthanc.port, ae_title=orthanc.ae_title)
    installation.site.write_text(site + sender)
    orthanc.know(OUR_AE_TITLE, installation.port)
    return installation


def test_orthanc_asks_us_and_is_told_what_we_keep(committing: Installation, orthanc: Orthanc, tmp_path: Path) -> None:
    patient = {"PatientName": "Secretname^Given", "PatientID": "SECRET-ID"}
    study = made_study(tmp_path / "outside", instances=3, **patient)
    orthanc.keep(*study.files)
    with committing.up():
        for sent in study.files[:2]:
            (answer,) = send_files([sent], committing.node)
            assert answer.accepted
        kept = [(US, file.stem) for file in study.files[:2]]
        assert committed(orthanc, kept) == ("Success", set())
        lost = (US, study.files[2].stem)
        assert committed(orthanc, [*kept, lost]) == ("Failure", {lost[1]})
        assert committed(orthanc, [(US, generate_uid())])[0] == "Failure"
    assert "secret" not in committing.log.read_text().lower()


def committed(orthanc: Orthanc, references: list[tuple[str, str]]) -> tuple[str, set[str]]:
    """What Orthanc has heard of our node: its word, and the instances that we do not keep."""
    transaction = orthanc.ask_commitment(OUR_AE_TITLE, references)

    def heard() -> dict[str, object] | None:
        said = orthanc.commitment(transaction)
        return said if said["Status"] != "Pending" else None

    said = wait_until(heard, 60, "Orthanc to hear of the commitment")
    assert said["RemoteAET"] == OUR_AE_TITLE
    failures = json.loads(json.dumps(said.get("Failures", [])))
    return str(said["Status"]), {failure["SOPInstanceUID"] for failure in failures}


def test_orthanc_commits_to_our_report(committing: Installation, orthanc: Orthanc, tmp_path: Path) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path / "outside")
    with committing.up():
        (answer,) = send_files([clip], committing.node)
        assert answer.accepted
        study = str(pydicom.dcmread(clip, specific_tags=["StudyInstanceUID"]).StudyInstanceUID)
        detail = committing.wait_for(study, "DELIVERED")
        shown = committing.command("study", study)
    assert detail.report is not None
    assert [(d.state, d.last_answer) for d in detail.report.deliveries] == [("DELIVERED", "storage committed")]
    assert "storage commitment of a destination received" in committing.log.read_text()
    assert len(orthanc.instance_files(detail.report.sop_instance_uid)) == 1
    assert "storage committed" in shown.stdout
