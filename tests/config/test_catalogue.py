import re
from pathlib import Path

import pytest

from config.catalogue import BUNDLED_CATALOGUE, load_catalogue
from config.clinical_tasks import BinaryTask, RegressionTask
from config.errors import ConfigurationError

CODES = """
concept = { value = "1", scheme = "LN", meaning = "a" }
finding_site = { value = "2", scheme = "SCT", meaning = "b" }
"""
BINARY = f'[[task]]\nid = "lead"\nname = "Lead"\nkind = "binary"\nprompts = ["a lead"]\n{CODES}'
HEART = '[[view]]\nid = "apical"\nname = "apical view"\nheart = true\nprompts = ["apex"]\n'
LIVER = '[[view]]\nid = "liver"\nname = "liver"\nheart = false\nprompts = ["liver"]\n'
REGRESSION = (
    '[[task]]\nid = "ef"\nname = "EF"\nkind = "regression"\nprompts = ["EF {value}"]\n'
    f'values = {{ first = 0, last = 100 }}\nunit = {{ value = "%", scheme = "UCUM", meaning = "percent" }}\n{CODES}'
)


def test_the_bundled_catalogue_asks_the_six_questions_of_the_first_release() -> None:
    catalogue = load_catalogue()
    kinds = {task.id: type(task) for task in catalogue.tasks}
    assert kinds == {
        "lvef": RegressionTask,
        "pa_pressure": RegressionTask,
        "pacemaker": BinaryTask,
        "tavr": BinaryTask,
        "mitraclip": BinaryTask,
        "impella": BinaryTask,
    }


def test_the_published_threshold_does_not_hold_for_our_own_wording() -> None:
    pacemaker = load_catalogue().task("pacemaker")
    assert isinstance(pacemaker, BinaryTask)
    assert pacemaker.threshold_for("echo-clip", "catalogue") is None
    threshold = pacemaker.threshold_for("echo-clip", "pack")
    assert threshold is not None
    assert threshold.value == 0.298
    assert pacemaker.threshold_for("another-family", "pack") is None


def test_the_digest_changes_with_any_byte_of_the_file(tmp_path: Path) -> None:
    copy = tmp_path / "tasks.toml"
    copy.write_bytes(BUNDLED_CATALOGUE.read_bytes())
    assert load_catalogue(copy).digest == load_catalogue().digest
    copy.write_bytes(BUNDLED_CATALOGUE.read_bytes() + b"\n")
    assert load_catalogue(copy).digest != load_catalogue().digest


def test_the_bundled_views_are_the_standard_ones_of_the_heart_and_what_else_a_machine_sends() -> None:
    views = load_catalogue().views
    assert {view.id for view in views if view.heart} == {
        "apical_four_chamber", "apical_two_chamber", "apical_three_chamber", "apical_five_chamber",
        "parasternal_long_axis", "parasternal_short_axis", "subcostal", "suprasternal",
    }  # fmt: skip
    assert {view.id for view in views if not view.heart} == {"abdomen", "lung", "vessel", "obstetric", "page"}
    assert not [prompt for view in views for prompt in view.prompts if re.search(r"\b(no|not|without)\b", prompt)]


def test_a_catalogue_may_have_no_views(tmp_path: Path) -> None:
    (tmp_path / "tasks.toml").write_text(BINARY)
    assert load_catalogue(tmp_path / "tasks.toml").views == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (REGRESSION.replace("{value}", "%"), "'ef'.*exactly once"),
        (REGRESSION.replace("EF {value}", "EF {value} to {value}"), "'ef'.*exactly once"),
        (REGRESSION.replace("last = 100", "last = 0"), "'ef', values.*greater"),
        (REGRESSION.replace("last = 100", "last = 3"), "'ef'.*4 filled prompts.*at least 5"),
        (BINARY.replace("a lead", "a lead {value}"), "'lead'.*cannot hold"),
        (BINARY.replace('kind = "binary"', 'kind = "ternary"'), "'lead'"),
        (BINARY.replace('["a lead"]', "[]"), "'lead', prompts"),
        (BINARY + "colour = 1\n", "'lead'.*colour"),
        (BINARY + BINARY, "more than once: lead"),
        (BINARY + HEART, "views of the heart and views of something else"),
        (BINARY + HEART + HEART + LIVER, "view id used more than once: apical"),
        (BINARY + HEART + LIVER.replace("heart = false", "heart = 3"), "view 'liver', heart"),
        (BINARY + HEART + LIVER.replace('["liver"]', "[]"), "view 'liver', prompts"),
        ("task = 3", "task"),
        ("", "task"),
        ("[[task", "TOML"),
    ],
)
def test_a_mistake_is_a_message_that_names_the_file_and_the_task(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "site-tasks.toml"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=f"site-tasks.toml.*{said}"):
        load_catalogue(file)


def test_five_filled_prompts_are_enough_in_whatever_way(tmp_path: Path) -> None:
    file = tmp_path / "site-tasks.toml"
    for few in (
        REGRESSION.replace("last = 100", "last = 4"),
        REGRESSION.replace("last = 100", "last = 2").replace('["EF {value}"]', '["EF {value}", "EF is {value}"]'),
    ):
        file.write_text(few)
        assert load_catalogue(file).task("ef")


def test_a_missing_catalogue_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml"):
        load_catalogue(tmp_path / "absent.toml")
