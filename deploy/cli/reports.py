"""`echoworker reports`: the reports that came for studies; bringing one in, and matching one by hand."""

import json
from pathlib import Path
from typing import Annotated

import typer

from config.errors import ConfigurationError
from deploy.cli.shared import console, open_registry, start

reports_commands = typer.Typer(
    help="Reports that came as HL7 or as files, and the studies that they are of.", invoke_without_command=True
)


@reports_commands.callback()
def reports(
    context: typer.Context,
    unmatched: Annotated[bool, typer.Option("--unmatched", help="Only those without a study.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
) -> None:
    """List the reports that came, the latest first: of which study, or why of none."""
    if context.invoked_subcommand is not None:
        return
    from db.consistency.received_reports import list_received  # noqa: PLC0415  commands load what they need: --help is quick
    from deploy.printing.reports import received_facts, received_table  # noqa: PLC0415

    with open_registry(start("reports")).read() as session:
        found = list_received(session, unmatched_only=unmatched, limit=limit)
    if as_json:
        typer.echo(json.dumps([received_facts(each) for each in found], indent=1))
    elif found:
        console.print(received_table(found, width=console.width))
    else:
        console.print("every report has its study" if unmatched else "no reports came yet")


@reports_commands.command("add")
def add(
    file: Annotated[Path, typer.Argument(help="Plain text, HL7, PDF or DICOM.", exists=True, dir_okay=False)],
    study: Annotated[str, typer.Option(metavar="UID", help="Study Instance UID of its study.")] = "",
    accession_number: Annotated[str, typer.Option(metavar="NUMBER", help="Accession number of its study.")] = "",
) -> None:
    """Bring one report in. Text and PDF say no study: without an option, the file's name is UID or accession number."""
    from deploy.bringing_in import bring_in, report_of_file  # noqa: PLC0415
    from deploy.printing.reports import in_a_line  # noqa: PLC0415

    settings = start("reports")
    if study and accession_number:
        raise ConfigurationError("name the study by --study or by --accession-number, not by both")
    registry = open_registry(settings)
    report = report_of_file(file, study_instance_uid=study, accession_number=accession_number)
    for each in bring_in(settings, registry, report):
        console.print(in_a_line(each), soft_wrap=True, highlight=False, markup=False)


@reports_commands.command("match")
def match(
    number: Annotated[int, typer.Argument(metavar="ID", help="Number of the report.")],
    study: Annotated[str, typer.Option(metavar="UID", help="Study Instance UID.")],
) -> None:
    """Give a report to a study by hand, whatever it says itself; nothing else changes that again."""
    from deploy.bringing_in import give_to_study  # noqa: PLC0415

    settings = start("reports")
    give_to_study(settings, open_registry(settings), number, study)
    console.print(
        f"report {number}: study {study}; where that has results, they are compared within "
        f"{settings.pipeline.reap_every_s:g} s",
        soft_wrap=True,
        highlight=False,
    )
