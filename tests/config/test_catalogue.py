"""A catalogue file: what is taken, and what is refused, with a message that a site can act upon."""

from pathlib import Path

import pytest

from config.catalogue import BUNDLED_CATALOGUE, load_catalogue
from config.errors import CatalogueError, ConfigurationError

CODES = """
concept = { value = "1", scheme = "LN", meaning = "a" }
finding_site = { value = "2", scheme = "SCT", meaning = "b" }
"""
OTHER_CODES = CODES.replace('"1"', '"3"')
BINARY = f'[[task]]\nid = "lead"\nname = "Lead"\nkind = "binary"\nprompts = ["a lead"]\n{CODES}'
HEART = '[[view]]\nid = "apical"\nname = "apical view"\nheart = true\nprompts = ["apex"]\n'
LIVER = '[[view]]\nid = "liver"\nname = "liver"\nheart = false\nprompts = ["liver"]\n'
REGRESSION = (
    '[[task]]\nid = "ef"\nname = "EF"\nkind = "regression"\nprompts = ["EF {value}"]\n'
    f'values = {{ first = 0, last = 100 }}\nunit = {{ value = "%", scheme = "UCUM", meaning = "percent" }}\n{CODES}'
)
CLASS = f'[[task]]\nid = "leak"\nname = "Leak"\nkind = "class"\n{OTHER_CODES}'
NONE = 'id = "none"\nname = "None"\nconcept = { value = "n", scheme = "SCT", meaning = "n" }\nprompts = ["no leak"]\n'
SOME = 'id = "some"\nname = "Some"\nconcept = { value = "s", scheme = "SCT", meaning = "s" }\nprompts = ["a leak"]\n'
GRADES = f"[[task.classes]]\n{NONE}[[task.classes]]\n{SOME}"
CUT = 'origin = "here", model_family = "some", wording = "catalogue"'


def test_the_digest_changes_with_any_byte_of_the_file(tmp_path: Path) -> None:
    copy = tmp_path / "tasks.toml"
    copy.write_bytes(BUNDLED_CATALOGUE.read_bytes())
    assert load_catalogue(copy).digest == load_catalogue().digest
    copy.write_bytes(BUNDLED_CATALOGUE.read_bytes() + b"\n")
    assert load_catalogue(copy).digest != load_catalogue().digest


