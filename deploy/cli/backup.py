"""`echoworker backup` and `restore`: the registry, and all of the data folder that cannot be made again."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from config.errors import BackupError
from deploy.cli.shared import open_registry, start


def backup(
    folder: Annotated[
        Path, typer.Argument(help="Where backups are kept, on another disk: each in a folder of its own.")
    ],
    keep: Annotated[int, typer.Option("--keep", min=0, help="Afterwards, remove all but so many; 0: none.")] = 0,
    verify: Annotated[bool, typer.Option("--verify", help="Afterwards, read all of it and check it.")] = False,
) -> None:
    """Copy registry and data folder while the system runs; what has not changed since the last time is not copied."""
    from db.monitoring.tallies import BACKUP, note_heartbeat  # noqa: PLC0415  commands load what they need
    from deploy.backup.making import forget_but_last, make_backup  # noqa: PLC0415
    from deploy.backup.restoring import faults_of_backup  # noqa: PLC0415

    settings = start("backup")
    registry = open_registry(settings)
    made = make_backup(settings, registry, folder, now=datetime.now(UTC))
    facts = made.facts
    typer.echo(
        f"{made.folder}: {facts.files} files, {_said(facts.size_bytes)}, copied now {made.copied_files} files, "
        f"{_said(made.copied_bytes)}; registry on {facts.registry} at schema {facts.schema_revision}"
    )
    if verify:
        _require_whole(list(faults_of_backup(made.folder)), made.folder)
    with registry.write() as session:
        note_heartbeat(session, BACKUP, now=datetime.now(UTC))
    if settings.privacy.key_file or settings.privacy.key:
        typer.echo("The key of the patient identities is not in it: keep it elsewhere, or they can be read no more.")
    for gone in forget_but_last(folder.absolute(), keep, made=made.folder) if keep else []:
        typer.echo(f"{gone}: removed")


def restore(
    backup_folder: Annotated[Path, typer.Argument(metavar="BACKUP", help="The folder of one backup.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Only read all of it and check it; restore nothing.")
    ] = False,
) -> None:
    """Make an installation of a backup, where the settings name an empty data folder and an empty database."""
    from deploy.backup.restoring import faults_of_backup, restore_backup  # noqa: PLC0415

    settings = start("restore")
    place = backup_folder.absolute()
    if verify:
        _require_whole(list(faults_of_backup(place)), place)
        return
    done = restore_backup(settings, place)
    typer.echo(f"{done.facts.files} files and the registry of {done.facts.began_at:%Y-%m-%d %H:%M:%S} UTC are restored")
    typer.echo(f"{done.to_register} instances that came while the backup was made wait to be registered")
    typer.echo(f"{done.to_prepare} studies are prepared again; {done.reports} files of reports are looked at again")
    typer.echo(
        f"{done.signed_out} sessions and tokens of the dashboard have ended; accounts are as they were then: look at "
        "echoworker accounts, and give programs new tokens"
    )
    typer.echo("Now: echoworker up, echoworker doctor, echoworker spool check --verify")


def _require_whole(faults: list[str], place: Path) -> None:
    for fault in faults:
        typer.echo(fault)
    if faults:
        raise BackupError(f"{place}: {len(faults)} files are missing or were changed")
    typer.echo(f"{place}: all files are there, and as they were backed up")


def _said(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"
