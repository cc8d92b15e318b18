"""Real servers on free ports of the loopback, one folder each, gone with the block."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis
from sqlalchemy.engine import URL

from tests.support.tools import require_file, require_tool
from tests.support.waiting import wait_until

START_TIMEOUT_S = 30
TEST_PORTS = range(15000, 32000)
DICOMWEB = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
"""Orthanc's plugin, of Debian's package orthanc-dicomweb."""
_CLAIMS: list[socket.socket] = []
"""One for each port that this process was given: tests run side by side, in several processes."""


@dataclass(frozen=True)
class PostgreSQL:
    port: int

    def create_database(self, name: str) -> str:
        """A new, empty database: its SQLAlchemy URL."""
        with psycopg.connect(self._conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        url = URL.create("postgresql+psycopg", "postgres", host="127.0.0.1", port=self.port, database=name)
        return url.render_as_string(hide_password=False)

    def answers(self) -> bool:
        try:
            psycopg.connect(self._conninfo("postgres"), connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def _conninfo(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"


@dataclass(frozen=True)
class Redis:
    port: int

    def url(self, database: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    def flush(self) -> None:
        redis.Redis(port=self.port).flushall()

    def answers(self) -> bool:
        try:
            return bool(redis.Redis(port=self.port).ping())
        except redis.ConnectionError:
            return False


@dataclass(frozen=True)
class Orthanc:
    port: int
    http_port: int
    ae_title: str = "ORTHANC"

    @property
    def dicomweb(self) -> str:
        """The base of its DICOMweb service."""
        require_file(DICOMWEB, "DICOMweb")
        return f"http://127.0.0.1:{self.http_port}/dicom-web/"

    def answers(self) -> bool:
        try:
            return bool(self._ask("/system"))
        except OSError:
            return False

    def reports_of(self, study_instance_uid: str) -> list[bytes]:
        """The files of all SRs that Orthanc holds of a study."""
        query = {"Level": "Instance", "Query": {"StudyInstanceUID": study_instance_uid, "Modality": "SR"}}
        found = json.loads(self._ask("/tools/find", json.dumps(query).encode()))
        return [self._ask(f"/instances/{name}/file") for name in found]

    def instance_files(self, sop_instance_uid: str) -> list[bytes]:
        """What Orthanc holds under this UID."""
        query = {"Level": "Instance", "Query": {"SOPInstanceUID": sop_instance_uid}}
        found = json.loads(self._ask("/tools/find", json.dumps(query).encode()))
        return [self._ask(f"/instances/{name}/file") for name in found]

    def keep(self, *files: Path) -> None:
        """Put these files into its archive."""
        for file in files:
            self._ask("/instances", file.read_bytes())

    def forget(self, study_instance_uid: str) -> None:
        """Remove a study from its archive."""
        query = {"Level": "Study", "Query": {"StudyInstanceUID": study_instance_uid}}
        for name in json.loads(self._ask("/tools/find", json.dumps(query).encode())):
            self._ask(f"/studies/{name}", method="DELETE")

    def know(self, ae_title: str, port: int) -> None:
        """Let an application entity on this machine query and retrieve, and be a destination."""
        allowed = {"AllowFind": True, "AllowMove": True, "AllowGet": True}
        modality = {"AET": ae_title, "Host": "127.0.0.1", "Port": port, **allowed}
        self._ask(f"/modalities/{ae_title}", json.dumps(modality).encode(), method="PUT")

    def send(self, ae_title: str, study_instance_uid: str) -> dict[str, object]:
        """C-STORE a study to an application entity that it knows; what Orthanc says of it."""
        query = {"Level": "Study", "Query": {"StudyInstanceUID": study_instance_uid}}
        (study,) = json.loads(self._ask("/tools/find", json.dumps(query).encode()))
        said: dict[str, object] = json.loads(self._ask(f"/modalities/{ae_title}/store", study.encode()))
        return said

    def ask_commitment(self, modality: str, references: Sequence[tuple[str, str]]) -> str:
        """Let it ask a modality that it knows to commit to these SOP classes and instances: the transaction."""
        asked = json.dumps({"DicomInstances": [list(reference) for reference in references]})
        answer = self._ask(f"/modalities/{modality}/storage-commitment", asked.encode())
        return str(json.loads(answer)["ID"])

    def commitment(self, transaction_uid: str) -> dict[str, Any]:
        """What it has heard of a transaction."""
        return dict(json.loads(self._ask(f"/storage-commitment/{transaction_uid}")))

    def _ask(self, path: str, content: bytes | None = None, *, method: str | None = None) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", data=content, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return bytes(response.read())


@dataclass(frozen=True)
class StoreSCP:
    port: int
    folder: Path
    ae_title: str = "STORESCP"


@dataclass(frozen=True)
class DcmQRSCP:
    """DCMTK's archive."""

    port: int
    ae_title: str = "DCMQRSCP"

    def keep(self, *files: Path) -> None:
        """Put these files into its archive."""
        command = [require_tool("storescu"), "--call", self.ae_title, "127.0.0.1", str(self.port)]
        # In one association: those that follow each other closely lose entries of its index on a busy machine.
        subprocess.run([*command, *map(str, files)], check=True, capture_output=True)


