"""STOW-RS: what a DICOMweb server says of an object, and what it means; Orthanc's own, and one that answers as told."""

import json
from functools import partial
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from config.errors import ConfigurationError
from config.sections.dicomweb import DicomWebSettings
from config.settings import Settings, load_settings
from dicom_node.send import Answer
from dicom_node.stow import stow_files
from dicom_node.web_server import WebServer
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.message_servers import HTTPAnswer, fhir_server
from tests.support.servers import Orthanc, free_port


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return as_study_of_its_own(SMALL, tmp_path / "clips", PatientName="Doe^Jane")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(data_dir=tmp_path / "data")


def server(url: str, **changes: object) -> DicomWebSettings:
    return DicomWebSettings.model_validate({"name": "vna", "url": url, **changes})


def told(uid: str, *, failure: int | None = None, warning: int | None = None) -> bytes:
    """A Store Instances Response in JSON (PS3.18 annex I)."""
    item: dict[str, object] = {"00081155": {"vr": "UI", "Value": [uid]}}
    if failure is not None:
        item["00081197"] = {"vr": "US", "Value": [failure]}
    if warning is not None:
        item["00081196"] = {"vr": "US", "Value": [warning]}
    sequence = "00081199" if failure is None else "00081198"
    return json.dumps({sequence: {"vr": "SQ", "Value": [item]}}).encode()


def answer_to(clip: Path, settings: Settings, answer: HTTPAnswer) -> Answer:
    with fhir_server([answer]) as received:
        (said,) = stow_files([clip], server(f"http://127.0.0.1:{received.port}/web"), settings.tls)
    return said


def test_orthanc_stores_what_is_sent_and_says_so_again(settings: Settings, clip: Path, orthanc: Orthanc) -> None:
    for _ in range(2):
        (answer,) = stow_files([clip], server(orthanc.dicomweb), settings.tls)
        assert (answer.accepted, answer.sop_instance_uid) == (True, clip.stem)
    (held,) = orthanc.instance_files(clip.stem)
    assert pydicom.dcmread(BytesIO(held)) == pydicom.dcmread(clip)


def test_the_request_is_one_part_of_the_file_as_it_is(settings: Settings, clip: Path) -> None:
    with fhir_server([HTTPAnswer(200, told(clip.stem))]) as received:
        (answer,) = stow_files([clip], server(f"http://127.0.0.1:{received.port}/web/"), settings.tls)
    assert str(answer) == "0x0000"
    (sent,), (body,) = received.headers, received.messages
    headers = {name.lower(): value for name, value in sent.items()}
    kind, _, boundary = headers["content-type"].partition("; boundary=")
    assert kind == 'multipart/related; type="application/dicom"'
    assert headers["accept"] == "application/dicom+json"
    head, _, part = body.partition(b"\r\n\r\n")
    assert head == f"--{boundary}\r\nContent-Type: application/dicom".encode()
    assert part == clip.read_bytes() + f"\r\n--{boundary}--\r\n".encode()


@pytest.mark.parametrize(
    ("status", "failure", "warning", "means"),
    [
        (200, None, None, ("0x0000", True)),
        (202, None, 0xB007, ("0xB007 warning", True)),
        (202, None, 0x1234, ("0x0000", True)),
        (409, 0xA900, None, ("0xA900 data set does not match SOP class", False)),
        (409, 0x0122, None, ("0x0122 SOP class not supported", False)),
        (202, 0xA700, None, ("0xA700 out of resources", False)),
        (409, 0xB000, None, ("HTTP 409: failed, without a reason", False)),
        (409, 0x0000, None, ("HTTP 409: failed, without a reason", False)),
    ],
)
def test_what_is_said_of_the_object_counts(
    settings: Settings, clip: Path, status: int, failure: int | None, warning: int | None, means: tuple[str, bool]
) -> None:
    answer = answer_to(clip, settings, HTTPAnswer(status, told(clip.stem, failure=failure, warning=warning)))
    assert (str(answer), answer.accepted) == means
    assert answer.is_out_of_resources == (failure == 0xA700)
    assert not answer.is_missing


