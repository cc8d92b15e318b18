"""`echoworker queues`: what waits and runs in each, and pausing one."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.logs import Event, emit
from deploy.cli.shared import console, open_registry, start, who

if TYPE_CHECKING:
    from db.reading.queue_summaries import QueueSummary
    from db.tables.pipeline import QueuePause

queues_commands = typer.Typer(
    help="What waits and runs in each queue; pausing one, and who has paused what.", invoke_without_command=True
)
Queue = Annotated[str, typer.Argument(metavar="QUEUE", help="prepare, score, report, deliver, forward or rescore.")]
Peer = Annotated[str, typer.Option("--peer", metavar="NAME", help="Of deliver and forward: this peer alone.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who says so. By default, who is logged in here.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


@queues_commands.callback()
def queues(context: typer.Context, as_json: AsJson = False) -> None:
    """Show for each queue what waits, since when, what runs, and who has paused it and why."""
    if context.invoked_subcommand is not None:
        return
    from db.reading.queue_summaries import queue_summaries  # noqa: PLC0415  commands load what they need: --help is quick
    from deploy.printing.queues import queues_table  # noqa: PLC0415

    with open_registry(start("queues")).read() as session:
        found = queue_summaries(session, now=datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps([_facts(each) for each in found], indent=1))
    else:
        console.print(queues_table(found, width=console.width))


@queues_commands.command("pause")
def pause(
    queue: Queue,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, without names of patients.")],
    peer: Peer = "",
    by: By = "",
) -> None:
    """Let nothing more begin in a queue, on any host, until it is resumed. What is running goes to its end."""
    from db.working.pauses import pause_queue  # noqa: PLC0415

    with open_registry(start("queues")).write() as session:
        pause_queue(session, queue, peer=peer, by=by or who(), reason=reason, now=datetime.now(UTC))
    emit(Event.QUEUE_PAUSED, step=queue, destination=peer)
    console.print(f"{queue}{f' to {peer}' if peer else ''} is paused", markup=False)


@queues_commands.command("resume")
def resume(queue: Queue, peer: Peer = "", by: By = "") -> None:
    """Let a queue go on."""
    from db.working.pauses import resume_queue  # noqa: PLC0415

    settings = start("queues")
    with open_registry(settings).write() as session:
        resume_queue(session, queue, peer=peer, by=by or who(), now=datetime.now(UTC))
    emit(Event.QUEUE_RESUMED, step=queue, destination=peer)
    within = f"the reaper announces what waits within {settings.pipeline.reap_every_s:g} s"
    console.print(f"{queue}{f' to {peer}' if peer else ''} goes on; {within}", markup=False, soft_wrap=True)


@queues_commands.command("history")
def history(
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50, as_json: AsJson = False
) -> None:
    """List who paused which queue, when and why, and who ended it; the latest first."""
    from db.working.pauses import former_pauses  # noqa: PLC0415
    from deploy.printing.queues import pauses_table  # noqa: PLC0415

    with open_registry(start("queues")).read() as session:
        found = former_pauses(session, limit=limit)
    if as_json:
        typer.echo(json.dumps([_pause_facts(each) for each in found], indent=1))
    elif found:
        console.print(pauses_table(found, width=console.width))
    else:
        console.print("no queue was ever paused")


def _facts(each: "QueueSummary") -> dict[str, Any]:
    return {
        "queue": each.queue,
        "waiting": each.waiting,
        "stat": each.stat,
        "later": each.later,
        "running": each.running,
        "oldest": each.oldest.isoformat() if each.oldest else None,
        "pauses": [_pause_facts(pause) for pause in each.pauses],
    }


def _pause_facts(each: "QueuePause") -> dict[str, Any]:
    return {
        "queue": each.queue,
        "peer": each.peer or None,
        "paused_at": each.paused_at.isoformat(),
        "paused_by": each.paused_by,
        "reason": each.reason,
        "resumed_at": each.resumed_at.isoformat() if each.resumed_at else None,
        "resumed_by": each.resumed_by,
    }
