"""`echoworker demo`: synthetic echo studies through the whole live system, what it saw, and what a PACS gets back."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from config.catalogue import load_catalogue
from config.errors import EchoWorkerError
from config.settings import CONFIG_VARIABLE, Settings, load_settings
from db.consistency.discordance_review import list_discordances
from db.reading.queries import study_detail
from db.session import Database
from db.states import StudyState
from deploy.demo.dashboard import dashboard_lines, stay_for_looking, wait_for_dashboard
from deploy.demo.pacs import AE_TITLE, HOST, DemoPacs, demo_pacs, free_port
from deploy.demo.studies import DEMO_STUDIES, make_demo_studies
from deploy.demo.view import companions_table, disagreements_table, truth_table
from deploy.printing.structured_reports import sr_tree
from deploy.printing.tables import study_view
from deploy.processes.stopping import PARENT_VARIABLE, stop_on_signals
from dicom_node.calling import Peer, echo
from dicom_node.send import send_files
from worker.phantom.truth import StudyKind, StudyTruth

MARKER = ".echoworker-demo"
"""Only a folder with this file in it is emptied."""
START_TIMEOUT_S = 60
STUDY_TIMEOUT_S = 180
SHOWN = 1
"""The study that is shown whole, counted from 0; of the others, only how they compare with the truth."""
ENDED = {StudyState.DELIVERED, StudyState.FAILED, StudyState.SKIPPED}

_CONFIGURATION = """\
# The installation that `echoworker demo` ran. Run it again with: echoworker --config THIS-FILE up
data_dir = {data}

[node]
port = {port}

[dashboard]
port = {dashboard_port}

[study]
quiet_period_s = 3

[[peers]]
roles = ["destination"]
name = "demo-pacs"
host = "127.0.0.1"
port = {pacs_port}
ae_title = "{pacs_ae_title}"
accept_models = ["DEMO"]   # never so for a real PACS
"""


def run_demo(folder: Path, console: Console) -> None:
    """Start the embedded default beside a small PACS, send synthetic studies, and show what became of them.

    In a terminal it stays up then, to be looked at. Ctrl-C, or SIGTERM, stops it all and leaves nothing running.

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
        with _system(folder, settings, console, stop) as system:
            with console.status("making synthetic studies"):
                made = make_demo_studies(folder / "studies", lambda: _pause(stop))
            _send(made, settings, console)
            states = _wait(settings, [truth.study_instance_uid for _, truth in made], console, stop)
            wait_for_dashboard(settings, lambda: _pause(stop), within_s=START_TIMEOUT_S)
            _show(settings, [truth for _, truth in made], pacs, console)
            _require_expected(made, states, folder)
            if sys.stdout.isatty():
                stay_for_looking(settings, system, console, stop)


def _require_expected(made: Sequence[tuple[Path, StudyTruth]], states: Mapping[str, StudyState], folder: Path) -> None:
    expected = {
        truth.study_instance_uid: StudyState.SKIPPED if truth.kind is StudyKind.NO_VIEW else StudyState.DELIVERED
        for _, truth in made
    }
    if amiss := [f"{uid} is {states[uid]}" for uid, state in expected.items() if states[uid] is not state]:
        raise EchoWorkerError(f"not as expected: {', '.join(amiss)}; the log is {folder / 'system.log'}")


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
            data=_toml_string(folder / "data"),
            port=free_port(),
            dashboard_port=free_port(),
            pacs_port=pacs.port,
            pacs_ae_title=AE_TITLE,
        )
    )
    for variable in [name for name in os.environ if name.startswith("ECHOWORKER_")]:
        del os.environ[variable]  # the demo is the same whatever this shell is set up for
    os.environ[CONFIG_VARIABLE] = str(file)
    return load_settings()


def _received(pacs: DemoPacs) -> Iterator[tuple[Path, FileDataset]]:
    for path in pacs.received():
        yield path, pydicom.dcmread(path, force=True)


def _is_report(instance: FileDataset) -> bool:
    return str(instance.Modality) == "SR"


def _toml_string(path: Path) -> str:
    """A basic string of TOML; it escapes as JSON does, and the delete character besides."""
    return json.dumps(str(path), ensure_ascii=False).replace("\x7f", "\\u007f")


@contextmanager
def _system(
    folder: Path, settings: Settings, console: Console, stop: threading.Event
) -> Iterator[subprocess.Popen[bytes]]:
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
            yield process
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


def _send(made: Sequence[tuple[Path, StudyTruth]], settings: Settings, console: Console) -> None:
    """Send every instance of the studies, study by study."""
    for number, ((folder, _), study) in enumerate(zip(made, DEMO_STUDIES, strict=True), 1):
        files = sorted(folder.glob("*.dcm"))
        refused = [answer for answer in send_files(files, _node(settings)) if not answer.accepted]
        if refused:
            raise EchoWorkerError(f"{refused[0].path.name} was not accepted: {refused[0]}")
        console.print(f"C-STORE of {len(files)} instances, study {number}: {study.about}", markup=False)


def _wait(settings: Settings, studies: Sequence[str], console: Console, stop: threading.Event) -> dict[str, StudyState]:
    """Follow the studies until each has ended."""
    registry = Database.of(settings)
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


def _show(settings: Settings, studies: Sequence[StudyTruth], pacs: DemoPacs, console: Console) -> None:
    catalogue = load_catalogue()
    uids = [truth.study_instance_uid for truth in studies]
    received = list(_received(pacs))
    reports = {str(instance.StudyInstanceUID): (path, instance) for path, instance in received if _is_report(instance)}
    with Database.of(settings).read() as session:
        details = {uid: study_detail(session, uid) for uid in uids}
        shown = uids[SHOWN]
        console.rule(f"All about study {SHOWN + 1}")
        console.print(study_view(details[shown], catalogue, width=console.width))
        console.rule("Its report as the PACS received it")
        path, report = reports[shown]
        console.print(f"of study {shown}", highlight=False, soft_wrap=True)
        console.print(sr_tree(report))
        console.print(f"file: {path}", highlight=False, markup=False, soft_wrap=True)
        console.rule("What the PACS received beside the reports")
        console.print(companions_table([each for each in received if not _is_report(each[1])], uids))
        console.rule()
        console.print(truth_table(list(zip(DEMO_STUDIES, studies, strict=True)), details, catalogue))
        console.print(disagreements_table(list_discordances(session), uids, catalogue))
    console.rule()
    file = os.environ[CONFIG_VARIABLE]
    command = shlex.join([sys.argv[0], "--config", file])
    again = f"{shlex.quote(sys.executable)} -m pynetdicom storescp {pacs.port} -aet {AE_TITLE} -ba {HOST}"
    for line in (
        f"registry  {settings.database_url}",
        f"spool     {settings.spool_dir}",
        f"PACS      {pacs.folder}",
        f"settings  {file}",
        *dashboard_lines(settings),
        "",
        f"Look again:  {command} study {shown}",
        f"Run it:      {command} up",
        f"Its PACS goes with the demo: until one listens on port {pacs.port}, reports wait. Another one:",
        f"             {again} -od {shlex.quote(str(pacs.folder))}",
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
