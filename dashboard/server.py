"""The process that answers browsers and programs."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from config.errors import ConfigurationError
from config.settings import Settings
from dashboard.access.signing_in import make_first_account
from dashboard.application import create_app
from dashboard.installation import Installation


class DashboardServer:
    """Answers in a thread of its own until it is stopped."""

    def __init__(self, settings: Settings) -> None:
        """Open the installation, and listen.

        Raises
        ------
        ConfigurationError
            The address cannot be listened on, or the certificate cannot be used.
        """
        wanted = settings.dashboard
        here = Installation.of(settings)
        self.first_password: Path | None = make_first_account(here)
        """Where the password lies of the account that was just made; None where it was there."""
        config = uvicorn.Config(
            create_app(here),
            host=wanted.host,
            port=wanted.port,
            ssl_certfile=wanted.certificate or None,
            ssl_keyfile=wanted.private_key or None,
            log_config=None,  # its access log would have searches in it, which name patients
            access_log=False,
            proxy_headers=False,  # the application looks at them, where a proxy is believed
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        try:
            config.load()
            self._socket = _listening(wanted.host, wanted.port)
        except OSError as error:
            address = f"{wanted.host}:{wanted.port}"
            raise ConfigurationError(f"dashboard: cannot listen on {address}: {error.strerror}") from error
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="dashboard")

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End: what is being answered is answered."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


def _listening(host: str, port: int) -> socket.socket:
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
    except OSError:
        listening.close()
        raise
    return listening


class _Server(uvicorn.Server):
    """One that leaves signals to whoever started it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
