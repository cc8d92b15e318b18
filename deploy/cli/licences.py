"""`echoworker licences`: what an installation is made of, and under which licences."""

import typer


def licences() -> None:
    """Print the libraries that this software needs, and what they need, with their licences, as Markdown."""
    from deploy.licences import licences_page  # noqa: PLC0415  commands load what they need: --help is quick

    typer.echo(licences_page(), nl=False)
