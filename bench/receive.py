"""How fast the node receives, beside DCMTK's storescp and Orthanc, in one run.

    python -m bench.receive [--rounds N] [--memory]

A study of 60 clips of 3 MB is sent by DCMTK's dcmsend, over one association and over four at once. The receivers are up
together and are visited in turn, so that a slow minute of the machine is everybody's. Ours keeps every instance durable
(fsync of file and folder) before it answers, and registers it meanwhile; the others do neither. All run with Nagle's
algorithm off (TCP_NODELAY=1), without which DCMTK waits 40 ms for each answer.
"""

import argparse
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, UltrasoundMultiFrameImageStorage, generate_uid

from tests.support.servers import free_port

INSTANCES = 60
FRAMES = 60
FRAME_BYTES = 50_000
PDU_BYTES = 131072
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1", "PYTHONSAFEPATH": "1", "PYTHONPATH": str(Path.cwd())}


@dataclass
class Receiver:
    """One storage SCP that is up, and how to see and to forget what it has stored."""

    name: str
    ae_title: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    seconds: dict[int, list[float]] = field(default_factory=lambda: {1: [], 4: []})

    def stored(self) -> int:
        return sum(1 for path in self.folder.rglob("*") if path.is_file())

    def forget(self) -> None:
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def peak_memory_mb(self) -> float:
        """The largest resident set of any of its processes that still runs."""
        return max(_peak_kb(pid) for pid in _family(self.process.pid)) / 1024


class Ours(Receiver):
    @property
    def spool(self) -> Path:
        return self.folder.parent

    def forget(self) -> None:
        _wait(lambda: not any((self.spool / "unregistered").glob("*.dcm")), "our node to register everything")
        super().forget()


class Orthanc(Receiver):
    http_port: int = 0

    def _ask(self, path: str, method: str = "GET") -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            return bytes(response.read())

    def stored(self) -> int:
        return int(json.loads(self._ask("/statistics"))["CountInstances"])

    def forget(self) -> None:
        for study in json.loads(self._ask("/studies")):
            self._ask(f"/studies/{study}", "DELETE")


