"""A RabbitMQ node of a test's own, by TCP and by TLS; it asks for a password, and by TLS for a certificate as well."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kombu import Connection
from kombu.exceptions import OperationalError

from tests.support.certificates import Authority, Certificate
from tests.support.servers import free_port
from tests.support.tools import require_file, require_tool
from tests.support.waiting import wait_until

USER, PASSWORD, VIRTUAL_HOST = "echoworker", "s3cret:/@", "echo"
START_TIMEOUT_S = 90
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Debian's own wrapper in /usr/sbin starts the node of the machine, as another user."""


@dataclass
class RabbitMQ:
    folder: Path
    trusted: Path
    own: Certificate
    ours: Certificate
    """What it lets in by TLS."""
    password_file: Path
    limits: str = ""
    """Lines of its configuration, from its next start on."""
    port: int = field(default_factory=free_port)
    secure_port: int = field(default_factory=free_port)
    _node_ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    _processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"amqp://{USER}@127.0.0.1:{self.port}/{VIRTUAL_HOST}"

    @property
    def secure_url(self) -> str:
        return f"amqps://{USER}@127.0.0.1:{self.secure_port}/{VIRTUAL_HOST}"

    @property
    def secure_files(self) -> str:
        """What the site file has below the URL."""
        return (
            f'{self.files}trusted = "{self.trusted}"\n'
            f'certificate = "{self.ours.certificate}"\nprivate_key = "{self.ours.private_key}"\n'
        )

    @property
    def files(self) -> str:
        """The same without TLS."""
        return f'password_file = "{self.password_file}"\n'

    def start(self) -> None:
        """With what it had, or with nothing."""
        distribution, mapper = self._node_ports
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        configuration = self.folder / "rabbitmq.conf"
        configuration.write_text(self._configuration())
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(configuration),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
            "ERL_EPMD_PORT": str(mapper),
        }
        # Erlang would start its port mapper as a daemon, which outlives us.
        mapping = [require_tool("epmd"), "-port", str(mapper), "-address", "127.0.0.1"]
        with (self.folder / "server.log").open("ab") as log:
            for command in (mapping, [str(SERVER)]):
                process = subprocess.Popen(
                    command, cwd=self.folder, stdout=log, stderr=log, env=environment, start_new_session=True
                )
                self._processes.append(process)
        wait_until(self.answers, START_TIMEOUT_S, f"RabbitMQ; see {self.folder}/server.log")

    def kill(self) -> None:
        """Without a warning: its data and its clients are left as they are."""
        while self._processes:
            process = self._processes.pop()
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)

    def forget(self) -> None:
        """Lose everything that it had kept: queues and messages."""
        shutil.rmtree(self.folder / "data")

    def log(self) -> str:
        return "".join(file.read_text() for file in (self.folder / "log").glob("*.log"))

    def answers(self) -> bool:
        try:
            self.connection().ensure_connection(max_retries=1, timeout=2).close()
        except (OperationalError, OSError):
            return False
        return True

    def connection(self) -> Connection:
        """Past the product."""
        return Connection(
            hostname="127.0.0.1", port=self.port, userid=USER, password=PASSWORD, virtual_host=VIRTUAL_HOST,
            transport="amqp", connect_timeout=5,
        )  # fmt: skip

    def _configuration(self) -> str:
        return (
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nlisteners.ssl.1 = 127.0.0.1:{self.secure_port}\n"
            f"ssl_options.cacertfile = {self.trusted}\nssl_options.certfile = {self.own.certificate}\n"
            f"ssl_options.keyfile = {self.own.private_key}\n"
            "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n"
            f"default_user = {USER}\ndefault_pass = {PASSWORD}\ndefault_vhost = {VIRTUAL_HOST}\n"
            f"{self.limits}"
        )


@contextmanager
def rabbitmq(folder: Path) -> Iterator[RabbitMQ]:
    require_file(SERVER, "RabbitMQ")
    authority = Authority(folder / "authority")
    password_file = folder / "password"
    password_file.write_text(f"{PASSWORD}\n")
    server = RabbitMQ(folder, authority.trusted, authority.sign("rabbitmq"), authority.sign("worker"), password_file)
    try:
        server.start()
        yield server
    finally:
        server.kill()
