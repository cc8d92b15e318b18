"""pynetdicom's process-wide settings, written in this one place, the socket option of sending, and addresses."""

import socket
import tempfile
from pathlib import Path

from pynetdicom import _config
from pynetdicom.events import Event as NetworkEvent


def configure_pynetdicom() -> None:
    """Send data sets from files, and keep pynetdicom's logs quiet."""
    _config.LOG_HANDLER_LEVEL = "none"  # its log lines print data set values
    _config.STORE_SEND_CHUNKED_DATASET = True


def receive_into_files(folder: Path | None) -> None:
    """Let pynetdicom put each data set that it receives into a temporary file of `folder`; None: into memory, again.

    It has no setting for the folder: it takes that of the process, for which a receiving one has no other use.
    """
    _config.STORE_RECV_CHUNKED_DATASET = folder is not None
    tempfile.tempdir = None if folder is None else str(folder)


def send_without_delay(event: NetworkEvent) -> None:
    """EVT_CONN_OPEN: command and data set are two writes; Nagle's algorithm would hold the second for 40 ms."""
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
