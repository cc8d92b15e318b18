"""`echoworker conformance`: the DICOM conformance statement of this installation."""

import typer

from config.logs import configure_logs
from config.settings import load_settings


def conformance() -> None:
    """Print the DICOM conformance statement (PS3.2) of this installation, as Markdown."""
    from dicom_node.conformance import conformance_statement  # noqa: PLC0415

    configure_logs(process="conformance")
    typer.echo(conformance_statement(load_settings()), nl=False)
