"""The commands that the handbook tells administrators to type are commands that there are."""

import re
import shlex
from pathlib import Path

import pytest

from tests.support.command_lines import command_named_by

DOCS = Path(__file__).parents[2] / "docs"
LINES = [
    pytest.param(line, id=f"{name}: {line[:60]}")
    for name in ("upgrading.md", "containers.md", "sizing.md")
    for block in re.findall(r"```(?:sh)?\n(.*?)```", (DOCS / name).read_text(), re.DOTALL)
    for line in block.splitlines()
    if line.startswith("echoworker ")
]


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_handbook_is_understood(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    assert command_named_by(words)
