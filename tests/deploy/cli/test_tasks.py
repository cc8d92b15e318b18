"""`echoworker tasks`: the questions of an installation, and a site's file tried before it is used."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from config.catalogue import BUNDLED_CATALOGUE, load_catalogue
from deploy.cli.application import app

SITE = """
extends = "bundled"
remove = ["impella_position", "suprasternal"]
[[task]]
id = "lvef"
reportable = { first = 15, last = 75 }
[[task]]
id = "occluder"
name = "Occluder"
kind = "binary"
prompts = ["An occluder is seen."]
concept = { value = "OCC", scheme = "99SITE", meaning = "Occluder" }
finding_site = { value = "82471001", scheme = "SCT", meaning = "Left atrium" }
"""


def tasks(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["tasks", *arguments])


def test_the_list_names_every_question_with_what_it_may_answer() -> None:
    shown = tasks("list")
    assert shown.exit_code == 0, shown.output
    for task in load_catalogue().tasks:
        assert task.id in shown.stdout
    for word in ("5 to 85 percent", "significantly_elevated", "subcostal", "none: uncalibrated", "echo-clip"):
        assert word in shown.stdout
    assert load_catalogue().digest[:12] in shown.stdout


def test_as_json_it_has_every_field_of_the_catalogue_in_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    monkeypatch.setenv("ECHOWORKER_MODEL__CATALOGUE", str(tmp_path / "site.toml"))
    facts = json.loads(tasks("list", "--json").stdout)
    by_id = {task["id"]: task for task in facts["tasks"]}
    assert by_id["lvef"]["reportable"] == {"first": 15, "last": 75}
    assert by_id["mitral_stenosis"]["classes"][1]["concept"]["value"] == "255604002"
    assert by_id["occluder"]["prompts"] == ["An occluder is seen."]
    assert "impella_position" not in by_id
    assert "suprasternal" not in {view["id"] for view in facts["views"]}


def test_a_right_file_is_told_by_what_it_changes(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    checked = tasks("check", str(tmp_path / "site.toml"))
    assert checked.exit_code == 0, checked.output
    assert f"{len(load_catalogue().tasks)} tasks, 12 views" in checked.stdout  # one more, one fewer
    assert "new, beside the bundled catalogue: occluder\n" in checked.stdout
    assert "changed, beside the bundled catalogue: lvef\n" in checked.stdout
    assert "not there, beside the bundled catalogue: impella_position, suprasternal\n" in checked.stdout
    assert "doubtful" not in checked.stdout
    same = tasks("check", str(BUNDLED_CATALOGUE))
    assert "beside the bundled" not in same.stdout


def test_every_mistake_of_a_file_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(SITE.replace('kind = "binary"', 'kind = "bin"').replace("reportable", "reported"))
    checked = tasks("check", str(file))
    assert checked.exit_code == 1
    assert checked.stdout.splitlines() == [
        "  task 'lvef', reported: unknown key: did you mean reportable?",
        "  task 'occluder': kind must be one of regression, binary, class, not 'bin'",
    ]
    assert str(checked.exception) == f"task catalogue {file}: mistakes: 2"


def test_uneven_wording_is_doubted(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    one_prompt_more = BUNDLED_CATALOGUE.read_text().replace(
        '    "Grade of mitral stenosis: severe.",\n',
        '    "Grade of mitral stenosis: severe.",\n    "Tight mitral valve.",\n',
    )
    file.write_text(one_prompt_more)
    assert (
        "doubtful: task 'mitral_stenosis': its classes have different numbers of prompts"
        in tasks("check", str(file)).stdout
    )
