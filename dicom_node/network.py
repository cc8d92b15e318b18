"""pynetdicom's process-wide settings, written in this one place, and the socket option that sending needs."""

import socket
import tempfile
from pathlib import Path

from pynetdicom import _config
from pynetdicom.events import Event as NetworkEvent


def configure_pynetdicom(*, receive_into: Path | None = None) -> None:
    """Stream data sets from and to files instead of memory, and keep pynetdicom's logs quiet.

    `receive_into` is where files lie while they are received: the spool's own file system, so that giving them
    their final name needs no copy.
    """
    _config.LOG_HANDLER_LEVEL = "none"  # its log lines print data set values
    _config.STORE_SEND_CHUNKED_DATASET = True
    if receive_into is not None:
        _config.STORE_RECV_CHUNKED_DATASET = True
        # It takes no folder for these files; only the process-wide default reaches them.
        tempfile.tempdir = str(receive_into)


def send_without_delay(event: NetworkEvent) -> None:
    """EVT_CONN_OPEN: command and data set are two writes; Nagle's algorithm would hold the second for 40 ms."""
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
