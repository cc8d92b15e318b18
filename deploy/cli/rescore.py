"""`echoworker rescore`: results of former models, catalogues and calibrations are answered anew."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from config.errors import ConfigurationError
from deploy.cli.shared import console, open_registry, start, who

if TYPE_CHECKING:
    from config.settings import Settings
    from worker.context import WorkerContext

LOOK_EVERY_S = 1.0
"""While fresh studies go first."""

rescore_commands = typer.Typer(
    help="Answer again what a former model, catalogue or calibration answered: a diff first, then adopt or discard.",
    invoke_without_command=True,
)
Batch = Annotated[int, typer.Argument(metavar="BATCH", help="Its number, as `rescore status` lists it.")]
Leave = Annotated[bool, typer.Option("--leave", help="To the workers' next window, in place of doing it here and now.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


@rescore_commands.callback()
def rescore(
    context: typer.Context,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only studies that something of came since then.")
    ] = None,
    tasks: Annotated[
        list[str] | None, typer.Option("--task", metavar="ID", help="Compare its answers alone; again for more.")
    ] = None,
    pack: Annotated[str, typer.Option(metavar="NAME", help="Answer with this pack, not with the active one.")] = "",
    shadow: Annotated[
        str, typer.Option(metavar="PACK", help="Score with this pack beside: never current, never delivered.")
    ] = "",
    canary: Annotated[int, typer.Option(min=0, help="So many studies first, chosen at random; then wait.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what there would be to do.")] = False,
    leave: Leave = False,
) -> None:
    """Find outdated results and answer them anew, beside the current ones. Nothing becomes current by this."""
    if context.invoked_subcommand is not None:
        return
    if pack and shadow:
        raise ConfigurationError("rescore: --pack or --shadow, not both: a shadow's answers are never adopted")
    from config.catalogue import load_catalogue  # noqa: PLC0415  commands load what they need: --help is quick
    from db.rescoring.batches import create_batch  # noqa: PLC0415
    from db.rescoring.outdated import Wanted, outlook  # noqa: PLC0415
    from db.states import BatchKind  # noqa: PLC0415
    from deploy.printing.rescoring import outlook_lines  # noqa: PLC0415
    from worker.calibration.cases import asked_tasks  # noqa: PLC0415
    from worker.packs.active import named_folder  # noqa: PLC0415
    from worker.rescoring.pixels import studies_without_pixels  # noqa: PLC0415
    from worker.rescoring.target import Scorers  # noqa: PLC0415

    settings = start("rescore")
    _require_window(settings, leave=leave)
    open_registry(settings).close()
    asked = asked_tasks(load_catalogue(settings.catalogue_path), tasks) if tasks else {}
    worker = _worker(settings)
    wanted = Wanted(
        kind=BatchKind.SHADOW if shadow else BatchKind.RESCORE,
        since=None if since is None else since.astimezone(),
        task_ids=tuple(asked),
        canary=canary,
        try_again=True,
    )
    named = shadow or pack
    target = Scorers(worker).target(str(named_folder(settings, named).absolute()) if named else "")
    if dry_run:
        with worker.database.read() as session:
            found = outlook(session, target, wanted)
        lines = outlook_lines(found, target, without_pixels=studies_without_pixels(worker, target, wanted))
        for line in lines:
            _say(line)
        return
    with worker.database.write() as session:
        batch_id = create_batch(session, target, wanted, started_by="command", now=datetime.now(UTC))
    if batch_id is None:
        _say(
            "nothing to do: every study at rest was answered by this model, catalogue and calibration, or is in a batch"
        )
        return
    _say(f"re-scoring {batch_id}: {target.model_name} {target.model_version}, {target.model_label}")
    _go_on(worker, batch_id, leave=leave)


@rescore_commands.command("status")
def status(as_json: AsJson = False) -> None:
    """List the batches, with how far they are."""
    from db.rescoring.rescored import batches, outcomes_of  # noqa: PLC0415
    from deploy.printing.rescoring import batch_facts, batches_table  # noqa: PLC0415

    with open_registry(start("rescore")).read() as session:
        listed = [(batch, outcomes_of(session, batch.id)) for batch in batches(session)]
    if as_json:
        typer.echo(json.dumps([batch_facts(batch, counts) for batch, counts in listed], indent=1))
    elif listed:
        console.print(batches_table(listed))
    else:
        console.print("nothing was re-scored yet")


@rescore_commands.command("show")
def show(batch_id: Batch, as_json: AsJson = False) -> None:
    """Show what a batch changes, task by task; of a shadow, how far the two models agree."""
    from db.rescoring.rescored import batch_of, outcomes_of, reasons_of  # noqa: PLC0415
    from deploy.printing.rescoring import batch_facts, show_batch  # noqa: PLC0415

    with open_registry(start("rescore")).read() as session:
        batch = batch_of(session, batch_id)
        counts, reasons = outcomes_of(session, batch_id), reasons_of(session, batch_id)
    if as_json:
        facts = batch_facts(batch, counts)
        why = [{"state": state, "reason": reason, "studies": count} for state, reason, count in reasons]
        typer.echo(json.dumps({**facts, "why": why, "report": batch.report}, indent=1))
    else:
        show_batch(console, batch, counts, reasons)


@rescore_commands.command("pause")
def pause(batch_id: Batch) -> None:
    """Stop work on a batch, wherever it is done, at the end of the portion that it is at."""
    from db.rescoring.batches import set_paused  # noqa: PLC0415

    with open_registry(start("rescore")).write() as session:
        set_paused(session, batch_id, paused=True, by=who())
    _say(f"re-scoring {batch_id} is paused: echoworker rescore resume {batch_id}")


@rescore_commands.command("resume")
def resume(batch_id: Batch, leave: Leave = False) -> None:
    """Go on with a batch that was paused, stopped or killed: what is done is done, the rest is answered."""
    from db.rescoring.batches import set_paused  # noqa: PLC0415

    settings = start("rescore")
    _require_window(settings, leave=leave)
    with open_registry(settings).write() as session:
        set_paused(session, batch_id, paused=False, by=who())
    _go_on(_worker(settings), batch_id, leave=leave)


@rescore_commands.command("continue")
def continue_(batch_id: Batch, leave: Leave = False) -> None:
    """Have all studies answered, now that somebody has looked at the canary."""
    from db.rescoring.batches import go_on_after_canary  # noqa: PLC0415

    settings = start("rescore")
    _require_window(settings, leave=leave)
    with open_registry(settings).write() as session:
        go_on_after_canary(session, batch_id, now=datetime.now(UTC), by=who())
    _go_on(_worker(settings), batch_id, leave=leave)


@rescore_commands.command("adopt")
def adopt(batch_id: Batch, leave: Leave = False) -> None:
    """Make the new answers the current ones; reports go out as `[rescore.report_again]` says."""
    from db.rescoring.batches import decide_to_adopt  # noqa: PLC0415

    settings = start("rescore")
    _require_window(settings, leave=leave)
    with open_registry(settings).write() as session:
        decide_to_adopt(session, batch_id, now=datetime.now(UTC), by=who())
    _go_on(_worker(settings), batch_id, leave=leave)


@rescore_commands.command("discard")
def discard_(
    batch_id: Batch,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, without names.")] = "",
) -> None:
    """Leave a batch be: its runs stay as rows, and never become current."""
    from db.rescoring.batches import discard  # noqa: PLC0415

    with open_registry(start("rescore")).write() as session:
        discard(session, batch_id, now=datetime.now(UTC), reason=f"by {who()}: {reason}" if reason else f"by {who()}")
    _say(f"re-scoring {batch_id} is discarded")


def _require_window(settings: "Settings", *, leave: bool) -> None:
    if leave and not settings.rescore.enabled:
        raise ConfigurationError(
            "rescore --leave: no worker would go on with it, as rescore.enabled is false: set it, or leave out --leave"
        )


def _worker(settings: "Settings") -> "WorkerContext":
    from config.broker import create_celery_app  # noqa: PLC0415
    from worker.context import WorkerContext  # noqa: PLC0415

    return WorkerContext(settings, create_celery_app(settings))


def _go_on(worker: "WorkerContext", batch_id: int, *, leave: bool) -> None:
    """Work on a batch here and now, behind fresh studies, until it is done, waits for somebody or is stopped."""
    if leave:
        _say(f"re-scoring {batch_id} goes on in the window of the workers ({worker.settings.rescore.window})")
        return
    from db.rescoring.rescored import outcomes_of  # noqa: PLC0415
    from db.tables.rescoring import Rescoring  # noqa: PLC0415
    from deploy.printing.rescoring import progress  # noqa: PLC0415
    from deploy.processes.stopping import stop_on_signals  # noqa: PLC0415
    from worker.rescoring.target import Scorers  # noqa: PLC0415
    from worker.rescoring.working import Rescorer, Stopped  # noqa: PLC0415

    stop = stop_on_signals()
    worker.require_spool()
    rescorer = Rescorer(context=worker, scorers=Scorers(worker), is_asked_to_stop=stop.is_set)

    def counts_now() -> dict[str, int]:
        with worker.database.read() as session:
            return outcomes_of(session, batch_id)

    with progress(console, counts_now):
        while (why := rescorer.work(batch_id)) in (Stopped.FRESH_STUDIES, Stopped.REPORTS):
            if stop.wait(LOOK_EVERY_S):
                break
    with worker.database.read() as session:
        batch = session.get_one(Rescoring, batch_id)
        counts = outcomes_of(session, batch_id)
    said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    _say(f"re-scoring {batch_id} is {batch.state}: {said}" + (f" ({batch.reason})" if batch.reason else ""))
    if why not in (Stopped.WAITS, Stopped.OVER):
        _say(f"stopped, as {why}: echoworker rescore resume {batch_id}")
    elif batch.report is not None:
        _say(f"what changes: echoworker rescore show {batch_id}")


def _say(text: str) -> None:
    console.print(Text(text), soft_wrap=True)
