"""`echoworker` commands within the test's own process: as from a shell, but nothing is imported once more.

For commands that end by themselves. Those that run until they are stopped, read a terminal or are about how a process
starts and ends need one of their own.
"""

import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess

import structlog

from deploy.cli.application import main


def echoworker(
    *arguments: object, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> CompletedProcess[str]:
    """Run a command, in this folder and with these variables besides: its exit status and what it printed, whatever
    they are.
    """
    said, complained = io.StringIO(), io.StringIO()
    command = ["echoworker", *map(str, arguments)]
    with (
        _as_a_process(command, environment or {}),
        chdir(folder or Path.cwd()),
        redirect_stdout(said),
        redirect_stderr(complained),
    ):
        try:
            main()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return CompletedProcess(command, status, said.getvalue(), complained.getvalue())


@contextmanager
def _as_a_process(command: list[str], environment: Mapping[str, str]) -> Iterator[None]:
    """What a process would take with it when it ends: arguments, environment, umask, where it logs."""
    before, kept, logs = sys.argv, dict(os.environ), structlog.get_config()
    umask = os.umask(0o077)
    sys.argv = command
    os.environ.update(environment)
    try:
        yield
    finally:
        sys.argv = before
        os.umask(umask)
        os.environ.clear()
        os.environ.update(kept)
        structlog.configure(**logs)
