"""A message is acknowledged once it is on the disk, however it comes; and whatever comes, nothing of it is logged."""

import errno
import logging
import os
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.logs import configure_logs
from dicom_node.messages.mllp import send_mllp
from tests.support.certificates import Authority
from tests.support.waiting import wait_until
from tests.worker.consistency.hl7.test_reports import NAME, PATIENT_ID, message, obx
from worker.consistency.hl7 import mllp_server as server_module
from worker.consistency.hl7.mllp_frames import Frames, TooLong
from worker.consistency.hl7.mllp_server import Listening, mllp_server

MESSAGE = message(obx("TX", f"{NAME} has EF 55 %"))
OTHER = message(obx("TX", "EF 30 %")).replace(b"MSG00001", b"MSG00002")


def framed(content: bytes) -> bytes:
    return b"\x0b" + content + b"\x1c\r"


def kept(inbox: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(inbox.glob("*.hl7"))]


class Client:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._left = b""

    def send(self, content: bytes) -> None:
        self.connection.sendall(content)

    def answer(self) -> list[str]:
        """The fields of the MSA of the next answer; none where the server hung up instead."""
        while b"\x1c\r" not in self._left:
            some = self.connection.recv(4096)
            if not some:
                return []
            self._left += some
        whole, _, self._left = self._left.partition(b"\x1c\r")
        assert whole.startswith(b"\x0bMSH")
        assert not any(secret in whole for secret in (PATIENT_ID.encode(), b"GEHEIM", b"PID"))
        return next(line.split("|") for line in whole.decode().split("\r") if line.startswith("MSA"))


@contextmanager
def connected(inbox: Path, **changes: object) -> Iterator[Client]:
    with (
        mllp_server(inbox, Listening(**changes)) as port,  # type: ignore[arg-type]
        socket.create_connection(("127.0.0.1", port), timeout=30) as connection,
    ):
        yield Client(connection)


def test_a_message_is_on_the_disk_before_its_acknowledgement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answered_before: list[bool] = []
    with connected(tmp_path) as client:
        real = os.fsync

        def fsync(descriptor: int) -> None:
            answered_before.append(bool(select.select([client.connection], [], [], 0)[0]))
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        client.send(framed(MESSAGE))
        assert client.answer() == ["MSA", "AA", "MSG00001"]
        assert kept(tmp_path) == [MESSAGE]
        assert answered_before == [False, False]  # the file, and the folder that names it


def test_our_own_sender_is_content(tmp_path: Path) -> None:
    with mllp_server(tmp_path, Listening()) as port:
        assert send_mllp(MESSAGE, "MSG00001", host="127.0.0.1", port=port) == "AA"


@pytest.mark.parametrize("caller", ["::1", "127.0.0.1"])
def test_it_listens_by_ipv6_too_and_knows_senders_of_ipv4_by_their_networks(tmp_path: Path, caller: str) -> None:
    admitted: list[str] = []
    listening = Listening(host="::", networks=(ip_network(caller),), admitted=admitted.append)
    with mllp_server(tmp_path, listening) as port:
        assert send_mllp(MESSAGE, "MSG00001", host=caller, port=port) == "AA"
    assert admitted == [caller]


def test_messages_come_in_any_pieces(tmp_path: Path) -> None:
    with connected(tmp_path) as client:
        for byte in framed(MESSAGE):
            client.send(bytes([byte]))
        assert client.answer()[1] == "AA"
        client.send(framed(MESSAGE) + framed(OTHER))
        assert [client.answer()[2], client.answer()[2]] == ["MSG00001", "MSG00002"]
        client.send(b"noise\r\n" + framed(OTHER) + b"\r\n\r\n" + framed(MESSAGE)[:20])
        assert client.answer()[2] == "MSG00002"
        client.send(framed(MESSAGE)[20:])
        assert client.answer()[2] == "MSG00001"
        client.send(b"\x0b" + MESSAGE[:50] + framed(OTHER))  # begun anew
        assert client.answer()[2] == "MSG00002"
        client.send(b"\x0b" + MESSAGE + b"\x1c")  # without its carriage return
        assert client.answer()[2] == "MSG00001"
    assert kept(tmp_path) == [MESSAGE, MESSAGE, OTHER, OTHER, MESSAGE, OTHER, MESSAGE]


