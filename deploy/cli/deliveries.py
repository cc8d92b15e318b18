"""`echoworker deliveries`: how each destination is doing, dead letters, and sending an object once more."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from config.errors import ConfigurationError
from deploy.cli.shared import console, open_registry, start, who

deliveries_commands = typer.Typer(
    help="What goes to the destinations: what waits, what was refused for good, sending it once more.",
    invoke_without_command=True,
)
Numbers = Annotated[list[int] | None, typer.Argument(metavar="ID", help="Numbers of deliveries.")]


@deliveries_commands.callback()
def summaries(context: typer.Context) -> None:
    """Show for each destination what is due, delivered and dead, and whether it is out of reach."""
    if context.invoked_subcommand is not None:
        return
    from db.delivery.dead_letters import destination_summaries  # noqa: PLC0415  commands load what they need: --help is quick
    from deploy.printing.deliveries import destinations_table  # noqa: PLC0415

    now = datetime.now(UTC)
    with open_registry(start("deliveries")).read() as session:
        found = destination_summaries(session, now=now)
    if found:
        console.print(destinations_table(found, width=console.width))
    else:
        console.print("nothing was due for any destination yet")


@deliveries_commands.command("dead")
def dead(limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100) -> None:
    """List dead letters: what a destination has refused for good, the latest first."""
    from db.delivery.dead_letters import deliveries_in  # noqa: PLC0415
    from db.states import DeliveryState  # noqa: PLC0415
    from deploy.printing.deliveries import dead_table  # noqa: PLC0415

    with open_registry(start("deliveries")).read() as session:
        found = deliveries_in(session, DeliveryState.DEAD, limit=limit)
        if found:
            console.print(dead_table(found, width=console.width))
        else:
            console.print("no dead letters")


@deliveries_commands.command("show")
def show(number: Annotated[int, typer.Argument(metavar="ID", help="Number of the delivery.")]) -> None:
    """Show one delivery: its object and file, its study, and all that the destination answered."""
    from db.delivery.dead_letters import delivery_detail  # noqa: PLC0415
    from deploy.printing.deliveries import delivery_view  # noqa: PLC0415

    settings = start("deliveries")
    with open_registry(settings).read() as session:
        found = delivery_detail(session, number)
        console.print(delivery_view(found, settings.spool_dir, width=console.width))


@deliveries_commands.command("resend")
def resend(
    numbers: Numbers = None,
    destination: Annotated[str, typer.Option(help="All dead letters of this destination.")] = "",
) -> None:
    """Send these once more, the same objects under the same UIDs, with fresh attempts, without waiting for a pause."""
    from db.delivery.dead_letters import dead_of, resend_deliveries  # noqa: PLC0415

    settings = start("deliveries")
    if bool(numbers) == bool(destination):
        raise ConfigurationError("name deliveries by number, or one --destination")
    with open_registry(settings).write() as session:
        chosen = numbers or dead_of(session, destination)
        resend_deliveries(session, chosen, now=datetime.now(UTC), by=who())
    if not chosen:
        console.print(f"{destination} has no dead letters", markup=False)
        return
    count = f"{len(chosen)} deliveries are" if len(chosen) > 1 else "1 delivery is"
    console.print(f"{count} due; the reaper announces them within {settings.pipeline.reap_every_s:g} s")
