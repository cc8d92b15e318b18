"""`echoworker devices`: GPUs that have failed their check, and using one again that is mended."""

import socket
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from config.logs import Event, emit
from deploy.cli.shared import console, open_registry, start, who

devices_commands = typer.Typer(
    help="GPUs that have failed their check, and using one again that is mended.", invoke_without_command=True
)


@devices_commands.callback()
def devices(context: typer.Context) -> None:
    """List the GPUs of all hosts that have failed their last check, or are set aside."""
    if context.invoked_subcommand is not None:
        return
    from db.working.devices import failing_devices  # noqa: PLC0415  commands load what they need: --help is quick
    from deploy.printing.tables import time_text, whole_column  # noqa: PLC0415

    with open_registry(start("devices")).read() as session:
        found = failing_devices(session)
    if not found:
        console.print("no GPU has failed its last check")
        return
    columns = (whole_column("Host"), whole_column("Device"), "Failures", "Last (UTC)", "Set aside (UTC)", "Why")
    table = Table(*columns)
    for each in found:
        times = [time_text(at) if at else "" for at in (each.failed_at, each.set_aside_at)]
        table.add_row(Text(each.host), each.device, str(each.failures), *times, Text(each.reason or ""))
    console.print(table)


@devices_commands.command("use-again")
def use_again(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="As devices lists it: cuda:0.")],
    host: Annotated[str, typer.Option("--host", metavar="NAME", help="By default, this one.")] = "",
) -> None:
    """Say that a GPU is mended: workers check it, and use it, from the next loading of their model on."""
    from db.working.devices import use_again as use_device_again  # noqa: PLC0415

    host = host or socket.gethostname()
    with open_registry(start("devices")).write() as session:
        use_device_again(session, host, device, by=who(), now=datetime.now(UTC))
    emit(Event.DEVICE_USED_AGAIN, host=host, device=device, reason=f"by {who()}")
    console.print(f"{device} of {host} is checked and used from the next start of a worker on", markup=False)
