"""Whatever dies, breaks off, fills up or attacks: what was acknowledged is there, and the port goes on serving."""

import random
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from config.broker import create_celery_app
from config.settings import load_settings
from db.reading.queries import list_studies
from db.session import Database
from dicom_node.calling import Peer, echo
from dicom_node.intake import Intake
from dicom_node.spool import Spool
from tests.support.clips import data_set_of
from tests.support.dcmtk import SUCCESS, storescu
from tests.support.receivers import (
    RELEASE_RQ,
    ReceiverProcess,
    associate,
    association_request,
    receiving,
    small_clips,
    store_pdus,
    store_while_it_lasts,
)
from tests.support.tools import require_root
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.system, pytest.mark.timeout(300)]

KILLS = 50
MUTATIONS = 10_000


def kept_data_sets(data: Path) -> dict[str, bytes]:
    """What lies in the spool under a final name, by SOP Instance UID."""
    return {path.stem: data_set_of(path) for path in (data / "spool/studies").rglob("*.dcm")}


def register_all(data: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Let an intake work on the spool; how many instances each study has then."""
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(data))
    settings = load_settings()
    database = Database(settings.database_url)
    database.upgrade()
    Intake(settings, Spool(settings.spool_dir), database, create_celery_app(settings)).work_once()
    with database.read() as session:
        return {study.study_instance_uid: study.instances for study in list_studies(session, limit=10_000)}


def echoes(port: int) -> None:
    echo(Peer(host="127.0.0.1", port=port, ae_title="ECHOWORKER", calling_ae_title="STILL"))


def test_killed_at_random_moments_nothing_acknowledged_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    receiver = ReceiverProcess(data, NODE__IDLE_TIMEOUT_S=0.2)
    chance = random.Random(1)
    acknowledged: list[Path] = []
    for run in range(KILLS):
        files = small_clips(tmp_path / f"run-{run}", 6)
        receiver.start()
        sender = threading.Thread(target=_send, args=[receiver.port, files, acknowledged])
        sender.start()
        killer = threading.Event()
        killer.wait(chance.uniform(0.02, 0.25))
        receiver.kill()
        sender.join(30)
        assert not sender.is_alive()
    # What was written to a moment ago may be another process': only what is older is swept.
    wait_until(lambda: _all_older_than(data / "spool/incoming", 0.5), 10, "the halves to be old enough")
    receiver.start()
    receiver.stop()
    assert KILLS < len(acknowledged) < KILLS * 6, "the kills were to fall into the transfers"
    kept = kept_data_sets(data)
    for file in acknowledged:
        assert kept[_instance_uid(file)] == data_set_of(file)
    assert list((data / "spool/incoming").iterdir()) == []
    studies = register_all(data, monkeypatch)
    assert set(studies.values()) == {1}
    assert len(studies) == len(kept)


def _all_older_than(folder: Path, seconds: float) -> bool:
    return all(time.time() - file.stat().st_mtime > seconds for file in folder.iterdir())


def _send(port: int, files: list[Path], acknowledged: list[Path]) -> None:
    acknowledged += store_while_it_lasts(port, files)


def _instance_uid(file: Path) -> str:
    return str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID)


def test_a_peer_that_drops_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    (file,) = small_clips(tmp_path / "sent", 1)
    pdus = store_pdus(file)
    with receiving(tmp_path / "data") as receiver:
        for cut in range(1, len(pdus)):
            with established(receiver.port) as connection:
                connection.sendall(b"".join(pdus[:cut])[:-100])
        incoming = tmp_path / "data/spool/incoming"
        wait_until(lambda: not list(incoming.iterdir()), 10, "what was dropped to be removed")
        echoes(receiver.port)
    assert kept_data_sets(tmp_path / "data") == {}


def test_a_full_disk_is_refused_with_a700_and_reception_recovers_by_itself(tmp_path: Path) -> None:
    require_root("mounting a small file system")
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", data], check=True)
    try:
        files = small_clips(tmp_path / "sent", 10, kilobytes=3000)
        with receiving(data, NODE__MINIMUM_FREE_BYTES=0) as receiver:
            association = associate(receiver.port)
            statuses = [association.send_c_store(str(file)).Status for file in files]
            assert statuses[:2] == [0, 0]
            assert statuses[-1] == 0xA700
            assert set(statuses) == {0, 0xA700}
            assert list((data / "spool/incoming").iterdir()) == []
            accepted = [file for file, status in zip(files, statuses, strict=True) if status == 0]
            kept = kept_data_sets(data)
            assert {_instance_uid(file) for file in accepted} == set(kept)
            for folder in ("studies", "unregistered"):
                for path in (data / "spool" / folder).rglob("*.dcm"):
                    path.unlink()
            assert association.send_c_store(str(files[-1])).Status == 0
            association.release()
    finally:
        subprocess.run(["umount", "-l", data], check=True)


def test_on_a_full_disk_the_node_goes_on_refusing_and_stops_as_ever(tmp_path: Path) -> None:
    require_root("mounting a small file system")
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", data], check=True)
    try:
        (file,) = small_clips(tmp_path / "sent", 1, kilobytes=3000)
        with receiving(data, NODE__MINIMUM_FREE_BYTES=0) as receiver:
            echoes(receiver.port)
            with suppress(OSError):
                (data / "filler").write_bytes(b"x" * 3_000_000)
            before = receiver.open_files()
            for _ in range(5):
                association = associate(receiver.port)
                answer = association.send_c_store(str(file))
                assert answer.Status == 0xA700
                assert answer.ErrorComment == "the spool cannot be written: No space left on device"
                association.release()
            wait_until(lambda: receiver.open_files() <= before, 20, "the associations to let go of their files")
            assert [path.name for path in (data / "spool/receivers").iterdir() if path.suffix != ".json"] == []
    finally:
        subprocess.run(["umount", "-l", data], check=True)


def test_below_the_low_water_mark_a_transfer_is_refused_before_the_disk_is_full(tmp_path: Path) -> None:
    (file,) = small_clips(tmp_path / "sent", 1)
    with receiving(tmp_path / "data", NODE__MINIMUM_FREE_BYTES=10**18) as receiver:
        association = associate(receiver.port)
        assert association.send_c_store(str(file)).Status == 0xA700
        association.release()
    assert kept_data_sets(tmp_path / "data") == {}


def test_two_hundred_associations_at_once_against_a_limit_of_twenty(tmp_path: Path) -> None:
    with receiving(tmp_path / "data", NODE__MAXIMUM_ASSOCIATIONS=20) as receiver:
        connections = [socket.create_connection(("127.0.0.1", receiver.port)) for _ in range(200)]
        for connection in connections:
            connection.settimeout(20)
            try:
                connection.sendall(association_request())
            except OSError:
                continue  # hung up on already
        answers = [_first_byte(connection) for connection in connections]
        assert answers.count(2) == 20, "A-ASSOCIATE-AC"
        assert answers.count(2) + answers.count(3) + answers.count(0) == 200, "accepted, rejected or hung up on"
        for connection in connections:
            connection.close()
        wait_until(lambda: _echo_is_answered(receiver.port), 20, "the port to serve again")


def test_slow_peers_are_ended_and_the_others_served_meanwhile(tmp_path: Path) -> None:
    (file,) = small_clips(tmp_path / "sent", 1)
    with receiving(tmp_path / "data", NODE__MAXIMUM_ASSOCIATIONS=5, NODE__IDLE_TIMEOUT_S=2) as receiver:
        slow = [socket.create_connection(("127.0.0.1", receiver.port)) for _ in range(4)]
        for number, connection in enumerate(slow):
            connection.sendall(association_request()[: None if number % 2 else 20])
        ended_by = time.monotonic() + 30
        for byte in b"".join(store_pdus(file)):
            if time.monotonic() > ended_by or not any(_is_open(connection) for connection in slow[1::2]):
                break
            for connection in slow[1::2]:
                _drip(connection, bytes([byte]))
            echoes(receiver.port)
            threading.Event().wait(0.1)
        assert not any(_is_open(connection) for connection in slow[1::2]), "a byte a moment is not a transfer"
        assert store_while_it_lasts(receiver.port, [file]) == [file]
        for connection in slow:
            connection.close()


def test_an_association_that_falls_silent_is_ended_whether_it_has_stored_or_not(tmp_path: Path) -> None:
    (file,) = small_clips(tmp_path / "sent", 1)
    with receiving(tmp_path / "data", NODE__IDLE_TIMEOUT_S=2) as receiver:
        for content in (b"", b"".join(store_pdus(file, pdu_bytes=64))):
            with established(receiver.port) as connection:
                connection.sendall(content)
                wait_until(lambda: not _is_open(connection), 20, "the association to be aborted")
    assert list(kept_data_sets(tmp_path / "data")) == [_instance_uid(file)]


def test_mutated_and_random_bytes_crash_nothing_and_the_port_goes_on_serving(tmp_path: Path) -> None:
    (file,) = small_clips(tmp_path / "sent", 1, kilobytes=30)
    request, store = association_request(), b"".join(store_pdus(file))
    whole = request + store + RELEASE_RQ
    chance = random.Random(2)
    with receiving(
        tmp_path / "data", NODE__IDLE_TIMEOUT_S=5, NODE__UNKNOWN_PEERS="accept", NODE__MAXIMUM_ASSOCIATIONS=200
    ) as receiver:
        memory: list[float] = []
        for number in range(MUTATIONS):
            if number % 20 == 0:
                attack = chance.randbytes(chance.randrange(1, 2000))
            else:
                attack = _mutated(whole, chance, behind=len(request) if number % 2 else 0)
            with socket.create_connection(("127.0.0.1", receiver.port)) as connection:
                connection.settimeout(10)
                _drip(connection, attack)
            if number % 1000 == 999:
                wait_until(lambda: receiver.threads() < 40, 60, "the attackers' threads to end")
                echoes(receiver.port)
                memory.append(receiver.memory_mb())
        assert memory[-1] < 250
        assert memory[-1] < memory[1] + 30, "memory grows with the attacks"
        assert store_while_it_lasts(receiver.port, [file]) == [file]
        incoming = tmp_path / "data/spool/incoming"
        wait_until(lambda: not list(incoming.iterdir()), 20, "half transfers to be removed")
    kept = kept_data_sets(tmp_path / "data")
    assert kept[_instance_uid(file)] == data_set_of(file)


def _mutated(content: bytes, chance: random.Random, *, behind: int) -> bytes:
    mutant = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(behind, min(len(mutant), behind + 600) if chance.random() < 0.7 else len(mutant))
        kind = chance.randrange(4)
        if kind == 0:
            mutant[at] = chance.randrange(256)
        elif kind == 1:
            mutant[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del mutant[at : at + chance.choice((1, 4, 6, 100))]
        else:
            mutant[at:at] = chance.randbytes(chance.choice((1, 4, 6, 100)))
    if chance.random() < 0.2:
        del mutant[chance.randrange(len(mutant)) :]
    return bytes(mutant)


@contextmanager
def established(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(10)
        connection.sendall(association_request())
        assert _first_byte(connection) == 2
        yield connection


def _first_byte(connection: socket.socket) -> int:
    """The PDU type of the first answer; 0 when the connection was closed instead."""
    try:
        return (connection.recv(1) or b"\0")[0]
    except OSError:
        return 0


def _drip(connection: socket.socket, content: bytes) -> None:
    with suppress(OSError):  # ended by the node, as it should
        connection.sendall(content)


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while content := connection.recv(4096):
            if content[0] == 7:
                return False  # A-ABORT
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _echo_is_answered(port: int) -> bool:
    ae = AE()
    ae.add_requested_context(Verification)
    association = ae.associate("127.0.0.1", port)
    if not association.is_established:
        return False
    association.release()
    return True


def test_a_message_that_is_no_store_cannot_fill_the_memory(tmp_path: Path) -> None:
    """An N-ACTION, say: pynetdicom holds it whole before anybody looks at it."""
    fragment = b"\0" * 100_000
    command = struct.pack(">BxLLBB", 4, 6 + 8, 2 + 8, 1, 1) + b"\0" * 8  # a command fragment that is not the last
    pdu = struct.pack(">BxLLBB", 4, 6 + len(fragment), 2 + len(fragment), 1, 1) + fragment
    with receiving(tmp_path / "data") as receiver:
        before = receiver.memory_mb()
        with established(receiver.port) as connection:
            _drip(connection, command)
            for _ in range(2000):  # 200 MB
                _drip(connection, pdu)
            wait_until(lambda: not _is_open(connection), 20, "the association to be aborted")
        assert receiver.memory_mb() < before + 100
        echoes(receiver.port)


@pytest.mark.parametrize("path", ["fast", "stock"])
def test_a_large_instance_is_never_held_in_memory(tmp_path: Path, path: str) -> None:
    (file,) = small_clips(tmp_path / "sent", 1, kilobytes=200_000)
    with receiving(tmp_path / "data", NODE__RECEIVE_PATH=path) as receiver:
        echoes(receiver.port)
        before = receiver.peak_memory_mb()
        assert storescu(receiver.port, file).answers == [SUCCESS]
        assert receiver.peak_memory_mb() < before + 30
        assert list((tmp_path / "data/spool/incoming").iterdir()) == []
    assert kept_data_sets(tmp_path / "data") == {_instance_uid(file): data_set_of(file)}


def test_what_is_broken_off_on_the_stock_path_is_swept_by_the_next_start(tmp_path: Path) -> None:
    (file,) = small_clips(tmp_path / "sent", 1)
    incoming = tmp_path / "data/spool/incoming"
    killed = ReceiverProcess(tmp_path / "data", NODE__RECEIVE_PATH="stock")
    killed.start()
    with established(killed.port) as connection:
        connection.sendall(b"".join(store_pdus(file))[:-100])
        wait_until(lambda: list(incoming.iterdir()), 10, "the transfer to begin")
        killed.kill()  # before the connection is closed: then it would clean up itself
    assert list(incoming.iterdir()) != []
    wait_until(lambda: _age_s(incoming) > 0.5, 10, "what was left over to grow old")
    with receiving(tmp_path / "data", NODE__RECEIVE_PATH="stock", NODE__IDLE_TIMEOUT_S=0.2):
        pass
    assert list(incoming.iterdir()) == []


def _age_s(folder: Path) -> float:
    return time.time() - max(path.stat().st_mtime for path in folder.iterdir())
