"""Requests to a web server that is to take something of ours, and what it means when none comes about."""

import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from config.errors import ConfigurationError, DeliveryError, UnansweredError

CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 60.0
LONGEST_ANSWER = 1 << 24
NOT_NOW = (401, 403, 404, 407, 408, 429)
"""They say nothing of what was sent, but of our token, of an address where no service is, or of the server's load.

Unauthorized, Forbidden, Not Found, Proxy Authentication Required, Request Timeout, Too Many Requests (RFC 9110, 6585).
"""
NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
"""What fails before anything of a request has left."""
IN_DOUBT = (500, 502, 504)
"""They say that something broke behind the server's door: before the object was stored, or after it.

Internal Server Error, Bad Gateway, Gateway Timeout (RFC 9110).
"""


class WebServer:
    """A server that is posted to, over one connection while it likes; a context manager."""

    def __init__(
        self,
        url: str,
        *,
        tls: ssl.SSLContext | None = None,
        bearer_token: str = "",
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._answer_timeout_s = answer_timeout_s
        self._headers = {"Authorization": f"Bearer {bearer_token}"} if bearer_token else {}
        self._url = url
        timeout = httpx2.Timeout(answer_timeout_s, connect=CONNECT_TIMEOUT_S)
        # No proxy of the environment: patients' data go where the settings say, and nowhere else.
        self._client = httpx2.Client(verify=True if tls is None else tls, trust_env=False, timeout=timeout)

    def __enter__(self) -> "WebServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def __str__(self) -> str:
        """Scheme, host and port: no path, which may be a secret of the site."""
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"

    def post(self, content: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        """Send this and wait for the answer: its HTTP status, and its content.

        Raises
        ------
        DeliveryError
            The server is out of reach, in trouble (5xx), busy, does not let us in, or is not at this address. Its own
            words, which may name the patient, are not in the message.
        UnansweredError
            Some of it has left, and nobody knows what became of it: no answer in time, or a server that failed on it.
        """
        try:
            with self._client.stream("POST", self._url, content=content, headers=headers | self._headers) as response:
                # From here: a large object may take longer than that to leave.
                until = time.monotonic() + self._answer_timeout_s
                status, answer = response.status_code, self._content(response, until=until)
        except NOT_SENT as error:
            raise DeliveryError(f"{self}: {_why(error)}") from error
        except httpx2.HTTPError as error:
            raise UnansweredError(f"{self}: {_why(error)}") from error
        if status in IN_DOUBT:
            raise UnansweredError(f"{self}: answered HTTP {status}; its own log says why")
        if status in NOT_NOW or status >= 500:
            raise DeliveryError(f"{self}: answered HTTP {status}; its own log says why")
        return status, answer

    def _content(self, response: httpx2.Response, *, until: float) -> bytes:
        content = b""
        for some in response.iter_bytes():
            content += some
            if time.monotonic() > until:  # the client's own limit is for each piece
                raise UnansweredError(f"{self}: no answer in time")
            if len(content) > LONGEST_ANSWER:
                raise UnansweredError(f"{self}: answered with more than a server's answer can be")
        return content


def read_bearer_token(file: str, *, setting: str) -> str:
    """The token in a file, read anew for each call; empty where no file is named. `setting` is what names it.

    Raises
    ------
    ConfigurationError
        The file cannot be read, or holds no token in one line.
    """
    if not file:
        return ""
    try:
        token = Path(file).read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise ConfigurationError(f"{setting}: bearer_token_file {file} cannot be read") from error
    if not token or not token.isprintable():
        raise ConfigurationError(f"{setting}: bearer_token_file holds no token in one line")
    return token


def _why(error: httpx2.HTTPError) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx2.RemoteProtocolError):
        return "answered with what is no HTTP"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return f"TLS does not come about ({cause.reason or 'no reason given'})"
        cause = cause.__cause__ or cause.__context__
    return "cannot be reached: check address, port and firewall"
