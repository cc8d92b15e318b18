"""`echoworker check`: what reports say beside what the model found, and where the two do not agree."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from config.errors import ReportError, UnreadableReportError
from deploy.cli.shared import StudyUID, console, open_registry, start

if TYPE_CHECKING:
    from config.catalogue import Catalogue
    from worker.consistency.checking import Compared


def check(
    uid: StudyUID,
    reports: Annotated[
        list[Path] | None,
        typer.Option(
            "--report",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="A report to compare with in place of the study's own: text, HL7 (.hl7), DICOM or PDF. Repeatable.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Both sides and the discordances as JSON.")] = False,
) -> None:
    """Show what reports say beside what the model found in a study's images, and where these do not agree.

    Without --report, the reports of the study itself are read. Nothing is written, sent or logged. What is shown quotes
    the reports: treat it as you treat them.
    """
    from config.catalogue import load_catalogue  # noqa: PLC0415  commands load what they need: --help is quick
    from db.reading.queries import study_detail  # noqa: PLC0415
    from deploy.printing.discordances import aligned_table, discordance_lines  # noqa: PLC0415
    from dicom_node.spool import Spool  # noqa: PLC0415
    from worker.catalogues import catalogue_of_run  # noqa: PLC0415
    from worker.consistency.checking import compare, earlier_found  # noqa: PLC0415
    from worker.consistency.configured import configured  # noqa: PLC0415
    from worker.consistency.fitting import Fitting  # noqa: PLC0415
    from worker.consistency.study_reports import StudyReports, reports_of_study  # noqa: PLC0415

    settings = start("check")
    consistency = configured(settings.consistency, settings.report.language)
    database, spool = open_registry(settings), Spool.of(settings)
    with database.read() as session:
        detail = study_detail(session, uid)
        study_id, run = detail.study.id, detail.run
    if run is None:
        raise ReportError(f"study {uid} is {detail.study.state}: it has no results to compare with")
    catalogue = catalogue_of_run(spool, run.catalogue_digest, load_catalogue(settings.catalogue_path))
    if reports:
        read = [one for file in reports for one in consistency.reader.file(file)]
        found = StudyReports(
            read=tuple(read), notes=tuple(f"{one.reported.id}: {note}" for one in read for note in one.notes)
        )
    else:
        found = reports_of_study(database, spool, consistency.reader, study_id=study_id)
        if not found.read and not found.notes:
            raise UnreadableReportError(f"study {uid} has no reports of others: name one with --report FILE")
    earlier = None if reports else earlier_found(database, study_id=study_id, run=run)
    rule, label = consistency.rules.another_patient, run.model.label
    fit = Fitting(settings, database).of(study_id, rule, found.read, label=label)
    compared = compare(run, catalogue, consistency.rules, found.read, earlier=earlier, fit=fit, notes=found.notes)
    if as_json:
        typer.echo(json.dumps(_facts(compared), indent=1, ensure_ascii=False))
        return
    console.print(aligned_table(compared, found.read, catalogue))
    for line in discordance_lines(compared.check.discordances, catalogue):
        console.print(line)
    if not compared.check.discordances:
        told = compared.check.told
        questions = "; ".join(_name(field, catalogue) for field in told.questions) if told else ""
        console.print(f"no discordance in: {questions}" if questions else "nothing that both sides answer")
    for note in compared.check.notes:
        console.print(Text(f"note: {note}", style="dim"), soft_wrap=True)


def _name(field: str, catalogue: "Catalogue") -> str:
    task = catalogue.task(field)
    return field if task is None else task.name


def _facts(compared: "Compared") -> dict[str, Any]:
    reports = [
        {
            "id": report.reported.id,
            "kind": report.reported.kind,
            "statements": [
                {**asdict(said), "words": report.words_of(said.start, said.end)} for said in report.reported.statements
            ],
        }
        for report in compared.reports
    ]
    images = {
        task_id: {"verdict": result.verdict, "value": result.value, "outcome": result.outcome,
                  "agreement": result.agreement}
        for task_id, result in compared.comparison.found.results.items()
    }  # fmt: skip
    return {
        "study_instance_uid": compared.comparison.found.study_instance_uid,
        "rules_version": compared.check.rules_version,
        "images": images,
        "reports": reports,
        "discordances": [asdict(one) for one in compared.check.discordances],
        "notes": list(compared.check.notes),
    }
