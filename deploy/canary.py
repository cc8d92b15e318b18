"""A canary that somebody has asked for: sent, and followed through the registry stage by stage."""

import threading
import time
from datetime import UTC, datetime

from rich.console import Console

from config.errors import EchoWorkerError
from config.settings import Settings
from db.monitoring.canaries import SENT, CanaryProgress, canary_progress, note_canary
from db.monitoring.tallies import note_heartbeat
from db.session import Database
from db.states import STEP_DUE_IN, StudyState
from dicom_node.spool import Spool
from worker.canary import new_canary_uid, node_as_called, remove_outlived_canaries, send_canary

LOOKS_EVERY_S = 0.2


def follow_canary(
    settings: Settings, registry: Database, console: Console, stop: threading.Event, *, within_s: float
) -> None:
    """Send one, print each stage as it ends, and note what became of it, for metrics and alerts.

    Raises
    ------
    EchoWorkerError
        It could not be stored, or did not come through in time; the message says where it stays, why, and what to do.
    """
    now = datetime.now(UTC)
    uid = new_canary_uid(now)
    with registry.write() as session:
        note_heartbeat(session, SENT, now=now)
    try:
        send_canary(settings, uid, now=now)
        console.print(f"study {uid}, stored at {node_as_called(settings)}", highlight=False, soft_wrap=True)
        last = _followed(settings, registry, uid, console, stop, within_s=within_s)
    except EchoWorkerError:
        _note(registry, came_through=False)
        raise
    _note(registry, came_through=last is not None and last.came_through)
    remove_outlived_canaries(settings, registry, Spool.of(settings), now=now)
    if last is None or not last.came_through:
        raise EchoWorkerError(f"canary {uid} has not come through: {_where_it_stays(last)}")
    took_s = sum(last.stages.values())
    where = ", ".join(settings.canary.destinations) or "its report stays here (canary.destinations)"
    console.print(f"[green]came through[/] in {took_s:.1f} s: {last.state}; {where}", highlight=False)


def _followed(
    settings: Settings, registry: Database, uid: str, console: Console, stop: threading.Event, *, within_s: float
) -> CanaryProgress | None:
    """As far as it came."""
    told: set[str] = set()
    ends = time.monotonic() + within_s
    while True:
        with registry.read() as session:
            last = canary_progress(session, uid, sent_on=bool(settings.canary.destinations))
        for stage, seconds in (last.stages if last else {}).items():
            if stage not in told:
                console.print(f"{stage:<8} {seconds:8.2f} s", highlight=False)
                told.add(stage)
        if (last is not None and last.has_ended) or time.monotonic() > ends:
            return last
        if stop.wait(LOOKS_EVERY_S):
            raise EchoWorkerError(f"stopped; the canary goes on: echoworker study {uid}")


def _where_it_stays(last: CanaryProgress | None) -> str:
    if last is None:
        return "the node has it, the registry does not: does the intake (echoworker node) run, and what does it log?"
    due = {StudyState.RECEIVING: "close (echoworker node)", StudyState.REPORTED: "deliver"} | STEP_DUE_IN
    waits = f", waits for {due[last.state]}" if last.state in due else ""
    reason = f": {last.reason}" if last.reason else ""
    return f"it is {last.state}{waits}{reason}; echoworker study {last.study_instance_uid}, and echoworker doctor"


def _note(registry: Database, *, came_through: bool) -> None:
    with registry.write() as session:
        note_canary(session, came_through=came_through, now=datetime.now(UTC))
