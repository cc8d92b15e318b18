"""Telling somebody what is wrong: JSON to a webhook, or on the standard input of a command."""

import json
import os
import subprocess
from datetime import datetime
from importlib.metadata import version

from config.errors import DeliveryError, EchoWorkerError
from config.sections.monitoring import AlertKind, AlertSettings
from config.settings import Settings
from db.monitoring.alerts import Alert
from dicom_node.tls import client_context
from dicom_node.web_server import WebServer, read_bearer_token

ANSWER_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 30.0


def tell(settings: Settings, receiver: AlertSettings, alert: Alert, *, now: datetime) -> None:
    """Say it; the receiver has it when this returns.

    Raises
    ------
    EchoWorkerError
        It does not take it, or cannot be reached, or its token or certificate cannot be used. What it said itself is
        not in the message.
    """
    content = json.dumps(content_of(settings, alert, now=now)).encode()
    if receiver.kind is AlertKind.COMMAND:
        _run(receiver, content)
    else:
        _post(settings, receiver, content)


def content_of(settings: Settings, alert: Alert, *, now: datetime) -> dict[str, str]:
    """What is said: no PHI, no UIDs."""
    return {
        "status": "resolved" if alert.is_resolved else "firing",
        "cause": alert.cause,
        "subject": alert.subject,
        "said": alert.said,
        "since": alert.since.isoformat(),
        "at": now.isoformat(),
        "installation": settings.node.ae_title,
        "software": f"EchoWorker {version('echoworker')}",
    }


def _post(settings: Settings, receiver: AlertSettings, content: bytes) -> None:
    setting = f"alerts {receiver.name}"
    token = read_bearer_token(receiver.bearer_token_file, setting=setting)
    is_secure = receiver.url.startswith("https:")
    trusted = f"{setting}: trusted"
    tls = client_context(settings.tls, trusted=receiver.trusted, setting=trusted) if is_secure else None
    with WebServer(receiver.url, tls=tls, bearer_token=token, answer_timeout_s=ANSWER_TIMEOUT_S) as server:
        status, _ = server.post(content, {"Content-Type": "application/json"})
    if not 200 <= status < 300:
        raise DeliveryError(f"{server}: answered HTTP {status}")


def _run(receiver: AlertSettings, content: bytes) -> None:
    program = receiver.command[0]
    try:
        ended = subprocess.run(  # noqa: S603  the site's own program, without a shell
            receiver.command,
            input=content,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=os.sep,
        )
    except subprocess.TimeoutExpired as error:
        raise EchoWorkerError(f"{program}: not done within {COMMAND_TIMEOUT_S:g} s") from error
    except OSError as error:
        raise EchoWorkerError(f"{program}: cannot be run ({error.strerror or type(error).__name__})") from error
    if ended.returncode:
        raise EchoWorkerError(f"{program}: ended with {ended.returncode}")
