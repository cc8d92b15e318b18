"""A Bundle to a FHIR server: POST to its base (FHIR R4, RESTful API, transaction)."""

import json
import ssl

from config.errors import RefusedError
from dicom_node.web_server import ANSWER_TIMEOUT_S, WebServer

MEDIA_TYPE = "application/fhir+json"
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
        The server is out of reach, in trouble (HTTP 5xx), busy, does not let us in, or gives no answer in time.
    RefusedError
        Its answer is no success. Its own words, which may name the patient, are in neither message.
    """
    headers = {"Content-Type": f"{MEDIA_TYPE}; charset=utf-8", "Accept": MEDIA_TYPE}
    with WebServer(url, tls=tls, bearer_token=bearer_token, answer_timeout_s=answer_timeout_s) as server:
        status, content = server.post(bundle, headers)
    if not 200 <= status < 300:
        raise RefusedError(f"{server}: answered HTTP {status}; its own log says why")
    if content.strip() and not _tells_of_success(content):
        raise RefusedError(f"{server}: answered HTTP {status} with what is no FHIR resource, or tells of a failure")
    return f"HTTP {status}"


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
