"""The PACS of the demo: DCMTK's storescp where it is installed, else a small receiver of our own."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage
from pynetdicom import AE, evt
from pynetdicom.events import Event as NetworkEvent

AE_TITLE = "DEMOPACS"


@dataclass(frozen=True, kw_only=True)
class DemoPacs:
    """A running receiver and the folder where its objects arrive."""

    kind: str
    port: int
    folder: Path

    def received(self) -> list[Path]:
        """The objects received so far, oldest first."""
        return sorted((path for path in self.folder.iterdir() if path.is_file()), key=lambda path: path.stat().st_mtime)


@contextmanager
def demo_pacs(folder: Path) -> Iterator[DemoPacs]:
    """Run a receiver on a free loopback port until the end of the block."""
    folder.mkdir(parents=True)
    port = free_port()
    if storescp := shutil.which("storescp"):
        command = [storescp, "--aetitle", AE_TITLE, "--output-directory", str(folder), str(port)]
        # Without TCP_NODELAY, DCMTK's answers wait 40 ms each.
        process = subprocess.Popen(command, env={**os.environ, "TCP_NODELAY": "1"})  # noqa: S603
        try:
            yield DemoPacs(kind="DCMTK storescp", port=port, folder=folder)
        finally:
            process.terminate()
            process.wait()
    else:
        server = _own_receiver().start_server(
            ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, _keep, [folder])]
        )
        try:
            yield DemoPacs(kind="a small pynetdicom receiver", port=port, folder=folder)
        finally:
            if server is not None:
                server.shutdown()


def free_port() -> int:
    """A loopback port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _own_receiver() -> AE:
    ae = AE(ae_title=AE_TITLE)
    for sop_class in (Comprehensive3DSRStorage, ComprehensiveSRStorage):
        ae.add_supported_context(sop_class)
    return ae


def _keep(event: NetworkEvent, folder: Path) -> int:
    (folder / f"{event.dataset.SOPInstanceUID}.dcm").write_bytes(event.encoded_dataset())
    return 0x0000
