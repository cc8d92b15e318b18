"""Command lines that stand in files: read as our command line reads them, without being run."""

from collections.abc import Sequence
from typing import Any

from typer.main import get_command

from config.steps import QUEUES
from deploy.cli.application import app


def command_named_by(arguments: Sequence[str]) -> str:
    """The command that these arguments of `echoworker` call, with its options understood, as "db upgrade".

    It fails where there is no such command or option, or one lacks a value.
    """
    command: Any = get_command(app)
    context = command.make_context("echoworker", list(arguments))
    names: list[str] = []
    while hasattr(command, "commands"):
        words = [*context._protected_args, *context.args]
        if not words and command.invoke_without_command:
            break
        name, command, rest = command.resolve_command(context, words)
        names.append(name)
        context = command.make_context(name, list(rest), parent=context)
    if names == ["worker"]:
        wanted = set(context.params["queues"].split(","))
        assert wanted <= set(QUEUES), f"no such queue: {wanted - set(QUEUES)}"
    return " ".join(names)
