"""`echoworker doctor`, `callers`, `quarantine`, `db`: the commands for who keeps the installation going."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from config.errors import ConfigurationError, EchoWorkerError
from deploy.cli.shared import console, open_registry, require_installation, start

database_commands = typer.Typer(help="The registry: its schema, and who may read it.", no_args_is_help=True)

AtMost = Annotated[int, typer.Option("--limit", min=1, help="At most so many.")]


def doctor() -> None:
    """Check this installation; each line that is not ok says what to do. Fails if one is a FAULT; a WARN is none."""
    from deploy.doctor.examination import examine  # noqa: PLC0415  commands load what they need: --help is quick
    from dicom_node.findings import Level  # noqa: PLC0415

    styles = {Level.OK: "green", Level.WARN: "bold yellow", Level.FAULT: "bold red"}
    faults = 0
    for finding in examine(start("doctor")):
        said = escape(f"{finding.subject}: {finding.said}")
        console.print(f"[{styles[finding.level]}]{finding.level:<5}[/] {said}", highlight=False, soft_wrap=True)
        faults += finding.level is Level.FAULT
    if faults:
        raise EchoWorkerError(f"{faults} of these need attention")


def callers(
    refused: Annotated[bool, typer.Option("--refused", help="Only those who were refused.")] = False,
    limit: AtMost = 100,
) -> None:
    """List who called the node, from where, and what became of it; the latest first."""
    from db.reading.queries import list_callers  # noqa: PLC0415
    from deploy.printing.tables import callers_table  # noqa: PLC0415

    with open_registry(start("callers")).read() as session:
        listed = list_callers(session, refused_only=refused, limit=limit)
    if listed:
        console.print(callers_table(listed, width=console.width))
    else:
        console.print("nobody was refused" if refused else "nobody has called yet")


def quarantine(limit: AtMost = 100) -> None:
    """List what was refused and kept aside, with the reason; the latest first."""
    from deploy.printing.tables import quarantine_table  # noqa: PLC0415
    from dicom_node.quarantine import quarantined  # noqa: PLC0415

    settings = start("quarantine")
    require_installation(settings)
    listed = quarantined(settings.spool_dir)
    if not listed:
        console.print("nothing is in quarantine")
        return
    console.print(quarantine_table(listed[:limit], width=console.width))
    if len(listed) > limit:
        console.print(f"and {len(listed) - limit} more")


@database_commands.command("upgrade")
def database_upgrade() -> None:
    """Bring the registry's schema to what this version needs."""
    from db.session import Database  # noqa: PLC0415

    registry = Database.of(start("db"))
    registry.upgrade()
    console.print(f"registry schema: {registry.schema_revisions()[0]}")


@database_commands.command("downgrade")
def database_downgrade(
    revision: Annotated[str, typer.Argument(metavar="SCHEMA", help="That the earlier version needs, as 0015.")],
    yes: Annotated[
        bool, typer.Option("--yes", help="What only the later schema holds may go; a backup is made.")
    ] = False,
) -> None:
    """Bring the registry's schema back for an earlier version; by this version, before that one is installed."""
    from db.session import Database  # noqa: PLC0415

    if not yes:
        raise ConfigurationError("--yes: what only the later schema holds goes; echoworker backup comes first")
    registry = Database.of(start("db"))
    if not registry.is_there:
        raise EchoWorkerError("there is no registry to be downgraded")
    registry.downgrade(revision)
    console.print(f"registry schema: {registry.schema_revisions()[0]}")


@database_commands.command("read-only-role")
def database_read_only_role(
    role: Annotated[str, typer.Option("--name", help="Of the role.")] = "echoworker_read",
    schema: Annotated[str, typer.Option("--schema", help="Where the tables are.")] = "public",
) -> None:
    """Print the SQL that makes a PostgreSQL role for dashboards: it reads views and tables without PHI alone."""
    from db.views.read_only_role import read_only_role_sql  # noqa: PLC0415

    typer.echo(read_only_role_sql(role, schema), nl=False)


@database_commands.command("docs")
def database_docs() -> None:
    """Print what the registry holds, view by view and table by table, as Markdown."""
    from db.reference import database_reference  # noqa: PLC0415

    typer.echo(database_reference(), nl=False)


@database_commands.command("identities")
def database_identities(
    former_key_file: Annotated[
        Path | None, typer.Option("--former-key-file", help="The key that they are encrypted by now, if another.")
    ] = None,
) -> None:
    """Convert the patient identities that are there to what `privacy` says; stop everything else first."""
    from db.converting import convert_identities  # noqa: PLC0415

    settings = start("db")
    open_registry(settings)
    before, count = convert_identities(settings, former_key_file)
    now = settings.privacy.patient_identities.value
    console.print(
        f"identities of {count} studies: {before} -> {now}" if before else f"identities are kept {now} already"
    )