def make_study(folder: Path) -> list[Path]:
    """Clips that differ in nothing but their UID and their (random) frames; no receiver looks into these."""
    study, series = generate_uid(), generate_uid()
    files = []
    for number in range(INSTANCES):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        dataset.SOPClassUID = UltrasoundMultiFrameImageStorage
        dataset.SOPInstanceUID = generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
        dataset.Modality, dataset.PatientID, dataset.PatientName = "US", "BENCH", "Bench^Receive"
        dataset.Rows, dataset.Columns, dataset.NumberOfFrames, dataset.FrameTime = 600, 800, FRAMES, "33.3"
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "YBR_FULL_422"
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation, dataset.PlanarConfiguration = 7, 0, 0
        dataset.PixelData = encapsulate([secrets.token_bytes(FRAME_BYTES) for _ in range(FRAMES)])
        dataset["PixelData"].is_undefined_length = True
        files.append(folder / f"{number:03}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    return files


@contextmanager
def running(command: list[str], folder: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT | environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def ours(folder: Path, processes: int = 1) -> Iterator[Receiver]:
    port = free_port()
    environment = {
        "ECHOWORKER_DATA_DIR": str(folder / "data"),
        "ECHOWORKER_NODE__PORT": str(port),
        "ECHOWORKER_NODE__PROCESSES": str(processes),
    }
    command = [sys.executable, "-m", "deploy.cli"]
    subprocess.run([*command, "db", "upgrade"], env=ENVIRONMENT | environment, check=True, stdout=subprocess.DEVNULL)
    with running([*command, "node"], folder, **environment) as process:
        name = f"ours, fsync, {processes} process{'es' if processes > 1 else ''}"
        yield Ours(name, "ECHOWORKER", port, folder / "data/spool/studies", process)


@contextmanager
def dcmtk(folder: Path) -> Iterator[Receiver]:
    port, received = free_port(), folder / "received"
    received.mkdir()
    command = ["storescp", "--fork", "--aetitle", "DCMTK", "+xa", "--max-pdu", str(PDU_BYTES)]
    with running([*command, "--output-directory", str(received), str(port)], folder) as process:
        yield Receiver("DCMTK storescp --fork", "DCMTK", port, received, process)


@contextmanager
def orthanc(folder: Path) -> Iterator[Receiver]:
    port, http_port = free_port(), free_port()
    settings = {"StorageDirectory": str(folder), "IndexDirectory": str(folder), "DicomAet": "ORTHANC"}
    settings |= {"DicomPort": port, "HttpPort": http_port, "AuthenticationEnabled": False, "DicomThreadsCount": 4}
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with running(["Orthanc", str(folder / "orthanc.json")], folder) as process:
        receiver = Orthanc("Orthanc", "ORTHANC", port, folder, process)
        receiver.http_port = http_port
        yield receiver


def send(files: list[Path], receiver: Receiver, associations: int) -> float:
    """Seconds until the last of so many senders, started together, has ended."""
    command = ["dcmsend", "--max-send-pdu", str(PDU_BYTES), "--call", receiver.ae_title]
    began = time.perf_counter()
    senders = [
        subprocess.Popen(
            [*command, "127.0.0.1", str(receiver.port), *files[part::associations]],
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
        )
        for part in range(associations)
    ]
    codes = [sender.wait() for sender in senders]
    seconds = time.perf_counter() - began
    if any(codes):
        raise SystemExit(f"dcmsend to {receiver.name} ended with {codes}")
    return seconds


def visit(files: list[Path], receiver: Receiver, associations: int) -> float:
    seconds = send(files, receiver, associations)
    if (stored := receiver.stored()) < len(files):
        raise SystemExit(f"{receiver.name} stored {stored} of {len(files)} instances")
    receiver.forget()
    return seconds


def compare(files: list[Path], receivers: list[Receiver], rounds: int) -> None:
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    for turn in range(rounds + 1):
        for associations in (1, 4):
            for receiver in receivers:
                seconds = visit(files, receiver, associations)
                if turn:  # the first round warms up
                    receiver.seconds[associations].append(seconds)
    print(f"{len(files)} instances, {megabytes:.0f} MB; median of {rounds} rounds (fastest - slowest), MB/s")
    for receiver in receivers:
        cells = []
        for associations, seconds in receiver.seconds.items():
            middle, most, least = (megabytes / pick(seconds) for pick in (statistics.median, min, max))
            cells.append(f"{associations} assoc. {middle:4.0f} ({least:4.0f}-{most:4.0f})")
        print(f"{receiver.name:28} {'   '.join(cells)}   peak {receiver.peak_memory_mb():4.0f} MB a process")
    for mine in (receiver for receiver in receivers if isinstance(receiver, Ours)):
        for peer in (receiver for receiver in receivers if not isinstance(receiver, Ours)):
            ratios = [
                statistics.median(theirs / own for theirs, own in zip(peer.seconds[n], mine.seconds[n], strict=True))
                for n in (1, 4)
            ]
            print(f"{mine.name} / {peer.name}: {ratios[0]:.2f} at 1 association, {ratios[1]:.2f} at 4")


def watch_memory(files: list[Path], receiver: Receiver) -> None:
    """Whether the memory of a process grows with the number of instances: 1,020 and more of them."""
    peaks = []
    for _ in range(17):
        visit(files, receiver, 4)
        peaks.append(receiver.peak_memory_mb())
    sent = INSTANCES * len(peaks)
    print(
        f"{receiver.name}: peak memory {peaks[0]:.0f} MB after {INSTANCES} instances, {peaks[-1]:.0f} MB after {sent}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="also send 1,020 instances to ours and watch its memory")
    parser.add_argument("--folder", type=Path, default=None, help="where everybody stores; by default, here")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder or Path.cwd(), prefix=".bench-") as scratch,
        ExitStack() as up,
    ):
        folders = [Path(scratch) / name for name in ("study", "ours", "ours-4", "dcmtk", "orthanc")]
        for folder in folders:
            folder.mkdir()
        files = make_study(folders[0])
        receivers = [
            up.enter_context(ours(folders[1])),
            up.enter_context(ours(folders[2], processes=4)),
            up.enter_context(dcmtk(folders[3])),
            up.enter_context(orthanc(folders[4])),
        ]
        for receiver in receivers:
            _wait(lambda receiver=receiver: _answers(receiver), f"{receiver.name} to answer")
        compare(files, receivers, arguments.rounds)
        if arguments.memory:
            watch_memory(files, receivers[0])


def _answers(receiver: Receiver) -> bool:
    command = ["echoscu", "--call", receiver.ae_title, "127.0.0.1", str(receiver.port)]
    return subprocess.run(command, capture_output=True, check=False, env=ENVIRONMENT).returncode == 0


def _wait(condition, what: str) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited 60 s for {what}")
        time.sleep(0.1)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _peak_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    main()
