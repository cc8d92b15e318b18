"""`echoworker retention`: what has outlived its time, removing it, and studies of which nothing is removed."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from config.sections.keep import KeptKind
from deploy.cli.shared import StudyUID, console, open_registry, start, who

if TYPE_CHECKING:
    from db.lifecycle.holds import Hold
    from worker.retention import Outlived, Retention

retention_commands = typer.Typer(
    help="What has outlived its time ([keep]), removing it, and studies that keep everything.",
    invoke_without_command=True,
)
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who says so. By default, who is logged in here.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


@retention_commands.callback()
def retention(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="Of which studies, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say for pixels, tensors and embeddings how many studies, files and bytes would go now."""
    if context.invoked_subcommand is not None:
        return
    if not dry_run:
        raise typer.BadParameter("--dry-run says what would go; echoworker retention run removes it")
    found, now = _retention()
    _say({kind: list(found.outlived(kind, now=now)) for kind in KeptKind}, listed=listed, as_json=as_json)


@retention_commands.command("run")
def run(
    listed: Annotated[bool, typer.Option("--list", help="Of which studies, too.")] = False, as_json: AsJson = False
) -> None:
    """Remove now what has outlived its time; the worker of maintenance does it by itself, within keep.window."""
    found, now = _retention()
    found.finish()
    _say(found.remove(now=now), listed=listed, as_json=as_json)


@retention_commands.command("hold")
def hold(
    uid: StudyUID,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, without names of patients.")],
    by: By = "",
) -> None:
    """Keep all that there is of a study, whatever its age, until it is released."""
    from db.lifecycle.holds import hold_study  # noqa: PLC0415  commands load what they need: --help is quick

    with open_registry(start("retention")).write() as session:
        hold_study(session, uid, by=by or who(), reason=reason, now=datetime.now(UTC))
    console.print(f"study {uid} is held: nothing of it is removed until it is released", soft_wrap=True)


@retention_commands.command("release")
def release(uid: StudyUID, by: By = "") -> None:
    """Let what has outlived its time of a study go again."""
    from db.lifecycle.holds import release_study  # noqa: PLC0415

    with open_registry(start("retention")).write() as session:
        release_study(session, uid, by=by or who(), now=datetime.now(UTC))
    console.print(f"study {uid} is released", soft_wrap=True)


@retention_commands.command("held")
def held(
    former_too: Annotated[bool, typer.Option("--all", help="Those that were released, too.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List the studies that are held: since when, by whom and why; the latest first."""
    from db.lifecycle.holds import holds  # noqa: PLC0415
    from deploy.printing.retention import holds_table  # noqa: PLC0415

    with open_registry(start("retention")).read() as session:
        found = holds(session, former_too=former_too, limit=limit)
    if as_json:
        typer.echo(json.dumps([_hold_facts(each) for each in found], indent=1))
    elif found:
        console.print(holds_table(found, width=console.width))
    else:
        console.print("no study is held")


def _retention() -> tuple["Retention", datetime]:
    """What removes, and the time that it goes by."""
    from db.monitoring.clocks import earlier_of_both  # noqa: PLC0415
    from dicom_node.spool import Spool  # noqa: PLC0415
    from worker.retention import Retention  # noqa: PLC0415

    settings = start("retention")
    registry = open_registry(settings)
    with registry.read() as session:
        now = earlier_of_both(session, datetime.now(UTC))
    return Retention(settings, registry, Spool.of(settings)), now


def _say(found: dict[KeptKind, list["Outlived"]], *, listed: bool, as_json: bool) -> None:
    from deploy.printing.retention import outlived_table, totals_table  # noqa: PLC0415

    if as_json:
        typer.echo(
            json.dumps({kind.value: _facts(studies, listed=listed) for kind, studies in found.items()}, indent=1)
        )
        return
    console.print(totals_table(found))
    if listed:
        console.print(outlived_table(found))


def _facts(studies: Iterable["Outlived"], *, listed: bool) -> dict[str, Any]:
    of_each = list(studies)
    facts: dict[str, Any] = {
        "studies": len(of_each),
        "files": sum(study.files for study in of_each),
        "bytes": sum(study.size_bytes for study in of_each),
    }
    if listed:
        facts["list"] = [
            {"study_instance_uid": study.study_instance_uid, "files": study.files, "bytes": study.size_bytes}
            for study in of_each
        ]
    return facts


def _hold_facts(each: "Hold") -> dict[str, Any]:
    return {
        "study_instance_uid": each.study_instance_uid,
        "held_at": each.held_at.isoformat(),
        "held_by": each.held_by,
        "reason": each.reason,
        "released_at": each.released_at.isoformat() if each.released_at else None,
        "released_by": each.released_by,
    }
