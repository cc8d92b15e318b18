"""`echoworker studies`, `study`, `requeue`, `close`: the commands that work with studies."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from config.errors import ConfigurationError, EchoWorkerError
from config.settings import Settings
from config.steps import Step
from db.states import StudyState
from deploy.cli.shared import StudyUID, console, open_registry, start


def studies(
    state: Annotated[StudyState | None, typer.Option(case_sensitive=False, help="Only studies in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
) -> None:
    """List studies, the newest first."""
    from db.reading.queries import list_studies  # noqa: PLC0415
    from deploy.printing.tables import studies_table  # noqa: PLC0415

    with open_registry(start("studies")).read() as session:
        listed = list_studies(session, limit=limit, state=state)
    if listed:
        console.print(studies_table(listed, width=console.width))
    else:
        console.print(f"no study is {state}" if state else "no studies yet")


def study(
    uid: StudyUID, as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON, for programs.")] = False
) -> None:
    """Show one study: its state, results with provenance, discordances, clips, deliveries and history."""
    from db.consistency.discordance_review import list_discordances  # noqa: PLC0415
    from db.reading.queries import study_detail  # noqa: PLC0415
    from db.reading.study_json import study_facts  # noqa: PLC0415
    from deploy.printing.discordances import of_one_study  # noqa: PLC0415
    from deploy.printing.tables import study_view  # noqa: PLC0415
    from worker.catalogues import catalogue_of  # noqa: PLC0415

    settings = start("study")
    with open_registry(settings).read() as session:
        detail = study_detail(session, uid)
        catalogue = catalogue_of(detail, settings)
        listed = list_discordances(session, study_instance_uid=uid, include_closed=True)
    found = [one for one in listed if one.superseded_at is None]
    if as_json:
        typer.echo(json.dumps(study_facts(detail, catalogue, found), indent=1))
        return
    console.print(study_view(detail, catalogue, width=console.width))
    for line in of_one_study(found, catalogue):
        console.print(line, soft_wrap=True)


def requeue(
    uid: Annotated[str, typer.Argument(metavar="UID", help="Study Instance UID.", show_default=False)] = "",
    step: Annotated[
        Step | None,
        typer.Option(
            help="The step to repeat. By default the one that failed or waits, prepare for a skipped study. "
            "Where the prepared frames are gone and no embeddings are kept, prepare comes before score."
        ),
    ] = None,
    failed: Annotated[
        Step | None, typer.Option("--failed", metavar="STEP", help="In place of a UID: all that failed at this step.")
    ] = None,
) -> None:
    """Give a study that failed, was skipped or waits another chance, with fresh attempts."""
    from db.lifecycle.studies import requeue as requeue_study  # noqa: PLC0415

    if bool(uid) == (failed is not None):
        raise ConfigurationError("name one study by its UID, or all that failed at a step with --failed")
    settings = start("requeue")
    if failed is not None:
        _requeue_failed(settings, failed, step)
        return
    with open_registry(settings).write() as session:
        due = requeue_study(session, uid, now=datetime.now(UTC), step=step)
    why = " before score, since the prepared frames are removed once they are scored and reported"
    first = why if step is Step.SCORE and due is Step.PREPARE else ""
    console.print(
        f"study {uid}: {due} is due{first}; the reaper announces it within {settings.pipeline.reap_every_s:g} s",
        soft_wrap=True,
    )


def _requeue_failed(settings: Settings, failed: Step, step: Step | None) -> None:
    from db.lifecycle.studies import requeue as requeue_study  # noqa: PLC0415
    from db.reading.queries import failed_at  # noqa: PLC0415

    registry, refused = open_registry(settings), 0
    with registry.read() as session:
        found = failed_at(session, failed)
    for each in found:  # in a transaction of its own: one that cannot be requeued holds up no other
        try:
            with registry.write() as session:
                requeue_study(session, each, now=datetime.now(UTC), step=step)
        except EchoWorkerError as error:
            refused += 1
            console.print(str(error), style="red", highlight=False, soft_wrap=True, markup=False)
    console.print(f"{len(found) - refused} of {len(found)} studies that failed at {failed} are requeued")
    if refused:
        raise EchoWorkerError(f"{refused} of {len(found)} studies were not requeued")


def close(uid: StudyUID) -> None:
    """Score a study now that is still RECEIVING, without waiting for it to fall quiet. A late instance re-opens it."""
    from db.lifecycle.studies import close_study  # noqa: PLC0415

    settings = start("close")
    with open_registry(settings).write() as session:
        close_study(session, uid, now=datetime.now(UTC))
    console.print(
        f"study {uid}: {Step.PREPARE} is due; the reaper announces it within {settings.pipeline.reap_every_s:g} s",
        soft_wrap=True,
    )
