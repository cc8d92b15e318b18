"""The commands that the handbook tells people to type are commands that there are, with options that they have."""

import re
import shlex
from pathlib import Path

import pytest

from tests.support.command_lines import command_named_by

ROOT = Path(__file__).parents[2]
OURS = re.compile(
    r"(?:^|-- (?:env \S+ )?|compose exec \w+ |\$\()(?:/opt/echoworker/bin/)?echoworker (?P<typed>.+)"
    r"|(?:compose run --rm (?:--volume \S+ )?\w+|^ +echoworker:cpu) (?P<contained>.+)"
)
LINES = [
    pytest.param(found["typed"] or found["contained"], id=f"{page.name}: {line[:60]}")
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for block in re.findall(r"```(?:sh)?\n(.*?)```", page.read_text(), re.DOTALL)
    for line in block.splitlines()
    if (found := OURS.search(line)) is not None
]
STAND_IN = {"ID": "1", "ID...": "1"}
FILES = ("FILE", "FILE...", "clip.dcm", "CLIP.dcm", "cases.csv", "vivid1.pem", "vivid1.key")
FOLDERS = ("FOLDER", "echo_CLIP/", "pacemaker-2026")


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_handbook_is_understood(line: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    there = dict.fromkeys(FILES, str(file)) | dict.fromkeys(FOLDERS, str(tmp_path)) | STAND_IN
    typed = re.split(r" \| |\)$", line)[0].replace("[", "").replace("]", "")  # what may be left out is given
    words = [there.get(word, word) for word in shlex.split(typed, comments=True)]
    assert command_named_by(words)


def test_the_pages_were_read() -> None:
    assert len(LINES) > 100
