"""docs/configuration.md is what the settings are, and what it says of them is so."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from config.reference import sections, settings_reference
from config.settings import Settings, load_settings

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in PAGE.splitlines()
    if line.startswith("| `")
]
WITH_VARIABLE = [row for row in ROWS if len(row) == 5 and row[0] != "`data_dir`"]


def test_the_page_is_what_the_settings_say() -> None:
    assert settings_reference() == PAGE, "run: echoworker settings docs > docs/configuration.md"


def test_every_setting_is_there_and_says_what_it_means() -> None:
    assert [row[0] for row in ROWS if not row[-1] or not row[1]] == []
    named = {name.partition(".")[0] for name, _, _ in sections()}
    assert named == set(Settings.model_fields) - {"data_dir"}
    keys = sum(len(model.model_fields) for _, model, _ in sections())
    inner = sum("." in name for name, _, _ in sections())
    assert len(ROWS) == keys - inner + 1


@pytest.mark.parametrize("row", WITH_VARIABLE, ids=lambda row: row[3].strip("`"))
def test_a_variable_sets_what_it_is_said_to_set_and_the_default_is_the_default(
    row: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default, put in by the variable, changes nothing; so name, type and default are right."""
    for name in [name for name in os.environ if name.startswith("ECHOWORKER_")]:
        monkeypatch.delenv(name)
    before = load_settings()
    variable, default = row[3].strip("`"), json.loads(row[2].strip("`"))
    monkeypatch.setenv(variable, default if isinstance(default, str) else json.dumps(default))
    assert load_settings() == before


def test_the_command_prints_the_page() -> None:
    command = [sys.executable, "-m", "deploy.cli", "settings", "docs"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == PAGE