def test_each_message_of_a_frame_is_kept_and_answered_by_its_own_number(tmp_path: Path) -> None:
    batch = b"FHS|^~\\&|RIS\rBHS|^~\\&|RIS\r" + MESSAGE + OTHER.replace(b"ORU", b"ADT") + b"BTS|2\rFTS|1\r"
    with connected(tmp_path) as client:
        client.send(framed(batch) + framed(OTHER + MESSAGE))
        assert [client.answer()[1:3] for _ in range(4)] == [
            ["AA", "MSG00001"], ["AR", "MSG00002"], ["AA", "MSG00002"], ["AA", "MSG00001"],
        ]  # fmt: skip
        client.send(framed(b"FHS|^~\\&|RIS\rBHS|^~\\&|RIS\rBTS|0\rFTS|1\r"))
        assert client.answer()[:3] == ["MSA", "AR", ""]
    assert kept(tmp_path) == [each.strip() for each in (MESSAGE, OTHER, MESSAGE)]


def test_a_message_that_is_too_long_is_rejected_by_its_number_and_the_connection_ends(tmp_path: Path) -> None:
    with connected(tmp_path, longest_message=2000) as client:
        client.send(b"\x0b" + MESSAGE + b"x" * 5000)
        assert client.answer()[:3] == ["MSA", "AR", "MSG00001"]
        assert client.answer() == []
    assert kept(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_full_disk_is_an_error_to_the_sender_and_the_next_attempt_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with connected(tmp_path) as client:
        with monkeypatch.context() as patched:

            def full(descriptor: int) -> None:
                raise OSError(number, os.strerror(number))

            patched.setattr(os, "fsync", full)
            client.send(framed(MESSAGE))
            assert client.answer()[:3] == ["MSA", "AE", "MSG00001"]
            assert list(tmp_path.iterdir()) == []
        client.send(framed(MESSAGE))
        assert client.answer() == ["MSA", "AA", "MSG00001"]
        assert kept(tmp_path) == [MESSAGE]


def test_other_messages_are_rejected_and_not_kept(tmp_path: Path) -> None:
    with connected(tmp_path) as client:
        client.send(framed(MESSAGE.replace(b"ORU^R01^ORU_R01", b"ADT^A08")) + framed(b"hello") + framed(OTHER))
        assert [client.answer()[:3] for _ in range(3)] == [
            ["MSA", "AR", "MSG00001"], ["MSA", "AR", ""], ["MSA", "AA", "MSG00002"],
        ]  # fmt: skip
    assert kept(tmp_path) == [OTHER]


def test_who_speaks_no_mllp_is_hung_up_on(tmp_path: Path) -> None:
    with connected(tmp_path) as client:
        client.send(b"GET / HTTP/1.1\r\n" * 4200)
        with suppress(ConnectionError):  # where something of it was not even looked at
            assert client.connection.recv(100) == b""


def test_who_is_silent_or_may_not_send_is_hung_up_on(tmp_path: Path) -> None:
    with connected(tmp_path, idle_s=0.05) as client:
        assert client.answer() == []
    with connected(tmp_path, frame_s=0.05) as client:
        client.send(framed(MESSAGE)[:40])
        assert client.answer() == []


@pytest.mark.parametrize(
    ("networks", "answers"),
    [(["192.0.2.1", "10.0.0.0/8"], []), (["10.0.0.0/8", "127.0.0.0/8"], ["MSA", "AA", "MSG00001"]), (["::1"], [])],
)
def test_who_is_in_none_of_the_networks_is_hung_up_on_and_told_of(
    tmp_path: Path, networks: list[str], answers: list[str]
) -> None:
    admitted: list[str] = []
    refused: list[tuple[str, str]] = []
    allowed = tuple(ip_network(each) for each in networks)
    heard = {"admitted": admitted.append, "refused": lambda *caller: refused.append(caller)}
    with connected(tmp_path, networks=allowed, **heard) as client, suppress(ConnectionError):
        client.send(framed(MESSAGE))
        assert client.answer() == answers
    assert admitted == ["127.0.0.1"] * bool(answers)
    assert refused == ([] if answers else [("127.0.0.1", "this host may not send reports")])
    assert kept(tmp_path) == [MESSAGE] * bool(answers)


def test_several_senders_at_once(tmp_path: Path) -> None:
    with mllp_server(tmp_path, Listening()) as port:
        answers: list[str] = []

        def send() -> None:
            answers.append(send_mllp(MESSAGE, "MSG00001", host="127.0.0.1", port=port))

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == ["AA"] * 8
    assert kept(tmp_path) == [MESSAGE] * 8


def test_connections_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 1)
    with mllp_server(tmp_path, Listening()) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as first:
        client = Client(first)
        client.send(framed(MESSAGE))
        assert client.answer()[1] == "AA"
        with socket.create_connection(("127.0.0.1", port), timeout=30) as second:
            assert second.recv(10) == b""
        client.send(framed(OTHER))
        assert client.answer()[1] == "AA"


