"""The file of rules: what it may say, and how a mistake in it is told."""

from pathlib import Path

import pytest

from config.catalogue import load_catalogue
from config.errors import ConfigurationError
from worker.consistency.rules import load_rules


def test_the_bundled_rules_ask_of_tasks_that_the_bundled_catalogue_has() -> None:
    rules, known = load_rules(), {task.id for task in load_catalogue().tasks}
    asked = {rule.field for rule in (*rules.numbers, *rules.reports, *rules.changes)}
    asked |= {field for rule in (*rules.grades, *rules.devices) for field in rule.fields}
    asked |= {field for group in rules.kin for field in group}
    assert asked <= known


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("version = ", "not valid TOML"),
        ("", "version: Field required"),
        (
            'version = "1"\n[[numbers]]\nid = "x"\nfield = "lvef"\ndiffers_by = 0\nmajor_from = 1',
            r"numbers\.x\.differs_by",
        ),
        (
            'version = "1"\n[[numbers]]\nid = "x"\nfield = "lvef"\ndiffers_by = 1\nmajor_from = 1\nlimits = [5.0]',
            "limits and crossing_differs_by belong together",
        ),
        (
            'version = "1"\n[[devices]]\nid = "d"\nfields = ["tavr"]\nseverity = "MAJOR"\n'
            "in_images = true\nclaimed = 0.5",
            "in_images = true needs denied or not_mentioned",
        ),
        (
            'version = "1"\n' + 2 * '[[reports]]\nid = "twice"\nfield = "lvef"\ndiffers_by = 1\nmajor_from = 1\n',
            "rule id used more than once: twice",
        ),
        ('version = "1"\nunknown = 3', "unknown: Extra inputs"),
    ],
)
def test_a_mistake_is_told_with_file_and_entry(content: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=f"rules.toml: .*{told}"):
        load_rules(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_rules(tmp_path / "none.toml")
