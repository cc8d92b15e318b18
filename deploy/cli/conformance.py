"""`echoworker conformance`: the DICOM conformance statement of this installation."""

import typer

from deploy.cli.shared import start


def conformance() -> None:
    """Print the DICOM conformance statement (PS3.2) of this installation, as Markdown."""
    from dicom_node.conformance.statement import conformance_statement  # noqa: PLC0415

    typer.echo(conformance_statement(start("conformance", by_anybody=True)), nl=False)
