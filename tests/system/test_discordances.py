"""A report that contradicts its images, through real processes: it is in SQL and in our report, and quoted nowhere."""

import base64
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from sqlalchemy import RowMapping, text

from db.consistency.discordances import MODEL
from db.consistency.received_reports import ReceivedSummary, list_received
from tests.support.dcmtk import SUCCESS, dcmsend
from tests.support.incoming_reports import ACCESSION, NAME, PATIENT_ID, SECRETS, oru, send_message, takes_connections
from tests.support.installation import Installation
from tests.support.servers import Orthanc, Redis, free_port
from tests.support.tools import require_tool
from tests.support.waiting import wait_until
from worker.consistency.comparing.rules import load_rules
from worker.phantom.heart import sample_heart
from worker.phantom.study import make_study
from worker.phantom.styles import TRAINING_STYLES

pytestmark = [pytest.mark.long, pytest.mark.system, pytest.mark.timeout(300)]

SEED, EJECTION_FRACTION = 8_230_000, 62.0
TEXT = "Seen by Dr Jane Q. Unspeakable. The left ventricle contracts badly: its ejection fraction is 15 %."
QUOTED = ("Unspeakable", "contracts badly", "ejection fraction is")
ROWS = "SELECT * FROM v_discordances WHERE study_instance_uid = :uid AND is_open"


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def installation(
    tmp_path: Path, orthanc: Orthanc, redis_server: Redis, port: int, monkeypatch: pytest.MonkeyPatch
) -> Installation:
    """With the DEMO model, which knows a synthetic heart when it sees one, and a broker that can be listened to."""
    monkeypatch.delenv("ECHOWORKER_MODEL__PACK")
    made = Installation(tmp_path, orthanc, broker_url=redis_server.url(5))
    site = made.site.read_text().replace('accept_models = ["UNTRAINED"]', 'accept_models = ["DEMO"]')
    made.site.write_text(f"{site}[consistency]\nport = {port}\n")
    return made


def test_a_report_that_contradicts_images_and_machine_is_in_sql_and_in_our_report_and_quoted_nowhere(
    installation: Installation, orthanc: Orthanc, redis_server: Redis, port: int, tmp_path: Path
) -> None:
    uid, machines, files = images_and_measurements(tmp_path / "outside")

    def received() -> list[ReceivedSummary]:
        with installation.registry.read() as session:
            return list_received(session)

    def told() -> list[str]:
        """What our reports in the PACS say, once one tells of the text."""
        said = [each for content in orthanc.reports_of(uid) for each in texts_of(pydicom.dcmread(BytesIO(content)))]
        found = [each for each in said if "Discordance (" in each]
        return found if any("text report" in each for each in found) else []

    with listening_to(redis_server, tmp_path / "broker.txt"), installation.up():
        wait_until(lambda: takes_connections(port), 60, "the listener")
        assert send_message(oru(TEXT, accession=ACCESSION, patient=PATIENT_ID), port) == "AA"
        wait_until(received, 60, f"the report to be registered; see {installation.log}")
        sent = dcmsend(installation.port, *files, options=["--call", "ECHOWORKER"])
        assert sent.answers == [SUCCESS] * len(files), sent.said
        sentences = wait_until(told, 120, f"a report of ours that tells of it; see {installation.log}")
        installation.wait_for(uid, "DELIVERED")
        (report,) = received()
        with installation.registry.read() as session:
            rows = session.execute(text(ROWS), {"uid": uid}).mappings().all()

    assert (report.study_instance_uid, report.matched_by) == (uid, "accession number")
    by_rule = {str(row["rule"]): row for row in rows}
    assert_text_against_images(by_rule["lvef-differs"], report.report_id)
    assert_text_against_machine(by_rule["lvef-reported-differently"], report.report_id, machines)
    for row in rows:
        assert row["rules_version"] == load_rules().version
        (_,) = {said for said in sentences if tells(said, row)}
    assert_quoted_nowhere(
        installation.log.read_text(), messages_in(tmp_path / "broker.txt"), " ".join(str(dict(row)) for row in rows)
    )


