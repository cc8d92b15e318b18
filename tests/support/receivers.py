"""Receiving processes that can be killed, and senders that remember what they were promised."""

import multiprocessing
import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import A_ASSOCIATE_RQ, P_DATA_TF
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification
from pynetdicom.presentation import build_context

from config.logs import configure_logs
from config.settings import load_settings
from dicom_node.reception.receiver import Receiver
from tests.support.clips import data_set_of, made_clip
from tests.support.servers import free_port
from tests.support.waiting import wait_until

FORKS = multiprocessing.get_context("forkserver")
"""A process that has imported the node already: each receiver starts in milliseconds, and can die for itself."""
FORKS.set_forkserver_preload(["tests.support.receivers"])


def run_receiver(environment: dict[str, str]) -> None:
    os.environ.update(environment)
    with Path(environment["ECHOWORKER_DATA_DIR"], "receiver.log").open("a") as log:
        configure_logs(process="receive", stream=log)
        os.dup2(log.fileno(), 2)
        receiver = Receiver(load_settings())
        receiver.start()
        signal.sigwait({signal.SIGTERM})
        receiver.stop()


class ReceiverProcess:
    """A receiving process over a data folder; start it again after it was killed."""

    def __init__(self, data: Path, **settings: object) -> None:
        self.port = free_port()
        data.mkdir(parents=True, exist_ok=True)
        self._environment = {"ECHOWORKER_DATA_DIR": str(data), "ECHOWORKER_NODE__PORT": str(self.port)} | {
            f"ECHOWORKER_{name}": str(value) for name, value in settings.items()
        }
        self.process: BaseProcess | None = None

    def start(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, set())
        self.process = FORKS.Process(target=_masked, args=[self._environment], daemon=True)
        self.process.start()
        wait_until(self.listens, 20, "the receiver to listen")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.join()

    def ask_to_stop(self) -> None:
        assert self.process is not None
        self.process.terminate()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.join(30)
        assert self.process.exitcode == 0

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def memory_mb(self) -> float:
        return self._status_mb("VmRSS")

    def peak_memory_mb(self) -> float:
        return self._status_mb("VmHWM")

    def _status_mb(self, name: str) -> float:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith(name)).split()[1]) / 1024

    def threads(self) -> int:
        assert self.process is not None
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def open_files(self) -> int:
        assert self.process is not None
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))


def _masked(environment: dict[str, str]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    run_receiver(environment)


@contextmanager
def receiving(data: Path, **settings: object) -> Iterator[ReceiverProcess]:
    receiver = ReceiverProcess(data, **settings)
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop()


def small_clips(folder: Path, count: int, *, kilobytes: int = 300) -> list[Path]:
    """Clips of one study each, uncompressed, of about this size, every byte of the pixels random."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(count)
    side = 100
    frames = max(kilobytes * 1000 // side**2, 1)
    shape = (frames, side, side)
    return [
        made_clip(folder / f"{number}.dcm", random.integers(0, 256, shape, np.uint8), "MONOCHROME2")
        for number in range(count)
    ]


def associate(port: int, *, calling: str = "TEST", timeout: float = 10) -> Association:
    ae = AE(ae_title=calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = timeout
    ae.add_requested_context(UltrasoundMultiFrameImageStorage, ExplicitVRLittleEndian)
    return ae.associate("127.0.0.1", port)


def connected(port: int, *, tls: ssl.SSLContext | None = None) -> socket.socket:
    """A connection to the node, by TLS where a context is given."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    return tls.wrap_socket(connection, server_hostname="127.0.0.1") if tls else connection


def store_while_it_lasts(
    port: int,
    files: Sequence[Path],
    *,
    tls: ssl.SSLContext | None = None,
    pdu_bytes: int = 16382,
    before_each: Callable[[], None] | None = None,
) -> list[Path]:
    """Send in one association, each message in one piece, or, with `before_each`, PDU by PDU, each after a call of it;
    the files that got 0x0000, until it broke.
    """
    acknowledged: list[Path] = []
    try:
        with connected(port, tls=tls) as connection:
            connection.sendall(association_request())
            if _pdu(connection)[0] != ASSOCIATE_AC:
                return []
            for file in files:
                pdus = store_pdus(file, pdu_bytes=pdu_bytes)
                for part in pdus if before_each else [b"".join(pdus)]:
                    if before_each:
                        before_each()
                    connection.sendall(part)
                if STATUS_0000 in _pdu(connection):
                    acknowledged.append(file)
            connection.sendall(RELEASE_RQ)
            _pdu(connection)
    except OSError:
        pass  # it broke
    return acknowledged


def _pdu(connection: socket.socket) -> bytes:
    head = _exactly(connection, 6)
    return head + _exactly(connection, int.from_bytes(head[2:], "big"))


def _exactly(connection: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        part = connection.recv(count - len(content))
        if not part:
            raise ConnectionResetError
        content += part
    return content


ASSOCIATE_AC = 2
RELEASE_RQ = bytes([5, 0, 0, 0, 0, 4, 0, 0, 0, 0])
STATUS_0000 = bytes([0, 0, 0, 9, 2, 0, 0, 0, 0, 0])
"""The element (0000,0900) with the value 0x0000."""


def association_request(calling: str = "FUZZ") -> bytes:
    """The bytes of an A-ASSOCIATE-RQ for one ultrasound context in Explicit VR Little Endian, id 1."""
    asked = A_ASSOCIATE()
    asked.application_context_name = "1.2.840.10008.3.1.1.1"
    asked.calling_ae_title, asked.called_ae_title = calling, "ECHOWORKER"
    context = build_context(UltrasoundMultiFrameImageStorage, ExplicitVRLittleEndian)
    context.context_id = 1
    asked.presentation_context_definition_list = [context]
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 16384
    implementation.implementation_class_uid = "1.2.3"
    asked.user_information = [length, implementation]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(asked)
    return pdu.encode()


def store_pdus(file: Path, *, pdu_bytes: int = 16382) -> list[bytes]:
    """The P-DATA-TF PDUs of a C-STORE of this file, in context 1, as pynetdicom makes them."""
    dataset = pydicom.dcmread(file, stop_before_pixels=True)
    request = C_STORE()
    request.MessageID, request.Priority = 7, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    request.DataSet = BytesIO(data_set_of(file))
    message = C_STORE_RQ()
    message.primitive_to_message(request)
    return [P_DATA_TF(fragment).encode() for fragment in message.encode_msg(1, pdu_bytes)]