def test_a_catalogue_may_have_no_views(tmp_path: Path) -> None:
    (tmp_path / "tasks.toml").write_text(BINARY)
    assert load_catalogue(tmp_path / "tasks.toml").views == ()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (REGRESSION.replace("{value}", "%"), "task 'ef', prompts 1: .*exactly once"),
        (REGRESSION.replace("EF {value}", "EF {value} to {value}"), "task 'ef', prompts 1: .*exactly once"),
        (REGRESSION.replace("EF {value}", "EF {value} {unit}"), "task 'ef', prompts 1: .*cannot hold a brace"),
        (REGRESSION.replace("last = 100", "last = 0"), "task 'ef', values: last must be greater"),
        (REGRESSION.replace("last = 100", "last = 3"), "task 'ef': .*4 filled prompts.*at least 5"),
        (REGRESSION + "reportable = { first = 101, last = 120 }\n", "task 'ef': reportable, 101 to 120"),
        (BINARY.replace("a lead", "a lead {value}"), "task 'lead', prompts 1: .*cannot hold {value}"),
        (BINARY.replace("a lead", "a {valeu}"), "task 'lead', prompts 1: .*any other brace"),
        (BINARY.replace("a lead", " "), "task 'lead', prompts 1: is blank"),
        (BINARY.replace('kind = "binary"', 'kind = "ternary"'), "task 'lead': kind must be one of .*, not 'ternary'"),
        (BINARY.replace('kind = "binary"', ""), "task 'lead': kind is missing"),
        ("task = [3]\n", "task 1: must be a table, not a number"),
        (BINARY.replace("[[task]]", "[task]"), r"task: is a table: begin each entry with \[\[task\]\]"),
        ("view = 1979-05-27\n" + BINARY, r"view: is a date or a time: begin each entry with \[\[view\]\]"),
        (BINARY.replace('["a lead"]', '"a lead"'), "task 'lead', prompts: must be a list, not a text"),
        (BINARY.replace('"Lead"', "true"), "task 'lead', name: must be a text, not true or false"),
        (BINARY + "thresholds = [[0.3]]\n", "task 'lead', thresholds 1: must be a table, not a list"),
        (BINARY.replace('["a lead"]', "[]"), "task 'lead', prompts: has 0, and needs at least 1"),
        (BINARY.replace('name = "Lead"', ""), "task 'lead', name: is missing"),
        (BINARY.replace('id = "lead"', 'id = "Lead!"'), "task 'Lead!', id: .*small letters"),
        (BINARY.replace('meaning = "a"', f'meaning = "{"a" * 65}"'), "task 'lead', concept.meaning: has 65 characters"),
        (BINARY.replace('value = "1"', f'value = "{"1" * 17}"'), "task 'lead', concept.value: has 17 characters"),
        (BINARY + "colour = 1\n", "task 'lead', colour: unknown key"),
        (BINARY + "threshold = []\n", "task 'lead', threshold: unknown key: did you mean thresholds"),
        (BINARY + "cut_points = []\n", "task 'lead', cut_points: unknown key: this kind of entry has none"),
        (BINARY + "thresholds = [{ value = 2.0 }]\n", "task 'lead', thresholds 1, value: input should be less than"),
        (BINARY + "published_indices = [0]\n", "task 'lead': published_indices need published_as"),
        (BINARY + BINARY, "task id used more than once: lead"),
        (BINARY + BINARY.replace('"lead"', '"wire"').replace('"1"', '"4"'), "task name used more than once: Lead"),
        (BINARY + REGRESSION, "tasks 'lead' and 'ef' have the same concept \\(1, LN\\)"),
        (BINARY + 'asked_if = "pump"\n', "task 'lead', asked_if: no binary task above it is called pump"),
        (BINARY + 'asked_if = "lead"\n', "task 'lead', asked_if: no binary task above it is called lead"),
        (BINARY + 'views = ["apex"]\n' + HEART + LIVER, "task 'lead', views: no view .* called apex; there are apical"),
        (BINARY + 'views = ["liver"]\n' + HEART + LIVER, "task 'lead', views: no view of the heart is called liver"),
        (BINARY + HEART, "views of the heart and views of something else"),
        (BINARY + HEART + HEART + LIVER, "view id used more than once: apical"),
        (BINARY + HEART + LIVER.replace("heart = false", "heart = 3"), "view 'liver', heart"),
        (BINARY + HEART + LIVER.replace('["liver"]', "[]"), "view 'liver', prompts"),
        (CLASS, "task 'leak', classes: is missing"),
        (f"{CLASS}[[task.classes]]\n{NONE}", "task 'leak', classes: has 1, and needs at least 2"),
        (CLASS + GRADES.replace("a leak", "a {value}"), "task 'leak', classes 'some', prompts 1: .*cannot hold"),
        (CLASS + GRADES.replace("a leak", "no leak"), "'none' and 'some' share the prompt 'no leak'"),
        (CLASS + GRADES.replace('id = "some"', 'id = "none"'), "task 'leak': class id used more than once: none"),
        (CLASS + GRADES.replace('value = "s"', 'value = "n"'), "'none' and 'some' have the same concept"),
        (CLASS + GRADES + 'nam = "x"\n', "task 'leak', classes 'some', nam: unknown key: did you mean name"),
        (CLASS + GRADES + "published_values = [1]\n", "task 'leak': class 'some' names published prompts"),
        (CLASS + GRADES + "published_values = [1]\npublished_indices = [1]\n", "classes 'some': either"),
        (CLASS + GRADES + "published_indices = [-1]\n", "classes 'some', published_indices 1"),
        (f"{CLASS}cut_points = [{{ values = [1.0, 2.0], {CUT} }}]\n{GRADES}", "2 classes need 1 values"),
        (f"{CLASS}cut_points = [{{ values = [2.0, 1.0], {CUT} }}]\n{GRADES}", "cut_points 1: values must ascend"),
        (f"{CLASS}cut_points = [{{ values = [nan], {CUT} }}]\n{GRADES}", "input should be a finite number"),
        (f"{CLASS}ordered = false\ncut_points = [{{ values = [1.0], {CUT} }}]\n{GRADES}", "classes that are ordered"),
        (BINARY + "[[tasks]]\nid = 1\n", "tasks: unknown key"),
        ("task = 3", r"task: is a number: begin each entry with \[\[task\]\]"),
        ("", "task: is missing"),
        ("[[task", "not valid TOML"),
        ('remove = ["lvef"]', 'extends: must be "bundled"'),
        ('extends = "theirs"', 'extends: must be "bundled"'),
        ('extends = "bundled"\nremove = ["lead"]', "remove: the bundled catalogue has no task or view lead"),
        ('extends = "bundled"\nremove = "lvef"', "remove: must be a list of ids"),
        ('extends = "bundled"\nremove = ["impella"]', "task 'impella_position', asked_if: .*called impella"),
        ('extends = "bundled"\nremove = ["subcostal"]', "views: no view of the heart is called subcostal"),
        (f'extends = "bundled"\n{BINARY}{BINARY}', "task id used more than once: lead"),
        ('extends = "bundled"\n[[task]]\nid = "lvef"\nvalue = 3', "task 'lvef', value: unknown key"),
        ('extends = "bundled"\n[[task]]\nid = "lvfe"\nprompts = ["x"]', "task 'lvfe': kind is missing"),
        ('extends = "bundled"\ntask = 3', r"task: is a number: begin each entry with \[\[task\]\]"),
    ],
)
def test_a_mistake_is_a_message_that_names_the_file_and_the_entry(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "site-tasks.toml"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=f"^task catalogue .*site-tasks.toml: .*{said}"):
        load_catalogue(file)


