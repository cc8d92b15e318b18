"""Connections that ask for nothing crowd out each other, and nobody else."""

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from config.logs import Event
from config.settings import load_settings
from tests.support.certificates import Authority
from tests.support.dcmtk import SUCCESS, echoscu
from tests.support.receivers import ReceiverProcess, associate, association_request, connected, receiving
from tests.support.servers import free_port
from tests.support.waiting import wait_until

pytestmark = pytest.mark.system

FLOOD = 300
OF_ONE_ADDRESS = 64
AT_MOST = 256
FAR_LONGER_S = 600
"""Than a test takes: nothing that waits is ended by its time."""


@contextmanager
def flooded(port: int, addresses: Callable[[int], str], *, content: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections, all open from here, each from the address of its number."""
    with ExitStack() as open_ones:
        connections = []
        for number in range(FLOOD):
            connection = socket.create_connection(("127.0.0.1", port), 10, source_address=(addresses(number), 0))
            connections.append(open_ones.enter_context(connection))
            with suppress(OSError):  # ended already
                connection.sendall(content)
        yield connections


def still_open(connections: list[socket.socket]) -> list[int]:
    return [number for number, connection in enumerate(connections) if _is_open(connection)]


def calls_of_receivers(data: Path) -> list[list[dict[str, Any]]]:
    """What each receiver says of those who called it."""
    return [json.loads(file.read_text())["calls"] for file in (data / "spool/receivers").glob("callers-*.json")]


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ReceiverProcess]:
    with receiving(tmp_path / "data", NODE__REQUEST_TIMEOUT_S=FAR_LONGER_S) as receiver:
        yield receiver


@pytest.mark.parametrize("address", ["127.0.0.2", "127.0.0.1"], ids=["another", "its-own"])
def test_a_silent_flood_of_one_address_keeps_nobody_out(node: ReceiverProcess, address: str) -> None:
    with flooded(node.port, lambda _: address) as connections:
        assert echoscu(node.port).answers == [SUCCESS]
        newest = list(range(FLOOD - OF_ONE_ADDRESS, FLOOD))
        wait_until(lambda: len(still_open(connections)) <= OF_ONE_ADDRESS, 20, "the flood to be cut")
        assert set(still_open(connections)) <= set(newest), "who has waited longest goes first"
        assert len(still_open(connections)) >= OF_ONE_ADDRESS - 1
        assert node.threads() < OF_ONE_ADDRESS + 20


def test_a_silent_flood_of_many_addresses_keeps_nobody_out(node: ReceiverProcess) -> None:
    with flooded(node.port, lambda number: f"127.0.1.{number % 100}") as connections:
        assert echoscu(node.port).answers == [SUCCESS]
        wait_until(lambda: len(still_open(connections)) <= AT_MOST, 20, "the flood to be cut")


def test_the_refused_who_stay_keep_nobody_out(tmp_path: Path) -> None:
    peer = json.dumps([{"name": "echo", "ae_title": "ECHOSCU", "roles": ["sender"]}])
    with (
        receiving(
            tmp_path / "data", NODE__REQUEST_TIMEOUT_S=FAR_LONGER_S, NODE__UNKNOWN_PEERS="refuse", PEERS=peer
        ) as receiver,
        flooded(receiver.port, lambda _: "127.0.0.2", content=association_request("NOBODY")) as connections,
    ):
        assert echoscu(receiver.port).answers == [SUCCESS]
        wait_until(lambda: len(still_open(connections)) <= OF_ONE_ADDRESS, 60, "the flood to be cut")


def test_what_waits_too_long_is_ended_and_listed(tmp_path: Path) -> None:
    with receiving(tmp_path / "data", NODE__REQUEST_TIMEOUT_S=1) as receiver:
        for content in (b"", association_request()[:20]):
            with socket.create_connection(("127.0.0.1", receiver.port), 20) as connection:
                connection.sendall(content)
                assert connection.recv(100)[:1] in (b"", b"\x07"), "closed, or aborted"
    said = calls_of_receivers(tmp_path / "data")
    outcomes = {call["outcome"] for calls in said for call in calls}
    assert "asked for no association in time" in outcomes


def test_who_waits_when_the_node_stops_is_not_kept_waiting(tmp_path: Path) -> None:
    receiver = ReceiverProcess(tmp_path / "data", NODE__REQUEST_TIMEOUT_S=FAR_LONGER_S, NODE__DRAIN_TIMEOUT_S=20)
    receiver.start()
    sender = associate(receiver.port)
    with socket.create_connection(("127.0.0.1", receiver.port), 10) as silent:
        echoes = echoscu(receiver.port).answers
        receiver.ask_to_stop()
        assert silent.recv(1) == b"", "while an association goes on"
        assert sender.is_established
    sender.release()
    receiver.stop()
    assert echoes == [SUCCESS]


def test_half_a_handshake_of_a_flood_keeps_nobody_out(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    ours, theirs, tls_port = authority.sign("node"), authority.sign("vivid"), free_port()
    settings = {"PORT": tls_port, "TRUSTED": authority.trusted}
    settings |= {"CERTIFICATE": ours.certificate, "PRIVATE_KEY": ours.private_key}
    secure = ["+tls", theirs.private_key, theirs.certificate, "+cf", authority.trusted]
    with receiving(
        tmp_path / "data",
        NODE__REQUEST_TIMEOUT_S=FAR_LONGER_S,
        **{f"TLS__{name}": value for name, value in settings.items()},
    ) as receiver:
        for content in (b"", hello()[:40]):
            with flooded(tls_port, lambda _: "127.0.0.2", content=content) as connections:
                assert echoscu(tls_port, options=secure).answers == [SUCCESS]
                assert echoscu(receiver.port).answers == [SUCCESS]
                wait_until(lambda: len(still_open(connections)) <= OF_ONE_ADDRESS, 20, "the flood to be cut")
                assert receiver.threads() < OF_ONE_ADDRESS + 20


def hello() -> bytes:
    """The first record of a TLS client."""
    sent = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), sent, server_hostname="node")
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


def test_the_flood_is_counted_not_logged(tmp_path: Path) -> None:
    with (
        receiving(tmp_path / "data", NODE__REQUEST_TIMEOUT_S=FAR_LONGER_S) as receiver,
        flooded(receiver.port, lambda _: "127.0.0.2") as connections,
    ):
        wait_until(lambda: len(still_open(connections)) <= OF_ONE_ADDRESS, 20, "the flood to be cut")
    said = calls_of_receivers(tmp_path / "data")
    counts = [call["count"] for calls in said for call in calls if "too many connections" in call["outcome"]]
    assert sum(counts) == FLOOD - OF_ONE_ADDRESS
    assert "127.0.0.2" not in (tmp_path / "data/receiver.log").read_text()


def test_of_a_flood_of_refused_callers_the_log_names_the_first_and_counts_the_others(tmp_path: Path) -> None:
    with receiving(tmp_path / "data", NODE__UNKNOWN_PEERS="refuse") as receiver:
        for _ in range(30):
            with connected(receiver.port) as connection:
                connection.sendall(association_request())
                assert connection.recv(1) == b"\3", "A-ASSOCIATE-RJ"
    logged = [json.loads(line) for line in (tmp_path / "data/receiver.log").read_text().splitlines()]
    refused = [(line["host"], line["reason"]) for line in logged if line["event"] == Event.ASSOCIATION_REJECTED]
    told = load_settings().audit.refusals_told
    assert refused == [("127.0.0.1", "no peer has this calling AE title")] * told + [
        ("127.0.0.1", f"{30 - told} more refused within 60 s")
    ]
