"""An HL7 message over MLLP counts as sent once the receiver has acknowledged this very message."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import DeliveryError
from dicom_node.messages.mllp import Acknowledgement, acknowledgement, send_mllp
from tests.dicom_node.messages.conftest import Ends
from tests.support.message_servers import Acknowledges, acknowledge, mllp_server

MESSAGE = "MSH|^~\\&|ECHOWORKER||||20260101||ORU^R01^ORU_R01|ID1|P|2.5.1\rPID|1||4711||Müller^Jörg\r".encode()


def sent(port: int, *, answer_timeout_s: float = 60) -> str:
    return send_mllp(MESSAGE, "ID1", host="127.0.0.1", port=port, answer_timeout_s=answer_timeout_s)


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_a_message_arrives_as_it_is_and_is_acknowledged(code: str) -> None:
    with mllp_server([acknowledge(code)]) as server:
        assert sent(server.port) == code
    assert server.messages == [MESSAGE]


def test_blanks_before_the_frame_of_an_answer_do_no_harm() -> None:
    whole = acknowledge("AA")(MESSAGE)
    assert whole is not None
    with mllp_server([lambda _: b"\r\n" + whole]) as server:
        assert sent(server.port) == "AA"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (acknowledge("AE", text="patient Müller is unknown"), "answered AE, application error"),
        (acknowledge("AR"), "answered AR, application reject"),
        (acknowledge("CE"), "commit error"),
        (acknowledge("YES"), "acknowledgement code that HL7 does not know"),
        (acknowledge("AA", control_id="ID2"), "acknowledged another message than ID1"),
        (lambda _: None, "hung up without a whole answer"),
        (lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", "hung up without a whole answer"),
        (lambda _: b"\x0bMSH|^~\\&|RIS\r\x1c\r", "no HL7 acknowledgement"),
        (lambda _: b"what?\x1c\r", "no HL7 acknowledgement"),
        (lambda _: b"Muller\x0bMSH|^~\\&|RIS\rMSA|AA|ID1\r\x1c\r", "no HL7 acknowledgement"),
        (lambda _: b"\x0b" + b"x" * 100_000, "more than an acknowledgement can be"),
    ],
    ids=["error", "reject", "commit", "code", "other", "nothing", "http", "no MSA", "no frame", "before", "flood"],
)
def test_whatever_else_is_answered_the_message_is_not_sent_and_nobodys_words_are_repeated(
    answer: Acknowledges, said: str
) -> None:
    with mllp_server([answer]) as server, pytest.raises(DeliveryError, match=said) as raised:
        sent(server.port)
    assert f"127.0.0.1:{server.port}" in str(raised.value)
    assert "ller" not in str(raised.value)


def test_a_receiver_that_says_nothing_is_not_waited_for_for_ever() -> None:
    with mllp_server([lambda _: b""]) as server, pytest.raises(DeliveryError, match="no answer in time"):
        sent(server.port, answer_timeout_s=0.2)


def test_a_receiver_that_is_not_there_is_said_to_be_so(nobody: int) -> None:
    with pytest.raises(DeliveryError, match="cannot be reached"):
        sent(nobody)


def test_under_tls_the_receiver_must_be_who_it_says(tls: Ends) -> None:
    with mllp_server([acknowledge("AA")], tls=tls.listening) as server:
        assert send_mllp(MESSAGE, "ID1", host="127.0.0.1", port=server.port, tls=tls.trusting) == "AA"
        with pytest.raises(DeliveryError, match="TLS does not come about"):
            send_mllp(MESSAGE, "ID1", host="127.0.0.1", port=server.port, tls=ssl.create_default_context())
    assert server.messages == [MESSAGE]


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading_of_an_answer(content: bytes) -> None:
    for frame in (content, b"MSH|^~\\&|" + content, b"MSH|^~\\&|RIS\rMSA|" + content):
        answer = acknowledgement(frame)
        assert answer is None or isinstance(answer, Acknowledgement)


@given(st.sampled_from("|#\u00a7!"), st.sampled_from(["\r", "\n", "\r\n"]))
def test_an_acknowledgement_is_read_with_the_delimiters_that_it_names(field: str, end: str) -> None:
    ack = end.join([f"MSH{field}^~\\&{field}RIS", f"MSA{field}AA{field}ID1{field}done", ""])
    assert acknowledgement(ack.encode()) == Acknowledgement(code="AA", control_id="ID1")