def test_modifiers_tell_two_tasks_of_one_concept_apart(tmp_path: Path) -> None:
    file = tmp_path / "site-tasks.toml"
    access, by_surgery = (f'{{ value = "{code}", scheme = "SCT", meaning = "x" }}' for code in (5, 6))
    way = f"modifiers = [{{ name = {access}, value = {by_surgery} }}]\n"
    narrowed = BINARY.replace('"lead"', '"wire"').replace('"Lead"', '"Wire"') + way
    file.write_text(BINARY + narrowed)
    assert [task.id for task in load_catalogue(file).tasks] == ["lead", "wire"]
    file.write_text(narrowed + BINARY.replace('"lead"', '"cable"').replace('"Lead"', '"Cable"') + way)
    with pytest.raises(ConfigurationError, match="'wire' and 'cable' have the same concept"):
        load_catalogue(file)


def test_all_mistakes_of_the_fields_are_found_at_once(tmp_path: Path) -> None:
    file = tmp_path / "site-tasks.toml"
    file.write_text(BINARY.replace('name = "Lead"', "").replace("a lead", "{}") + "colour = 1\n")
    with pytest.raises(CatalogueError, match=r"\(and 2 more: echoworker tasks check .*site-tasks.toml\)$") as refused:
        load_catalogue(file)
    fields = [mistake.split(":")[0] for mistake in refused.value.mistakes]
    assert fields == ["task 'lead', name", "task 'lead', prompts 1", "task 'lead', colour"]


def test_five_filled_prompts_are_enough_in_whatever_way(tmp_path: Path) -> None:
    file = tmp_path / "site-tasks.toml"
    for few in (
        REGRESSION.replace("last = 100", "last = 4"),
        REGRESSION.replace("last = 100", "last = 2").replace('["EF {value}"]', '["EF {value}", "EF is {value}"]'),
    ):
        file.write_text(few)
        assert load_catalogue(file).task("ef")


def test_a_question_of_one_site_of_the_heart_may_be_asked_of_another_by_the_same_concept(tmp_path: Path) -> None:
    file = tmp_path / "site-tasks.toml"
    elsewhere = BINARY.replace('"lead"', '"lead_ra"').replace('"Lead"', '"Lead, RA"').replace('"2"', '"5"')
    file.write_text(BINARY + elsewhere)
    assert [task.id for task in load_catalogue(file).tasks] == ["lead", "lead_ra"]


def test_a_missing_catalogue_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml"):
        load_catalogue(tmp_path / "absent.toml")