def test_nothing_of_a_message_is_logged(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure_logs(process="test")

    def broken(content: bytes) -> None:
        raise RuntimeError(content.decode())

    with caplog.at_level(logging.DEBUG), connected(tmp_path) as client:
        client.send(framed(MESSAGE) + framed(MESSAGE.replace(b"ORU", b"ADT")) + framed(b"PID|" + MESSAGE))
        assert [client.answer()[1] for _ in range(3)] == ["AA", "AR", "AR"]
        monkeypatch.setattr(server_module, "judge", broken)
        client.send(framed(MESSAGE))
        assert client.answer() == []
    logged = caplog.text + "".join(capfd.readouterr())
    assert "report received" in logged
    assert "RuntimeError" in logged
    assert not any(secret in logged for secret in (PATIENT_ID, "GEHEIM", "PATRICK", "ACC-77", "MSG00001"))


def test_messages_come_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    certificate = authority.sign("server")
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate.certificate, certificate.private_key)
    theirs = ssl.create_default_context(cafile=authority.trusted)
    inbox, refused = tmp_path / "inbox", []
    listening = Listening(tls=lambda: ours, refused=lambda *caller: refused.append(caller))
    with mllp_server(inbox, listening) as port:
        assert send_mllp(MESSAGE, "MSG00001", host="127.0.0.1", port=port, tls=theirs) == "AA"
        with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
            plain.sendall(framed(OTHER))
            with suppress(ConnectionError):
                assert b"MSA" not in plain.recv(1000)
        wait_until(lambda: bool(refused), 30, "the plain caller to be refused")
    assert refused == [("127.0.0.1", "TLS: does not speak TLS")]
    assert kept(inbox) == [MESSAGE]


CONTENTS = st.binary(max_size=40).map(lambda content: content.replace(b"\x0b", b"").replace(b"\x1c", b""))


@given(st.lists(CONTENTS, max_size=6), st.data())
def test_frames_do_not_depend_on_how_they_are_cut(messages: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(framed(content) for content in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    frames, found = Frames(longest=100), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += list(frames.feed(stream[start:end]))
    assert found == messages
    assert not frames.is_inside


def test_a_frame_that_is_too_long_gives_its_beginning() -> None:
    (found,) = Frames(longest=10).feed(b"\x0b" + b"x" * 11)
    assert isinstance(found, TooLong)
    assert found.beginning == b"x" * 11
