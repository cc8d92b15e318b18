"""The page that is asked by Prometheus and by probes: HTTP, for reading alone, without a word about any patient."""

import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from config.errors import ConfigurationError
from config.kept_answers import Kept
from config.logs import Event, emit, place_of
from config.settings import Settings
from db.session import Database
from deploy.monitoring.metrics import Metrics
from dicom_node.readiness import health, look, readiness

REQUEST_TIMEOUT_S = 10.0
JSON = "application/json"

Page = tuple[HTTPStatus, str, bytes]
"""Status, content type, content."""


class MonitoringServer:
    """Answers in threads of its own until it is stopped."""

    def __init__(self, settings: Settings) -> None:
        """Listen.

        Raises
        ------
        ConfigurationError
            The address cannot be listened on.
        """
        kept_s = settings.monitoring.answers_kept_s
        metrics = Kept(Metrics(settings, Database.of(settings)).text, for_s=kept_s)
        ready = Kept(lambda: readiness(look(settings)), for_s=kept_s)
        pages: dict[str, Callable[[], Page]] = {
            "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE_PLAIN_0_0_4, metrics.get()),
            "/health": lambda: (HTTPStatus.OK, JSON, health().encode()),
            "/ready": lambda: _ready_page(*ready.get()),
        }
        host, port = settings.monitoring.host, settings.monitoring.port
        try:
            self._server = _Server((host, port), _handler_of(pages))
        except OSError as error:
            raise ConfigurationError(f"monitoring: cannot listen on {host}:{port}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="monitoring", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on; useful when it was configured as 0."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever asked has hung up: nothing to print a traceback for."""


def _handler_of(pages: Mapping[str, Callable[[], Page]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S
        server_version = "EchoWorker"
        sys_version = ""

        def do_GET(self) -> None:
            self.wfile.write(self._headed())

        def do_HEAD(self) -> None:
            self._headed()

        def _headed(self) -> bytes:
            """What is answered, whose status and headers are sent."""
            page = pages.get(urlsplit(self.path).path)
            if page is None:
                there = "".join(f"{path}\n" for path in pages)
                status, kind, content = HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", there.encode()
            else:
                status, kind, content = _answer(page)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            return content

        def log_message(self, format: str, *args: object) -> None:
            """Probes come every few seconds: they are no event."""

    return Handler


def _ready_page(is_ready: bool, said: str) -> Page:
    return (HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE), JSON, said.encode()


def _answer(page: Callable[[], Page]) -> Page:
    try:
        return page()
    except Exception as error:  # noqa: BLE001  who asks is told that it failed; the server goes on
        emit(Event.DUTY_FAILS, step="monitoring", error=place_of(error))
        return HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", b"failed: see the log\n"
