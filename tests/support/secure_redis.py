"""A Redis that is spoken to by TLS alone, asks for a certificate, and knows one user with a password."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.certificates import Authority, Certificate
from tests.support.servers import START_TIMEOUT_S, free_port
from tests.support.tools import require_tool
from tests.support.waiting import wait_until

USER, PASSWORD = "echoworker", "s€cret:/@"


@dataclass(frozen=True)
class SecureRedis:
    port: int
    trusted: Path
    ours: Certificate
    """What it lets in."""
    password_file: Path

    @property
    def url(self) -> str:
        return f"rediss://{USER}@127.0.0.1:{self.port}/0"

    def settings(self) -> str:
        """The [broker] of a site that may use it."""
        return (
            f'[broker]\nurl = "{self.url}"\npassword_file = "{self.password_file}"\ntrusted = "{self.trusted}"\n'
            f'certificate = "{self.ours.certificate}"\nprivate_key = "{self.ours.private_key}"\n'
        )


@contextmanager
def secure_redis(folder: Path) -> Iterator[SecureRedis]:
    authority = Authority(folder / "authority")
    own, ours = authority.sign("redis"), authority.sign("worker")
    password_file = folder / "password"
    password_file.write_text(f"{PASSWORD}\n")
    server = SecureRedis(free_port(), authority.trusted, ours, password_file)
    users = folder / "users.acl"
    users.write_text(f"user default off\nuser {USER} on >{PASSWORD} ~* &* +@all\n")
    options = {
        "--port": "0",
        "--tls-port": str(server.port),
        "--bind": "127.0.0.1",
        "--save": "",
        "--dir": str(folder),
        "--tls-cert-file": str(own.certificate),
        "--tls-key-file": str(own.private_key),
        "--tls-ca-cert-file": str(authority.trusted),
        "--tls-auth-clients": "yes",
        "--aclfile": str(users),
    }
    command = [require_tool("redis-server"), *(word for option in options.items() for word in option)]
    log_file = folder / "server.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until(lambda: b"Ready to accept" in log_file.read_bytes(), START_TIMEOUT_S, f"Redis; see {log_file}")
            yield server
        finally:
            process.terminate()
            process.wait(30)
