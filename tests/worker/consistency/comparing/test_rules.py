"""The file of rules: what it may say, and how a mistake in it is told."""

from itertools import pairwise
from pathlib import Path

import pytest

from config.catalogue import load_catalogue
from config.errors import ConfigurationError
from worker.consistency.comparing.rules import load_rules
from worker.consistency.text.fields import CONCEPTS


def test_the_bundled_rules_ask_of_tasks_that_the_bundled_catalogue_has() -> None:
    rules, known = load_rules(), {task.id for task in load_catalogue().tasks}
    asked = {rule.field for rule in (*rules.numbers, *rules.reports, *rules.words, *rules.changes)}
    asked |= {field for rule in (*rules.grades, *rules.devices) for field in rule.fields}
    asked |= {field for group in rules.kin for field in group}
    assert asked <= known


def test_every_word_that_is_read_for_the_bundled_rules_stands_for_numbers() -> None:
    rules = load_rules()
    for rule in rules.words:
        read = {grade for concept in CONCEPTS.values() if concept.graded_as == rule.words for grade in concept.scale}
        read |= {grade for concept in CONCEPTS.values() if concept.field == rule.words for grade in concept.scale}
        assert read
        assert read <= rules.meaning_of(rule.words).grades.keys()


def test_neighbouring_words_overlap_and_several_stand_for_what_any_of_them_does() -> None:
    meaning = load_rules().meaning_of("lv_function")
    falling = [meaning.grades[grade] for grade in ("normal", "mild", "moderate", "severe")]
    for higher, lower in pairwise(falling):
        assert higher.at_least is not None
        assert lower.at_most is not None
        assert higher.at_least <= lower.at_most
    assert meaning.span(["mild", "moderate"]) == (30.0, 55.0)
    assert meaning.span(["normal", "mild"]) == (40.0, None)
    assert meaning.span(["mild", "severe"]) == (None, 55.0)
    assert meaning.span([]) is meaning.span(["mild", "splendid"]) is None


WORD = 'version = "1"\n[[words]]\nid = "w"\nfield = "lvef"\nwords = "f"\ndiffers_by = 1\nmajor_from = 1\n'


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
        (WORD + 'against = "reports"', "words without an entry of meanings: f"),
        (WORD + 'against = "images"', r"words\.w: against = \"images\" needs times_error"),
        (WORD + 'against = "reports"\ntimes_error = 1', r"words\.w: .*has no use for it"),
        ('version = "1"\n[[meanings]]\nwords = "f"\n[meanings.grades]\nmild = {}', "neither at_least nor at_most"),
        (
            'version = "1"\n[[meanings]]\nwords = "f"\n[meanings.grades]\nmild = { at_least = 2, at_most = 1 }',
            "at_least is more than at_most",
        ),
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