@contextmanager
def postgresql(folder: Path, port: int | None = None) -> Iterator[PostgreSQL]:
    """A server on the cluster in this folder, which is made when it is not there yet."""
    server = PostgreSQL(port or free_port())
    # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients.
    with running(postgresql_command(folder, server.port), folder, stop_with=signal.SIGINT):
        wait_until(server.answers, START_TIMEOUT_S, "PostgreSQL")
        yield server


def postgresql_command(folder: Path, port: int) -> list[str]:
    """What runs a server on the cluster in this folder, which is made when it is not there yet."""
    as_user, data = _as_ordinary_user(folder), str(folder / "data")
    if not Path(data).exists():
        initdb = [require_tool("initdb"), "--pgdata", data, "--username", "postgres", "--auth", "trust", "--no-sync"]
        subprocess.run([*as_user, *initdb], check=True, capture_output=True, cwd=folder)
    options = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    return [*as_user, require_tool("postgres"), "-D", data, *options, "-c", "fsync=off"]


@contextmanager
def redis_server(folder: Path) -> Iterator[Redis]:
    server = Redis(free_port())
    with running(redis_command(folder, server.port), folder):
        wait_until(server.answers, START_TIMEOUT_S, "Redis")
        yield server


def redis_command(folder: Path, port: int) -> list[str]:
    """What runs a server that keeps nothing on the disk."""
    command = [require_tool("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    return [*command, "--dir", str(folder)]


@contextmanager
def orthanc(folder: Path) -> Iterator[Orthanc]:
    server = Orthanc(port=free_port(), http_port=free_port())
    configuration = folder / "orthanc.json"
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "DicomAet": server.ae_title,
        "DicomPort": server.port,
        "HttpPort": server.http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [str(DICOMWEB)] if DICOMWEB.exists() else [],
        "DicomWeb": {"Root": "/dicom-web/"},
    }
    configuration.write_text(json.dumps(settings))
    with running([require_tool("Orthanc"), str(configuration)], folder):
        wait_until(server.answers, START_TIMEOUT_S, "Orthanc")
        yield server


@contextmanager
def storescp(folder: Path, *, port: int = 0, options: Sequence[str] = ()) -> Iterator[StoreSCP]:
    """DCMTK's storescp; on the same folder and port again, it goes on where it was."""
    received = folder / "received"
    received.mkdir(exist_ok=True)
    server = StoreSCP(port or free_port(), received)
    command = [require_tool("storescp"), "--aetitle", server.ae_title, "--output-directory", str(received)]
    with running([*command, *options, str(server.port)], folder):
        wait_until(lambda: listens(server.port), START_TIMEOUT_S, "storescp")
        yield server


@contextmanager
def dcmqrscp(folder: Path, destinations: Mapping[str, int]) -> Iterator[DcmQRSCP]:
    """It can move studies to these application entities, AE title and port on this machine, and to no other."""
    archive = folder / "archive"
    archive.mkdir()
    server = DcmQRSCP(free_port())
    hosts = [f"host{number} = ({ae}, 127.0.0.1, {port})" for number, (ae, port) in enumerate(destinations.items())]
    configuration = folder / "dcmqrscp.cfg"
    configuration.write_text(
        "\n".join(
            [
                f"NetworkTCPPort = {server.port}",
                "MaxPDUSize = 16384",
                "MaxAssociations = 16",
                "HostTable BEGIN",
                *hosts,
                "HostTable END",
                "VendorTable BEGIN",
                "VendorTable END",
                "AETable BEGIN",
                f"{server.ae_title} {archive} RW (200, 1024mb) ANY",
                "AETable END",
                "",
            ]
        )
    )
    command = [require_tool("dcmqrscp"), "--config", str(configuration)]
    with running(command, folder):
        wait_until(lambda: listens(server.port), START_TIMEOUT_S, "dcmqrscp")
        yield server


def free_port() -> int:
    """A port that nothing listens on, and that is given to nobody else as long as this process runs.

    Below the ports that the system chooses for connections (net.ipv4.ip_local_port_range), or a client could take it
    before its server does. The name claimed in Linux's abstract namespace goes with the process, however it ends.
    """
    for port in random.sample(TEST_PORTS, k=len(TEST_PORTS)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0echoworker-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _CLAIMS.append(claim)
        return port
    raise RuntimeError(f"no free port in {TEST_PORTS}")


def listens(port: int) -> bool:
    """Whether something on this machine takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(
    command: Sequence[str], folder: Path, *, stop_with: signal.Signals = signal.SIGTERM
) -> Iterator[subprocess.Popen[bytes]]:
    # Without TCP_NODELAY, DCMTK's answers wait 40 ms each.
    environment = {**os.environ, "TCP_NODELAY": "1"}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
        try:
            yield process
        finally:
            process.send_signal(stop_with)
            process.wait(30)


def _as_ordinary_user(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root: as root, run it as the user that its package made."""
    if os.getuid() != 0:
        return []
    shutil.chown(folder, "postgres")
    for parent in folder.parents:
        if parent.owner() == "root" and parent.stat().st_mode & 0o077 == 0:
            parent.chmod(0o711)  # pytest's own folders below /tmp
    return [require_tool("setpriv"), "--reuid=postgres", "--regid=postgres", "--clear-groups"]