@pytest.mark.parametrize(
    "body", [b"", b"<html>Doe^Jane, log in</html>", b"[]", b"{}", b"null", b'{"00081199": 3}', told("1.2.3.4")]
)
def test_an_answer_that_does_not_name_the_object_is_no_acceptance(settings: Settings, clip: Path, body: bytes) -> None:
    answer = answer_to(clip, settings, HTTPAnswer(200, body))
    assert (answer.accepted, str(answer)) == (False, "HTTP 200: the answer does not name the object")


@pytest.mark.parametrize("status", [400, 410, 413, 415])
def test_a_refusal_is_one_of_the_object(settings: Settings, clip: Path, status: int) -> None:
    answer = answer_to(clip, settings, HTTPAnswer(status, b"Doe^Jane"))
    assert (answer.accepted, str(answer)) == (False, f"answered HTTP {status}; its own log says why")


@pytest.mark.parametrize(
    "answer",
    [*map(HTTPAnswer, (401, 403, 404, 407, 429, 500, 503)), HTTPAnswer(raw=b"Doe^Jane")],
)
def test_trouble_of_the_server_is_none_of_the_object(settings: Settings, clip: Path, answer: HTTPAnswer) -> None:
    said = answer_to(clip, settings, answer)
    assert (said.accepted, said.is_trouble, said.is_missing) == (False, True, False)
    assert "Doe" not in str(said)


@pytest.mark.parametrize(
    ("answer", "may_be_there"),
    [
        *((HTTPAnswer(status), True) for status in (500, 502, 504)),
        *((HTTPAnswer(status), False) for status in (400, 401, 404, 408, 413, 429, 503)),
        (HTTPAnswer(without_end=True), True),
        (HTTPAnswer(raw=b""), True),
        (HTTPAnswer(raw=b"Doe^Jane"), True),
        (HTTPAnswer(200, b"{}"), True),
        (HTTPAnswer(202, b"<html>"), True),
        (HTTPAnswer(409, b"{}"), False),
    ],
)
def test_what_was_sent_without_a_word_on_what_became_of_it_may_be_there(
    settings: Settings, clip: Path, monkeypatch: pytest.MonkeyPatch, answer: HTTPAnswer, may_be_there: bool
) -> None:
    monkeypatch.setattr("dicom_node.stow.WebServer", partial(WebServer, answer_timeout_s=0.3))
    said = answer_to(clip, settings, answer)
    assert (said.accepted, said.may_be_there) == (False, may_be_there)
    assert str(said) not in ("", "no answer")


def test_what_takes_long_to_leave_has_its_answer_all_the_same() -> None:
    with (
        fhir_server([HTTPAnswer(mib_taken_in_s=0.05)]) as received,
        WebServer(f"http://127.0.0.1:{received.port}", answer_timeout_s=1) as web_server,
    ):
        assert web_server.post(bytes(40 << 20), {})[0] == 200


def test_after_trouble_nothing_more_is_sent(settings: Settings, clip: Path) -> None:
    with fhir_server([HTTPAnswer(503)]) as received:
        answers = list(stow_files([clip, clip], server(f"http://127.0.0.1:{received.port}/web"), settings.tls))
    assert (len(answers), len(received.messages)) == (1, 1)


def test_a_server_that_is_not_there_is_named_without_its_path(settings: Settings, clip: Path) -> None:
    port = free_port()
    (answer,) = stow_files([clip], server(f"http://127.0.0.1:{port}/secret"), settings.tls)
    assert (answer.is_trouble, answer.may_be_there) == (True, False)
    assert str(answer) == f"http://127.0.0.1:{port}: cannot be reached: check address, port and firewall"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "ftp://vna"}, "url is https"),
        ({"url": "https://me:secret@vna"}, "url cannot hold a user or password"),
        ({"url": "http://vna", "bearer_token_file": __file__}, "needs an https url"),
        ({"url": "https://vna", "trusted": "/not/there.pem"}, "no such file"),
        ({"url": "https://vna", "name": "pacs"}, "one has the name of another destination or peer"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], said: str
) -> None:
    pacs = '[[peers]]\nname = "pacs"\nae_title = "P"\nroles = ["sender"]\n'
    entry = "".join(f'{key} = "{value}"\n' for key, value in {"name": "vna", **changes}.items())
    site = tmp_path / "site.toml"
    site.write_text(f"{pacs}[[dicomweb]]\n{entry}")
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    with pytest.raises(ConfigurationError, match=said):
        load_settings()
