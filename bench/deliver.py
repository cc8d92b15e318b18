"""How fast reports go to a PACS, beside DCMTK's storescu, in one run.

    python -m bench.deliver [--reports N] [--rounds N]

Structured Reports of the whole catalogue, each with its own UIDs, go in one association to DCMTK's storescp. It is the
same for both senders, and keeps what comes as it came. They take turns, so that a slow minute is both's. Ours is what
delivers (dicom_node.send.send_files); it looks at every answer before the next object. All run with Nagle's algorithm
off. Seconds of the processor are those of the sender alone.
"""

import argparse
import os
import resource
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.uid import generate_uid

from config.catalogue import load_catalogue
from dicom_node.calling import Peer
from dicom_node.send import send_files
from tests.support.results import report_of, runs_of_every_answer
from tests.support.servers import StoreSCP, storescp

BAR_MS = 5.0
PDU_BYTES = 65536


@dataclass
class Sender:
    """One way to send the reports, and what each round took."""

    name: str
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def send(self, files: list[Path], server: StoreSCP) -> None:
        raise NotImplementedError

    def cpu_until_now(self) -> float:
        raise NotImplementedError


class Ours(Sender):
    def send(self, files: list[Path], server: StoreSCP) -> None:
        peer = Peer(host="127.0.0.1", port=server.port, ae_title=server.ae_title, calling_ae_title="ECHOWORKER")
        refused = [str(answer) for answer in send_files(files, peer) if not answer.accepted]
        if refused:
            raise SystemExit(f"storescp did not accept {len(refused)} of {len(files)} reports: {refused[0]}")

    def cpu_until_now(self) -> float:
        return time.process_time()


class Storescu(Sender):
    def send(self, files: list[Path], server: StoreSCP) -> None:
        command = [
            "storescu",
            "--max-send-pdu",
            str(PDU_BYTES),
            "--required",
            "--propose-little",
            "--call",
            server.ae_title,
        ]
        environment = {**os.environ, "TCP_NODELAY": "1"}
        ran = subprocess.run([*command, "127.0.0.1", str(server.port), *files], env=environment, check=False)
        if ran.returncode:
            raise SystemExit(f"storescu ended with {ran.returncode}")

    def cpu_until_now(self) -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime


def make_reports(folder: Path, count: int) -> list[Path]:
    """One report with an answer to every question of the catalogue, under so many UIDs."""
    catalogue = load_catalogue()
    report = report_of(runs_of_every_answer(catalogue)[1], catalogue)
    files = []
    for number in range(count):
        report.SOPInstanceUID = report.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        files.append(folder / f"{number:04}.dcm")
        report.save_as(files[-1], enforce_file_format=True)
    return files


def visit(sender: Sender, files: list[Path], server: StoreSCP) -> tuple[float, float]:
    """Seconds of the clock and of the processor until everything is accepted; the server forgets it then."""
    wall, cpu = time.perf_counter(), sender.cpu_until_now()
    sender.send(files, server)
    took = time.perf_counter() - wall, sender.cpu_until_now() - cpu
    stored = list(server.folder.iterdir())
    if len(stored) != len(files):
        raise SystemExit(f"storescp has {len(stored)} of {len(files)} reports of {sender.name}")
    for file in stored:
        file.unlink()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    senders = [Ours("EchoWorker"), Storescu("DCMTK storescu")]
    with tempfile.TemporaryDirectory(prefix="bench-deliver-") as scratch:
        folder = Path(scratch)
        (folder / "reports").mkdir()
        files = make_reports(folder / "reports", arguments.reports)
        with storescp(folder, options=["--accept-all", "--bit-preserving", "--max-pdu", str(PDU_BYTES)]) as server:
            for turn in range(arguments.rounds + 1):
                for sender in senders:
                    wall, cpu = visit(sender, files, server)
                    if turn:  # the first round warms up
                        sender.wall_s.append(wall)
                        sender.cpu_s.append(cpu)
        size = statistics.mean(file.stat().st_size for file in files)
    print(f"{len(files)} reports of {size / 1000:.0f} kB in one association; {arguments.rounds} rounds, ms a report")
    for sender in senders:
        wall, least, most = (1000 * pick(sender.wall_s) / len(files) for pick in (statistics.median, min, max))
        cpu = 1000 * statistics.median(sender.cpu_s) / len(files)
        print(f"{sender.name:16} {wall:6.2f} ({least:.2f} - {most:.2f})   processor {cpu:.2f}")
    ours, theirs = senders
    ratio = statistics.median(own / other for own, other in zip(ours.wall_s, theirs.wall_s, strict=True))
    best = 1000 * min(ours.wall_s) / len(files)
    print(f"{ours.name} / {theirs.name}: {ratio:.2f}; bar {BAR_MS:g} ms: {'met' if best <= BAR_MS else 'missed'}")


if __name__ == "__main__":
    main()
