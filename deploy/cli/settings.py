"""`echoworker settings`: what there is to be set."""

import typer

settings_commands = typer.Typer(help="The settings that there are.", no_args_is_help=True)


@settings_commands.callback()
def _group() -> None:
    """So that its one command keeps its name."""


@settings_commands.command("docs")
def settings_docs() -> None:
    """Print every setting with its type, default, environment variable and meaning, as Markdown."""
    from config.reference import settings_reference  # noqa: PLC0415  commands load what they need: --help is quick

    typer.echo(settings_reference(), nl=False)
