"""pynetdicom's process-wide settings, written in this one place, and the socket option that sending needs."""

import socket

from pynetdicom import _config
from pynetdicom.events import Event as NetworkEvent


def configure_pynetdicom() -> None:
    """Send data sets from files, and keep pynetdicom's logs quiet."""
    _config.LOG_HANDLER_LEVEL = "none"  # its log lines print data set values
    _config.STORE_SEND_CHUNKED_DATASET = True


def send_without_delay(event: NetworkEvent) -> None:
    """EVT_CONN_OPEN: command and data set are two writes; Nagle's algorithm would hold the second for 40 ms."""
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
