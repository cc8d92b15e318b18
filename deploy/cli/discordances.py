"""`echoworker discordances`: where reports and images do not agree, and what people say of it."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.shared import console, open_registry, start

if TYPE_CHECKING:
    from db.consistency.discordances import ReviewState

discordances_commands = typer.Typer(
    help="Where reports and images do not agree: list, confirm, dismiss, and how often each rule is right.",
    invoke_without_command=True,
)
Number = Annotated[int, typer.Argument(metavar="ID", help="Number of the discordance.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who says so.")]


@discordances_commands.callback()
def discordances(
    context: typer.Context,
    include_closed: Annotated[
        bool, typer.Option("--all", help="Those that were reviewed or superseded as well.")
    ] = False,
    study: Annotated[str, typer.Option("--study", metavar="UID", help="Of this study alone.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="All of it as JSON, for programs.")] = False,
) -> None:
    """List what nobody has looked at yet, the worst first."""
    if context.invoked_subcommand is not None:
        return
    from config.catalogue import load_catalogue  # noqa: PLC0415  commands load what they need: --help is quick
    from db.consistency.discordance_review import list_discordances  # noqa: PLC0415
    from db.reading.study_json import discordance_facts  # noqa: PLC0415
    from deploy.printing.discordances import discordances_table  # noqa: PLC0415

    settings = start("discordances")
    with open_registry(settings).read() as session:
        found = list_discordances(session, study_instance_uid=study or None, include_closed=include_closed, limit=limit)
    if as_json:
        typer.echo(json.dumps([discordance_facts(one) for one in found], indent=1))
    elif found:
        console.print(discordances_table(found, load_catalogue(settings.catalogue_path)))
    else:
        console.print("no discordances" if include_closed else "no open discordances")


@discordances_commands.command("confirm")
def confirm(
    number: Number,
    by: By,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="What was found, without names.")] = "",
) -> None:
    """Say that the two sides do not agree, whichever of them is right."""
    from db.consistency.discordances import ReviewState  # noqa: PLC0415

    _review(number, ReviewState.CONFIRMED, by, reason)


@discordances_commands.command("dismiss")
def dismiss(
    number: Number,
    by: By,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it is none, without names of patients.")],
) -> None:
    """Say that the two sides do agree, or that the rule or the reading was wrong."""
    from db.consistency.discordances import ReviewState  # noqa: PLC0415

    _review(number, ReviewState.DISMISSED, by, reason)


@discordances_commands.command("precision")
def precision(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show how often each rule was right: confirmed, of all that were looked at."""
    from db.consistency.discordance_review import precision_by_rule  # noqa: PLC0415
    from deploy.printing.discordances import precision_table  # noqa: PLC0415

    with open_registry(start("discordances")).read() as session:
        rules = precision_by_rule(session)
    if as_json:
        typer.echo(json.dumps([{**vars(rule), "precision": rule.precision} for rule in rules], indent=1))
    elif rules:
        console.print(precision_table(rules))
    else:
        console.print("no rule has found anything yet")


@discordances_commands.command("reviews")
def reviews(number: Number) -> None:
    """Show all that was said of one, the last word first."""
    from db.consistency.discordance_review import discordance_detail, reviews_of  # noqa: PLC0415
    from deploy.printing.discordances import reviews_table  # noqa: PLC0415

    with open_registry(start("discordances")).read() as session:
        discordance_detail(session, number)
        said = reviews_of(session, [number]).get(number, [])
    console.print(reviews_table(said) if said else f"nobody has said anything of discordance {number}")


def _review(number: int, state: "ReviewState", by: str, reason: str) -> None:
    from db.consistency.discordance_review import review_discordance, reviews_of  # noqa: PLC0415

    with open_registry(start("discordances")).write() as session:
        before = reviews_of(session, [number]).get(number)
        review_discordance(session, number, state=state, by=by, reason=reason, at=datetime.now(UTC))
    console.print(f"discordance {number} is {state}")
    if before:
        said = f"before, it was {before[0].state} by {before[0].by}: echoworker discordances reviews {number}"
        console.print(said, markup=False, highlight=False)
