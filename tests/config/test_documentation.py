"""What docs/ says of the catalogue is what the catalogue is."""

import re
from pathlib import Path

import pytest

from config.catalogue import load_catalogue
from config.clinical_tasks import AnyTask

DOCS = Path(__file__).parents[2] / "docs"
CATALOGUE = load_catalogue()
VIEWS = {
    "A4C": "apical_four_chamber", "A2C": "apical_two_chamber", "A3C": "apical_three_chamber",
    "A5C": "apical_five_chamber", "PLAX": "parasternal_long_axis", "PSAX": "parasternal_short_axis", "SC": "subcostal",
}  # fmt: skip
ROWS = {
    row[0]: row[1:]
    for line in (DOCS / "model-card.md").read_text().splitlines()
    if re.match(r"\| `\w+` \|.*\|.*\|.*\|.*\|.*\|$", line)
    for row in [[cell.strip().strip("`") for cell in line.strip("|").split("|")]]
}


def test_the_model_card_lists_every_question() -> None:
    assert list(ROWS) == [task.id for task in CATALOGUE.tasks]


@pytest.mark.parametrize("task", CATALOGUE.tasks, ids=lambda task: task.id)
def test_the_model_card_says_what_a_question_is(task: AnyTask) -> None:
    kind, views, concept, site, calibrated = ROWS[task.id]
    classes = f": {', '.join(outcome.id for outcome in task.classes)}" if task.kind == "class" else ""
    assert kind == f"{task.kind}{classes}"
    assert tuple(VIEWS[view] for view in views.split(", ")) == task.views
    assert concept == f"{task.concept.value} {task.concept.scheme}"
    assert site == f"{task.finding_site.value} {task.finding_site.scheme}"
    made = task.cut_points if task.kind == "class" else task.thresholds if task.kind == "binary" else None
    assert calibrated == ("needs none" if made is None else "with the published prompts" if made else "no")


def test_the_example_of_a_sites_own_file_is_right(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (DOCS / "tasks.md").read_text(), re.DOTALL)
    (tmp_path / "site.toml").write_text(example)
    assert load_catalogue(tmp_path / "site.toml").task("appendage_occluder")


def test_every_field_of_an_entry_is_described() -> None:
    described = set(re.findall(r"`(\w+)`", (DOCS / "tasks.md").read_text()))
    fields = {name for task in CATALOGUE.tasks for name in type(task).model_fields}
    assert fields - described == set()