def images_and_measurements(folder: Path) -> tuple[str, str, list[Path]]:
    """Images of a healthy heart and its machine's report, of the patient that the HL7 messages of tests are about.

    Returns the Study Instance UID, the SOP Instance UID of the machine's report, and all files.
    """
    heart = sample_heart(np.random.default_rng(SEED), ejection_fraction=EJECTION_FRACTION, devices=())
    truth = make_study(folder, seed=SEED, clips=1, heart=heart, style=TRAINING_STYLES[0], number_of_frames=32)
    (folder / "text_report.dcm").unlink()  # the reader's comes by HL7
    files = sorted(folder.glob("*.dcm"))
    for file in files:
        instance = pydicom.dcmread(file)
        instance.PatientName, instance.PatientID, instance.PatientBirthDate = NAME, PATIENT_ID, "19500101"
        instance.AccessionNumber = ACCESSION
        instance.save_as(file)
    machines = next(each.sop_instance_uid for each in truth.instances if each.kind == "vendor_report")
    return truth.study_instance_uid, machines, files


def assert_text_against_images(row: RowMapping, report_id: str) -> None:
    assert row["severity"] == "MAJOR"
    assert (row["first_kind"], row["first_source"], row["first_said"]) == ("text-report", report_id, "15 %")
    assert (row["second_kind"], row["second_source"], row["model_label"]) == ("images", MODEL, "DEMO")
    assert percent(row["second_said"]) == pytest.approx(EJECTION_FRACTION, abs=20)


def assert_text_against_machine(row: RowMapping, report_id: str, machines: str) -> None:
    assert row["severity"] == "MAJOR"
    said = {row[f"{side}_source"]: (row[f"{side}_kind"], percent(row[f"{side}_said"])) for side in ("first", "second")}
    assert said == {
        report_id: ("text-report", 15),
        machines: ("measurement-report", pytest.approx(EJECTION_FRACTION, abs=1)),
    }


def tells(sentence: str, row: RowMapping) -> bool:
    """Whether a sentence of ours has both sides of a row, its rule and its version."""
    names = {"text-report": "text report", "measurement-report": "the machine's measurements", "images": "images"}
    sides = [f"{names[row[f'{side}_kind']]} {row[f'{side}_said']}" for side in ("first", "second")]
    rule = f"rule {row['rule']}, version {row['rules_version']}"
    return all(f" {part}" in sentence for part in (*sides, rule))


def percent(said: str) -> float:
    number, unit = said.split()
    assert unit == "%"
    return float(number)


def texts_of(item: Dataset) -> Iterator[str]:
    """All texts of a Structured Report."""
    for each in item.get("ContentSequence", ()):
        if each.ValueType == "TEXT":
            yield str(each.TextValue)
        yield from texts_of(each)


@contextmanager
def listening_to(broker: Redis, heard: Path) -> Iterator[None]:
    """With everything that anybody says to the broker written down."""
    with heard.open("wb") as output:
        command = [require_tool("redis-cli"), "-p", str(broker.port), "monitor"]
        listener = subprocess.Popen(command, stdout=output)
        try:
            wait_until(lambda: heard.read_bytes().startswith(b"OK"), 20, "the broker to be listened to")
            yield
        finally:
            listener.terminate()
            listener.wait(20)


def messages_in(heard: Path) -> str:
    """What was said to the broker, and the bodies of its messages as their receivers read them."""
    said = heard.read_text()
    bodies = [base64.b64decode(body).decode() for body in re.findall(r'\\"body\\": \\"([\w+/=]+)\\"', said)]
    assert any(re.match(r"\[\[\d+\], ", body) for body in bodies), "none with the number of a study"
    return "\n".join([said, *bodies])


def assert_quoted_nowhere(log: str, messages: str, rows: str) -> None:
    assert "reports of a study and its images do not agree" in log
    assert "echoworker.score" in messages
    for name, written in (("log", log), ("messages", messages), ("rows", rows)):
        assert [secret for secret in (*SECRETS, *QUOTED) if secret in written] == [], name
