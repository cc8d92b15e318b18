"""Results as messages: each receiver gets them until it has taken them, and for itself."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom import dcmread

from config.languages import Language
from config.logs import configure_logs
from config.settings import load_settings
from config.steps import Step
from db.lifecycle.studies import requeue
from db.reading.queries import StudyDetail
from dicom_node.report.words import words_of
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.message_servers import HTTPAnswer, acknowledge, fhir_server, mllp_server
from tests.support.servers import StoreSCP
from tests.worker.pipeline import TO_REPORT, Pipeline, ready

NAME, NUMBER, ACCESSION = "Zwiebelfisch^Zara", "PHI-4711", "PHI-ORDER"
FHIR = """
[[messages]]
name = "chart"
kind = "fhir"
url = "http://127.0.0.1:{port}/fhir"
accept_models = ["UNTRAINED"]
"""
HL7 = """
[[messages]]
name = "ris"
kind = "hl7"
url = "mllp://127.0.0.1:{port}"
accept_models = ["UNTRAINED"]
"""
FOLDER = """
[[messages]]
name = "{kind} files"
kind = "{kind}"
folder = "{folder}"
accept_models = ["{label}"]
"""
PACS = """
[[peers]]
name = "pacs"
roles = ["destination"]
host = "127.0.0.1"
port = {port}
ae_title = "STORESCP"
accept_models = ["UNTRAINED"]
objects = ["sr"]
"""


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    folder = tmp_path / "outbox"
    folder.mkdir()
    return folder


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return as_study_of_its_own(SMALL, tmp_path / "clips", PatientName=NAME, PatientID=NUMBER, AccessionNumber=ACCESSION)


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logs(process="test", stream=stream)
    yield stream
    configure_logs(process="test")


def pipeline_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *receivers: str) -> Pipeline:
    site = tmp_path / "site.toml"
    site.write_text("".join(receivers))
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    monkeypatch.setenv("ECHOWORKER_PIPELINE__RETRY_AFTER_S", "0.001")
    return Pipeline.create(load_settings(data_dir=tmp_path / "data"))


def states(detail: StudyDetail) -> dict[str, str]:
    assert detail.report is not None
    return {delivery.destination: delivery.state for delivery in detail.report.deliveries}


def files(outbox: Path) -> dict[str, bytes]:
    return {path.suffix: path.read_bytes() for path in outbox.iterdir()}


def test_each_receiver_is_sent_the_same_message_until_it_has_taken_it_and_not_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: Path, outbox: Path, logged: io.StringIO
) -> None:
    no_answer_twice = [HTTPAnswer(500, b"Zwiebelfisch is unknown"), HTTPAnswer(raw=b"Zwiebelfisch"), HTTPAnswer()]
    refused_twice = [acknowledge("AE", text="Zwiebelfisch"), lambda _: None, lambda _: b"?\x1c\r", acknowledge("AA")]
    with fhir_server(no_answer_twice) as chart, mllp_server(refused_twice) as ris:
        pipeline = pipeline_with(
            tmp_path,
            monkeypatch,
            FHIR.format(port=chart.port),
            HL7.format(port=ris.port),
            *(FOLDER.format(kind=kind, folder=outbox, label="UNTRAINED") for kind in ("fhir", "hl7")),
        )
        study = ready(pipeline, clip)
        pipeline.run(study, TO_REPORT)
        seen = [states(pipeline.run(study, [Step.DELIVER])) for _ in range(4)]
        detail = pipeline.run(study, [Step.DELIVER])
    assert [of_attempt["fhir files"] for of_attempt in seen] == ["DELIVERED"] * 4
    assert [of_attempt["chart"] for of_attempt in seen] == ["DUE", "DUE", "DELIVERED", "DELIVERED"]
    assert [of_attempt["ris"] for of_attempt in seen] == ["DUE", "DUE", "DUE", "DELIVERED"]
    assert detail.study.state == "DELIVERED"
    written = files(outbox)
    assert chart.messages == [written[".json"]] * 3
    assert ris.messages == [written[".hl7"]] * 4
    said = logged.getvalue() + json.dumps([str(entry.reason) for entry in detail.journal])
    assert "ris" in said
    assert not [secret for secret in ("Zwiebelfisch", "Zara", "PHI") if secret in said]


def test_a_message_is_on_the_patient_and_the_report_that_the_pacs_has_and_in_its_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: Path, outbox: Path, storescp: StoreSCP
) -> None:
    monkeypatch.setenv("ECHOWORKER_REPORT__LANGUAGE", "de")
    receivers = (FOLDER.format(kind=kind, folder=outbox, label="UNTRAINED") for kind in ("fhir", "hl7"))
    pipeline = pipeline_with(tmp_path, monkeypatch, PACS.format(port=storescp.port), *receivers)
    study = ready(pipeline, clip)
    assert pipeline.run(study).study.state == "DELIVERED"
    (file,) = storescp.folder.iterdir()
    report, written = dcmread(file), files(outbox)
    assert {path.name.partition("_")[0] for path in outbox.iterdir()} == {study}
    for content in written.values():
        text = content.decode()
        assert all(value in text for value in (str(report.SOPInstanceUID), study, NUMBER, ACCESSION))
        assert words_of(Language.GERMAN).say("limits.UNTRAINED") in text


def test_a_receiver_that_does_not_take_results_of_such_a_model_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: Path, outbox: Path
) -> None:
    pipeline = pipeline_with(tmp_path, monkeypatch, FOLDER.format(kind="hl7", folder=outbox, label="RESEARCH"))
    detail = pipeline.run(ready(pipeline, clip))
    assert (detail.study.state, states(detail)) == ("REPORTED", {})
    assert "no destination accepts results of UNTRAINED models" in str(detail.reason)
    assert list(outbox.iterdir()) == []


def test_what_a_receiver_of_messages_has_is_no_predecessor_for_a_pacs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: Path, outbox: Path, storescp: StoreSCP
) -> None:
    """The PACS would be told that a report supersedes one that it never had."""
    to_folder = FOLDER.format(kind="fhir", folder=outbox, label="UNTRAINED")
    pipeline = pipeline_with(tmp_path, monkeypatch, to_folder)
    study = ready(pipeline, clip)
    assert pipeline.run(study).study.state == "DELIVERED"
    with_pacs = pipeline_with(tmp_path, monkeypatch, to_folder, PACS.format(port=storescp.port))
    for _ in range(2):
        with with_pacs.context.database.write() as session:
            requeue(session, study, now=datetime.now(UTC), step=Step.PREPARE)
        assert with_pacs.run(study).study.state == "DELIVERED"
    reports = sorted(
        (dcmread(file) for file in storescp.folder.iterdir()), key=lambda report: report.InstanceCreationTime
    )
    assert ["PredecessorDocumentsSequence" in report for report in reports] == [False, True]
    assert len(list(outbox.iterdir())) == 3


def test_a_study_on_nobody_is_told_to_nobody_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outbox: Path, storescp: StoreSCP
) -> None:
    nameless = as_study_of_its_own(SMALL, tmp_path / "clips", PatientID="")
    to_folder = FOLDER.format(kind="fhir", folder=outbox, label="UNTRAINED")
    pipeline = pipeline_with(tmp_path, monkeypatch, PACS.format(port=storescp.port), to_folder)
    detail = pipeline.run(ready(pipeline, nameless))
    assert states(detail) == {"pacs": "DELIVERED", "fhir files": "DEAD"}
    assert detail.study.state == "FAILED"
    assert "has no Patient ID" in str(detail.reason)
    assert list(outbox.iterdir()) == []
