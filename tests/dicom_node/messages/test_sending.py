"""One receiver's kind and way, as its settings say."""

from pathlib import Path

import pytest

from config.catalogue import load_catalogue
from config.errors import ConfigurationError
from config.sections.messages import MessageSettings
from config.settings import load_settings
from db.results.runs import TaskResult, Verdict
from dicom_node.messages.sending import send_result
from tests.dicom_node.messages.conftest import Ends
from tests.dicom_node.messages.readers import segments
from tests.support.message_servers import HTTPAnswer, acknowledge, fhir_server, mllp_server
from tests.support.results import report_of, run_of

CATALOGUE = load_catalogue()
RUN = run_of(CATALOGUE, (TaskResult(task_id="lvef", verdict=Verdict.ABSTAINED, reason="no usable clip"),))
REPORT = report_of(RUN, CATALOGUE, PatientID="4711")


def sent(**settings: object) -> str:
    receiver = MessageSettings.model_validate({"name": "there", **settings})
    return send_result(receiver, load_settings().tls, RUN, CATALOGUE, REPORT)


def test_a_token_is_shown_as_it_is_at_the_moment(tmp_path: Path, tls: Ends) -> None:
    token = tmp_path / "token"
    with fhir_server([HTTPAnswer()], tls=tls.listening) as server:
        for said in ("one\n", "two"):
            token.write_text(said)
            receiver = {"kind": "fhir", "url": f"https://127.0.0.1:{server.port}", "bearer_token_file": str(token)}
            assert sent(**receiver, trusted=str(tls.trusted)) == "HTTP 200"
        token.write_text("two\nlines")
        with pytest.raises(ConfigurationError, match="no token in one line"):
            sent(**receiver, trusted=str(tls.trusted))
    assert [headers["Authorization"] for headers in server.headers] == ["Bearer one", "Bearer two"]


def test_a_message_names_sender_receiver_and_who_gave_out_the_number_as_configured(tls: Ends) -> None:
    names = {
        "sending_facility": "HOSPITAL^1.2.3^ISO",
        "receiving_application": "RIS",
        "receiving_facility": "WARD & CO",
    }
    with mllp_server([acknowledge("AA")], tls=tls.listening) as server:
        url = f"mllps://127.0.0.1:{server.port}"
        assert sent(kind="hl7", url=url, trusted=str(tls.trusted), assigning_authority="HOSPITAL", **names) == "AA"
    header, _, patient, *_ = segments(server.messages[0])
    assert header[4:7] == ["HOSPITAL^1.2.3^ISO", "RIS", "WARD \\T\\ CO"]
    assert patient[3] == "4711^^^HOSPITAL^PI"


def test_a_file_is_named_by_study_revision_and_run(tmp_path: Path) -> None:
    for kind in ("fhir", "hl7"):
        assert sent(kind=kind, folder=str(tmp_path)) == "written"
        assert sent(kind=kind, folder=str(tmp_path)) == "already there"
    stem = f"{RUN.study_instance_uid}_1_{RUN.run_uid}"
    assert {path.name for path in tmp_path.iterdir()} == {f"{stem}.json", f"{stem}.hl7"}
