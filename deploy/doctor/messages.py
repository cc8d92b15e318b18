"""Whether receivers of messages and web servers can be reached: folders, and servers as far as a connection tells."""

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from config.sections.messages import MessageSettings
from config.settings import Settings
from dicom_node.findings import Check, FaultError

PORTS = {"http": 80, "https": 443}
TIMEOUT_S = 5.0


def can_be_reached(receiver: MessageSettings) -> Check:
    """A check that sends nothing: what a receiver says to a message, only a message shows."""

    def check(settings: Settings) -> str:
        if receiver.folder:
            return _folder(receiver)
        return f"{receiver.kind} to {takes_connections(receiver.url, '[[messages]]')(settings)}"

    return check


def _folder(receiver: MessageSettings) -> str:
    folder = Path(receiver.folder)
    if not folder.is_dir():
        raise FaultError(f"folder {folder} is not there: make it, or mount it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FaultError(f"folder {folder} cannot be written by this user: change its owner or mode")
    return f"{receiver.kind} to folder {folder}"


def takes_connections(url: str, section: str) -> Check:
    """A check whether the server of a URL is there; `section` is where its entry is."""

    def check(_: Settings) -> str:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
        try:
            socket.create_connection((host, port), timeout=TIMEOUT_S).close()
        except (OSError, UnicodeError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise FaultError(f"{host}:{port} takes no connection ({why}); check its entry in {section}") from error
        return f"{host}:{port}, which takes connections"

    return check
