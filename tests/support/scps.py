"""SCPs made with pynetdicom, for what no real one can be told to do."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pynetdicom import AE
from pynetdicom.events import EventHandlerType


@contextmanager
def serving(ae: AE, handlers: Sequence[EventHandlerType] = (), *, port: int = 0) -> Iterator[int]:
    """Let an application entity take associations on the loopback until the end of the block: its port."""
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=list(handlers))
    assert server is not None
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
