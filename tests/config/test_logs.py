import json
import logging

import pytest

from config.logs import Event, configure_logs, emit, place_of


def test_a_field_that_is_not_on_the_list_is_refused() -> None:
    with pytest.raises(TypeError, match="patient_name"):
        emit(Event.INSTANCE_STORED, patient_name="Doe^Jane")  # type: ignore[call-arg]


def test_an_event_is_one_line_of_json_with_its_process(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logs(process="node")
    emit(Event.STUDY_READY, study_instance_uid="1.2.3")
    line = json.loads(capfd.readouterr().err)
    assert (line["event"], line["process"], line["study_instance_uid"]) == ("study quiet, ready", "node", "1.2.3")


@pytest.mark.parametrize(("event", "level"), [(Event.STUDY_READY, "info"), (Event.STEP_FAILED, "warning")])
def test_an_event_carries_its_level(capfd: pytest.CaptureFixture[str], event: Event, level: str) -> None:
    configure_logs(process="node")
    emit(event)
    assert json.loads(capfd.readouterr().err)["level"] == level


def test_an_unexpected_error_is_described_without_its_text() -> None:
    try:
        int("Doe^Jane")
    except ValueError as error:
        said = place_of(error)
    assert "ValueError" in said
    assert "Doe" not in said


@pytest.mark.parametrize("library", ["pydicom", "celery.app.trace", "uvicorn.error"])
def test_what_a_library_says_of_an_error_is_not_logged(capfd: pytest.CaptureFixture[str], library: str) -> None:
    configure_logs(process="dashboard")
    try:
        int("Doe^Jane")
    except ValueError:
        logging.getLogger(library).exception("Exception in ASGI application")
    assert capfd.readouterr().err == ""
