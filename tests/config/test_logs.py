import json
import logging
import subprocess
import sys

import pytest

from config.library_logs import LibraryLines
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


AWAY = """
import logging
from config.logs import configure_logs
configure_logs(process="beat")
for name in ("celery.beat", "celery.worker.consumer"):
    for _ in range(50):
        try:
            raise ConnectionError("refused")
        except ConnectionError as error:
            logging.getLogger(name).error("cannot connect: %s\\nmore of it", error, exc_info=True)
"""


def test_a_broker_that_is_away_is_a_line_of_json_of_each_library_and_no_heap_of_tracebacks() -> None:
    run = subprocess.run([sys.executable, "-c", AWAY], capture_output=True, text=True, check=True)
    told = [json.loads(line) for line in run.stderr.splitlines()]
    assert [(line["library"], line["said"]) for line in told] == [
        ("celery.beat", "cannot connect: refused"),
        ("celery.worker.consumer", "cannot connect: refused"),
    ]
    assert {line["event"] for line in told} == {Event.LIBRARY_SAYS}
    assert {line["level"] for line in told} == {"warning"}


def test_what_a_library_goes_on_to_say_is_said_again_after_a_while() -> None:
    told, now = list[tuple[str, str]](), [0.0]
    lines = LibraryLines(lambda *said: told.append(said), clock=lambda: now[0])
    for at in (0.0, 59.0, 60.0):
        now[0] = at
        lines.handle(logging.LogRecord("kombu", logging.ERROR, "", 1, "away for %d s", (at,), None))
    lines.handle(logging.LogRecord("kombu", logging.ERROR, "", 2, "of %s and %s", ("one",), None))
    assert [said for _, said in told] == ["away for 0 s", "away for 60 s", "of %s and %s"]
