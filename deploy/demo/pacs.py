"""The PACS of the demo: a small receiver on the loopback, for as long as the demo runs.

DCMTK's storescp would be a more independent witness, but it listens on every interface of the machine, and a demo opens
no port to the network.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event as NetworkEvent

from dicom_node.report.companions import HEAT_MAP_CLASS, PAGE_CLASS
from dicom_node.report.heat_map import TRANSFER_SYNTAX

AE_TITLE = "DEMOPACS"
HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class DemoPacs:
    """A running receiver and the folder where its objects arrive."""

    port: int
    folder: Path

    def received(self) -> list[Path]:
        """The objects received so far, oldest first."""
        return sorted((path for path in self.folder.iterdir() if path.is_file()), key=lambda path: path.stat().st_mtime)


@contextmanager
def demo_pacs(folder: Path) -> Iterator[DemoPacs]:
    """Run a receiver on a free loopback port until the end of the block."""
    folder.mkdir(parents=True)
    ae = AE(ae_title=AE_TITLE)
    for sop_class in (Comprehensive3DSRStorage, ComprehensiveSRStorage, PAGE_CLASS):
        ae.add_supported_context(sop_class)
    ae.add_supported_context(HEAT_MAP_CLASS, TRANSFER_SYNTAX)
    port = free_port()
    server = ae.start_server((HOST, port), block=False, evt_handlers=[(evt.EVT_C_STORE, _keep, [folder])])
    try:
        yield DemoPacs(port=port, folder=folder)
    finally:
        if server is not None:
            server.shutdown()


def free_port() -> int:
    """A loopback port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _keep(event: NetworkEvent, folder: Path) -> int:
    instance = cast(C_STORE, event.request).AffectedSOPInstanceUID
    (folder / f"{instance}.dcm").write_bytes(event.encoded_dataset())
    return 0x0000
