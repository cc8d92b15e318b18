"""`echoworker demo`: a real ultrasound clip through the whole live system, and what a PACS gets back."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pydicom
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from config.catalogue import load_catalogue
from config.errors import EchoWorkerError
from config.settings import CONFIG_VARIABLE, Settings, load_settings
from db.queries import study_detail
from db.session import Database
from db.states import StudyState
from deploy.demo_pacs import AE_TITLE, HOST, DemoPacs, demo_pacs, free_port
from deploy.sr_view import sr_tree
from deploy.stopping import PARENT_VARIABLE, stop_on_signals
from deploy.tables import study_view
from dicom_node.calling import Peer, echo
from dicom_node.send import send_files

MARKER = ".echoworker-demo"
"""Only a folder with this file in it is emptied."""
START_TIMEOUT_S = 60
STUDY_TIMEOUT_S = 180
ENDED = {StudyState.DELIVERED, StudyState.FAILED, StudyState.SKIPPED}

_CONFIGURATION = """\
# The installation that `echoworker demo` ran. Run it again with: echoworker --config THIS-FILE up
data_dir = {data}

[node]
port = {port}

[study]
quiet_period_s = 3

[[peers]]
roles = ["destination"]
name = "demo-pacs"
host = "127.0.0.1"
port = {pacs_port}
ae_title = "{pacs_ae_title}"
accept_models = ["UNTRAINED"]   # never so for a real PACS
"""


def run_demo(folder: Path, console: Console) -> None:
    """Start the embedded default beside a small PACS, send real clips, and show what became of them.

    Ctrl-C, or SIGTERM, stops it all and leaves nothing running.

    Raises
    ------
    EchoWorkerError
        The system did not start, or a study did not end DELIVERED; the message says where the logs are.
    """
    stop = stop_on_signals()
    _empty(folder)
    with demo_pacs(folder / "pacs") as pacs:
        settings = _configure(folder, pacs)
        console.print(f"PACS: a small receiver on this machine, AE title {AE_TITLE}, port {pacs.port}")
        with _system(folder, settings, console, stop):
            studies = _send_clips(folder, settings, console)
            states = _wait(settings, studies, console, stop)
        _show(settings, studies, pacs, console)
    if undelivered := [uid for uid in studies if states[uid] is not StudyState.DELIVERED]:
        raise EchoWorkerError(f"{len(undelivered)} studies were not delivered; the log is {folder / 'system.log'}")


def _empty(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise EchoWorkerError(f"{folder} holds something else: name another folder with --folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARKER).touch()


def _configure(folder: Path, pacs: DemoPacs) -> Settings:
    file = folder / "echoworker.toml"
    file.write_text(
        _CONFIGURATION.format(
            data=_toml_string(folder / "data"), port=free_port(), pacs_port=pacs.port, pacs_ae_title=AE_TITLE
        )
    )
    for variable in [name for name in os.environ if name.startswith("ECHOWORKER_")]:
        del os.environ[variable]  # the demo is the same whatever this shell is set up for
    os.environ[CONFIG_VARIABLE] = str(file)
    return load_settings()


def _toml_string(path: Path) -> str:
    """A basic string of TOML; it escapes as JSON does, and the delete character besides."""
    return json.dumps(str(path), ensure_ascii=False).replace("\x7f", "\\u007f")


@contextmanager
def _system(folder: Path, settings: Settings, console: Console, stop: threading.Event) -> Iterator[None]:
    """The whole product, as `echoworker up` runs it, logging to a file."""
    with (folder / "system.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "up"],
            stdout=log,
            stderr=log,
            env={**os.environ, PARENT_VARIABLE: str(os.getpid()), "PYTHONSAFEPATH": "1"},
            start_new_session=True,  # Ctrl-C is for us; we stop it
        )
        try:
            _wait_for_node(settings, process, folder, stop)
            console.print(f"EchoWorker: AE title {settings.node.ae_title}, port {settings.node.port}")
            yield
        finally:
            process.terminate()
            process.wait()


def _wait_for_node(settings: Settings, process: subprocess.Popen[bytes], folder: Path, stop: threading.Event) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            echo(_node(settings))
        except EchoWorkerError:
            _pause(stop)
        else:
            return
    raise EchoWorkerError(f"the system did not start; its log is {folder / 'system.log'}")


def _node(settings: Settings) -> Peer:
    return Peer(host=HOST, port=settings.node.port, ae_title=settings.node.ae_title, calling_ae_title="ECHOMACHINE")


def _send_clips(folder: Path, settings: Settings, console: Console) -> list[str]:
    """Send each clip as a study of its own; their Study Instance UIDs."""
    files = _clips(folder)
    if len(files) > 1:
        console.print("The two clips are one acquisition at two sizes; the second is sent as a study of its own.")
    for answer in send_files(files, _node(settings)):
        console.print(f"C-STORE {answer.path.name}: {answer}", markup=False)
        if not answer.accepted:
            raise EchoWorkerError(f"{answer.path.name} was not accepted")
    return [str(pydicom.dcmread(file, specific_tags=["StudyInstanceUID"]).StudyInstanceUID) for file in files]


def _clips(folder: Path) -> list[Path]:
    """The real apical clip that pydicom brings, and the larger one of pydicom-data where that is installed."""
    small = get_testdata_file("examples_ybr_color.dcm", download=False)
    large = get_testdata_file("color3d_jpeg_baseline.dcm", download=False)
    if small is None:
        raise EchoWorkerError("pydicom came without its example files: reinstall it")
    return [Path(small)] + ([_as_study_of_its_own(Path(large), folder)] if large is not None else [])


def _as_study_of_its_own(clip: Path, folder: Path) -> Path:
    # The two files are one acquisition at two sizes, and carry the same UIDs: sent as they are, the second would
    # be other bytes under a known SOP Instance UID.
    dataset = pydicom.dcmread(clip)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = (generate_uid() for _ in range(3))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    copy = folder / clip.name
    dataset.save_as(copy)
    return copy


def _wait(settings: Settings, studies: Sequence[str], console: Console, stop: threading.Event) -> dict[str, StudyState]:
    """Follow the studies until each has ended."""
    registry = Database(settings.database_url)
    deadline = time.monotonic() + STUDY_TIMEOUT_S
    columns = (SpinnerColumn(), TextColumn("study {task.description}"), TextColumn("[bold]{task.fields[state]}"))
    states: dict[str, StudyState] = {}
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bars = {uid: progress.add_task(f"…{uid[-16:]}", total=1, state="sent") for uid in studies}
        while (time.monotonic() < deadline and not set(states.values()) <= ENDED) or len(states) < len(studies):
            for uid in studies:
                states[uid] = _state(registry, uid)
                progress.update(bars[uid], state=states[uid], completed=states[uid] in ENDED)
            _pause(stop)
    return states


def _pause(stop: threading.Event) -> None:
    """Between two looks; where the demo is stopped, since it would be in the midst of something anywhere else."""
    if stop.wait(0.2):
        raise EchoWorkerError("the demo was stopped")


def _state(registry: Database, uid: str) -> StudyState:
    with registry.read() as session:
        try:
            return StudyState(study_detail(session, uid).study.state)
        except EchoWorkerError:
            return StudyState.RECEIVING  # stored, and about to be registered


def _show(settings: Settings, studies: Sequence[str], pacs: DemoPacs, console: Console) -> None:
    catalogue = load_catalogue()
    with Database(settings.database_url).read() as session:
        for uid in studies:
            console.rule()
            console.print(study_view(study_detail(session, uid), catalogue, width=console.width))
    reports = {path: pydicom.dcmread(path, force=True) for path in pacs.received()}
    for path, report in sorted(reports.items(), key=lambda item: studies.index(item[1].StudyInstanceUID)):
        console.rule("The report as the PACS received it")
        console.print(f"of study {report.StudyInstanceUID}", highlight=False, soft_wrap=True)
        console.print(sr_tree(report))
        console.print(f"file: {path}", highlight=False, markup=False, soft_wrap=True)
    console.rule()
    file = os.environ[CONFIG_VARIABLE]
    command = shlex.join([sys.argv[0], "--config", file])
    again = f"{shlex.quote(sys.executable)} -m pynetdicom storescp {pacs.port} -aet {AE_TITLE} -ba {HOST}"
    for line in (
        f"registry  {settings.database_url}",
        f"spool     {settings.spool_dir}",
        f"PACS      {pacs.folder}",
        f"settings  {file}",
        "",
        f"Look again:  {command} study {studies[0]}",
        f"Run it:      {command} up",
        f"Its PACS is gone with the demo: until one listens on port {pacs.port}, reports wait. Another one:",
        f"             {again} -od {shlex.quote(str(pacs.folder))}",
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
