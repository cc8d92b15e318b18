"""`echoworker canary`: a synthetic study through the whole live system, now."""

from typing import Annotated

import typer

from deploy.cli.shared import console, open_registry, start


def canary(
    within: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=1, help="By default canary.within_s of the settings.")
    ] = None,
) -> None:
    """Store a synthetic study at the node, follow it until it has come through, and say how long each stage took."""
    from deploy.canary import follow_canary  # noqa: PLC0415  commands load what they need: --help is quick
    from deploy.processes.stopping import stop_on_signals  # noqa: PLC0415

    settings = start("canary")
    registry = open_registry(settings)
    follow_canary(settings, registry, console, stop_on_signals(), within_s=within or settings.canary.within_s)
