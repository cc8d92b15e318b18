"""Licences: all are allowed, and all are listed. A bill of materials names what is here."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.licences import ALLOWED, ALLOWED_AS_A_TOOL, Licensed, is_allowed, licences
from tests.support.tools import require_tool

ROOT = Path(__file__).parents[2]
FOUND = licences()
LISTED = dict(re.findall(r"^\| ([\w.-]+) \| (.+?) \|", (ROOT / "docs" / "licences.md").read_text(), re.MULTILINE))


@pytest.mark.parametrize("library", FOUND, ids=lambda library: library.name)
def test_the_licence_of_a_library_is_one_that_we_take_and_is_listed(library: Licensed) -> None:
    assert is_allowed(library.licence, ALLOWED if library.is_shipped else ALLOWED_AS_A_TOOL), library
    assert LISTED.get(library.name) == library.licence, "run: echoworker licences > docs/licences.md"


def test_what_we_ask_for_is_told_from_what_comes_along_and_what_ships_from_what_does_not() -> None:
    by_name = {library.name: library for library in FOUND}
    assert (by_name["pydicom"].is_direct, by_name["pydicom"].is_shipped) == (True, True)
    assert (by_name["kombu"].is_direct, by_name["kombu"].is_shipped) == (False, True)
    assert (by_name["pytest"].is_direct, by_name["pytest"].is_shipped) == (True, False)
    assert by_name["psycopg-binary"].is_shipped, "an extra of a library that we ask for"
    assert "echoworker" not in by_name


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", True),
        ("GPL-2.0-only", False),
        ("MIT OR GPL-2.0-only", True),
        ("MIT AND GPL-2.0-only", False),
        ("not said", False),
        ("Apache-2.0 AND (BSD-2-Clause)", True),
    ],
)
def test_an_expression_is_allowed_by_its_parts(licence: str, expected: bool) -> None:
    assert is_allowed(licence) is expected


@pytest.mark.long
@pytest.mark.system
def test_the_bill_of_materials_names_every_library_with_its_version(tmp_path: Path) -> None:
    made = tmp_path / "sbom.json"
    tool = require_tool("cyclonedx-py")
    project = ("--pyproject", ROOT / "pyproject.toml")
    command = [tool, "environment", *project, "--of", "JSON", "-o", made, sys.executable]
    subprocess.run(command, check=True, capture_output=True)
    bill = json.loads(made.read_text())
    assert bill["bomFormat"] == "CycloneDX"
    there = {(part["name"], part["version"]) for part in bill["components"]}
    assert {(library.name, library.version) for library in FOUND} <= there
    assert bill["metadata"]["component"]["name"] == "echoworker"
