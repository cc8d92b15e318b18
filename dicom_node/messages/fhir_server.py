"""A Bundle to a FHIR server: POST to its base (FHIR R4, RESTful API, transaction)."""

import json
import ssl
import time
from urllib.parse import urlsplit

import httpx2

from config.errors import DeliveryError, RefusedError

MEDIA_TYPE = "application/fhir+json"
CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 60.0
LONGEST_ANSWER = 1 << 24
NOT_NOW = (408, 429)
"""Request Timeout, Too Many Requests (RFC 9110, RFC 6585): they say nothing of what was sent."""
_BAD = {"error", "fatal"}


def post_bundle(
    bundle: bytes,
    url: str,
    *,
    tls: ssl.SSLContext | None = None,
    bearer_token: str = "",
    answer_timeout_s: float = ANSWER_TIMEOUT_S,
) -> str:
    """Send a transaction and wait until it is carried out, or taken over by a gateway; the HTTP status.

    A success has a status of 200 to 299 and no content, or a FHIR resource that tells of none but successes: the login
    page of some proxy in between is none.

    Raises
    ------
    DeliveryError
        The server is out of reach, in trouble (HTTP 5xx), busy, or gives no answer in time.
    RefusedError
        Its answer is no success. Its own words, which may name the patient, are in neither message.
    """
    place = _place(url)
    headers = {"Content-Type": f"{MEDIA_TYPE}; charset=utf-8", "Accept": MEDIA_TYPE}
    if bearer_token:
        headers["Authorization"] = f"Bearer {bearer_token}"
    timeout = httpx2.Timeout(answer_timeout_s, connect=CONNECT_TIMEOUT_S)
    until = time.monotonic() + answer_timeout_s
    # No proxy of the environment: patients' data go where the settings say, and nowhere else.
    with httpx2.Client(verify=True if tls is None else tls, trust_env=False, timeout=timeout) as client:
        try:
            with client.stream("POST", url, content=bundle, headers=headers) as response:
                status, content = response.status_code, _content(response, place, until=until)
        except httpx2.TimeoutException as error:
            raise DeliveryError(f"{place}: no answer in time") from error
        except httpx2.HTTPError as error:
            raise DeliveryError(f"{place}: {_why(error)}") from error
    if status in NOT_NOW or status >= 500:
        raise DeliveryError(f"{place}: answered HTTP {status}; its own log says why")
    if not 200 <= status < 300:
        raise RefusedError(f"{place}: answered HTTP {status}; its own log says why")
    if content.strip() and not _tells_of_success(content):
        raise RefusedError(f"{place}: answered HTTP {status} with what is no FHIR resource, or tells of a failure")
    return f"HTTP {status}"


def _content(response: httpx2.Response, place: str, *, until: float) -> bytes:
    content = b""
    for some in response.iter_bytes():
        content += some
        if time.monotonic() > until:  # the client's own limit is for each piece
            raise DeliveryError(f"{place}: no answer in time")
        if len(content) > LONGEST_ANSWER:
            raise DeliveryError(f"{place}: answered with more than a server's answer can be")
    return content


def _tells_of_success(content: bytes) -> bool:
    try:
        resource = json.loads(content)
    except ValueError:
        return False
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        return False
    issues = resource.get("issue") or []
    entries = resource.get("entry") or []
    if not isinstance(issues, list) or not isinstance(entries, list):
        return False
    return all(_is_harmless(issue) for issue in issues) and all(_succeeded(entry) for entry in entries)


def _is_harmless(issue: object) -> bool:
    """Of an OperationOutcome."""
    return isinstance(issue, dict) and issue.get("severity") not in _BAD


def _succeeded(entry: object) -> bool:
    """Of a Bundle of answers; an entry without one has nothing to say."""
    response = entry.get("response") if isinstance(entry, dict) else None
    return not isinstance(response, dict) or str(response.get("status", "2")).startswith("2")


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"


def _why(error: httpx2.HTTPError) -> str:
    if isinstance(error, httpx2.RemoteProtocolError):
        return "answered with what is no HTTP"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return f"TLS does not come about ({cause.reason or 'no reason given'})"
        cause = cause.__cause__ or cause.__context__
    return "cannot be reached: check address, port and firewall"
