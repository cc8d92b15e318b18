"""A Bundle counts as sent once a server has said so in FHIR, or in no words at all."""

import ssl

import pytest

from config.errors import DeliveryError
from dicom_node.messages.fhir_server import post_bundle
from tests.dicom_node.messages.conftest import Ends
from tests.support.message_servers import HTTPAnswer, fhir_server

BUNDLE = '{"resourceType":"Bundle","note":"Müller"}'.encode()
OUTCOME = b'{"resourceType":"OperationOutcome","issue":[{"severity":"%s","diagnostics":"patient Muller"}]}'


def posted(port: int, **more: object) -> str:
    return post_bundle(BUNDLE, f"http://127.0.0.1:{port}/fhir", **{"answer_timeout_s": 60, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer",
    [
        HTTPAnswer(),
        HTTPAnswer(201, b""),
        HTTPAnswer(202, b"\r\n"),
        HTTPAnswer(200, OUTCOME % b"information"),
        HTTPAnswer(200, b'{"resourceType":"Bundle","entry":[{"response":{"status":"201 Created"}}]}'),
    ],
)
def test_a_bundle_arrives_as_it_is_and_is_taken(answer: HTTPAnswer) -> None:
    with fhir_server([answer]) as server:
        assert posted(server.port, bearer_token="sesame")  # noqa: S106 == f"HTTP {answer.status}"
    assert server.messages == [BUNDLE]
    assert server.headers[0]["Content-Type"] == "application/fhir+json; charset=utf-8"
    assert server.headers[0]["Authorization"] == "Bearer sesame"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (HTTPAnswer(500, OUTCOME % b"error"), "answered HTTP 500"),
        (HTTPAnswer(412, b""), "answered HTTP 412"),
        (HTTPAnswer(302, b""), "answered HTTP 302"),
        (HTTPAnswer(200, b"<html>Muller, please log in</html>"), "no FHIR resource"),
        (HTTPAnswer(200, b'["Muller"]'), "no FHIR resource"),
        (HTTPAnswer(200, b'{"message":"Muller"}'), "no FHIR resource"),
        (HTTPAnswer(200, b'{"resourceType":"Bundle","entry":"Muller"}'), "no FHIR resource"),
        (HTTPAnswer(200, OUTCOME % b"fatal"), "tells of a failure"),
        (
            HTTPAnswer(200, b'{"resourceType":"Bundle","entry":[{"response":{"status":"409 Conflict"}}]}'),
            "tells of a failure",
        ),
        (HTTPAnswer(raw=b"Muller, what?\r\n\r\n"), "no HTTP"),
        (HTTPAnswer(raw=b""), "no HTTP"),
        (HTTPAnswer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"), "no HTTP"),
    ],
)
def test_whatever_else_is_answered_the_bundle_is_not_sent_and_nobodys_words_are_repeated(
    answer: HTTPAnswer, said: str
) -> None:
    with fhir_server([answer]) as server, pytest.raises(DeliveryError, match=said) as raised:
        posted(server.port)
    assert str(raised.value).startswith(f"http://127.0.0.1:{server.port}: ")
    assert "ller" not in str(raised.value)


def test_a_server_that_is_not_there_is_said_to_be_so(nobody: int) -> None:
    with pytest.raises(DeliveryError, match="cannot be reached"):
        posted(nobody)


def test_a_server_whose_answer_has_no_end_is_not_listened_to_for_ever() -> None:
    with fhir_server([HTTPAnswer(without_end=True)]) as server, pytest.raises(DeliveryError, match="no answer in time"):
        posted(server.port, answer_timeout_s=0.3)


def test_no_proxy_of_the_environment_gets_to_see_a_patient(monkeypatch: pytest.MonkeyPatch, nobody: int) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{nobody}")
    with fhir_server([HTTPAnswer()]) as server:
        assert posted(server.port) == "HTTP 200"


def test_under_tls_the_server_must_be_who_it_says(tls: Ends) -> None:
    with fhir_server([HTTPAnswer()], tls=tls.listening) as server:
        url = f"https://127.0.0.1:{server.port}/fhir"
        assert post_bundle(BUNDLE, url, tls=tls.trusting) == "HTTP 200"
        with pytest.raises(DeliveryError, match="TLS does not come about"):
            post_bundle(BUNDLE, url, tls=ssl.create_default_context())
    assert len(server.messages) == 1
