"""Kombu's filesystem transport with messages that appear whole and are taken once.

The stock transport writes a message in place, and a consumer may move it away before it is written; it takes
messages by way of the system's temporary folder, which on another file system is a copy and not atomic. Here
a message is written beside the queue and renamed into it, and a consumer renames it out before reading it.

Which queue belongs to which exchange is kept in memory, as by kombu's other transports without a server: every
process declares what it uses, and the file that the stock transport keeps for it is empty after a bad moment.
"""

import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.exceptions import ChannelError
from kombu.transport import TRANSPORT_ALIASES, filesystem, virtual
from kombu.utils.json import dumps, loads

from config.whole_files import write_whole


class Channel(filesystem.Channel):
    """A channel whose messages are published, and taken, by rename."""

    supports_fanout = False  # so that no binding is written down
    get_table = virtual.Channel.get_table

    def _put(  # type: ignore[override]  # as kombu itself overrides it
        self, queue: str, payload: Any, **kwargs: Any
    ) -> None:
        folder = Path(self.data_folder_out)
        # The name is what the stock transport counts and purges by: time, then the queue after the first dot.
        name = f"{time.time_ns() // 1_000_000}_{uuid.uuid4()}"
        try:
            write_whole(folder / f"{name}.{queue}.msg", dumps(payload).encode())
        except OSError as error:
            raise ChannelError(f"cannot write a message into {folder}: {error.strerror}") from error

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for waiting in sorted(Path(self.data_folder_in).glob(f"[!.]*.{queue}.msg")):
            taken = Path(self.processed_folder) / waiting.name
            try:
                waiting.rename(taken)
            except FileNotFoundError:
                continue  # another consumer was first
            if message := _message(taken):
                return message
        raise Empty


def _message(taken: Path) -> Any:
    """The message of a file; None when it holds none. A wake-up is worth no worker: the registry knows what is due."""
    try:
        content = loads(taken.read_text())
    except ValueError:
        return None  # torn by a loss of power, and left for a look
    if not isinstance(content, dict) or not content.keys() >= _NEEDED or not _deliverable(content["properties"]):
        return None
    taken.unlink()
    return content


def _deliverable(properties: object) -> bool:
    return isinstance(properties, dict) and {"delivery_tag", "delivery_info"} <= properties.keys()


_NEEDED = {"body", "headers", "properties"}


class Transport(filesystem.Transport):
    """The transport behind ``filesystem://`` in this process once `install` was called."""

    Channel = Channel


def install() -> None:
    """Let ``filesystem://`` mean this transport."""
    TRANSPORT_ALIASES["filesystem"] = f"{__name__}:Transport"
