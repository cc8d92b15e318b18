"""`echoworker check` and `echoworker discordances` as a reader meets them."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from config.settings import load_settings
from db.consistency.discordance_rows import record_check
from db.consistency.discordances import MODEL, Check, Discordance, Severity, Side, SideKind
from db.session import Database
from db.tables.runs import RunRow
from tests.support.clips import SMALL
from tests.support.installation import Installation
from tests.support.servers import StoreSCP
from tests.worker.pipeline import TO_REPORT, Pipeline

RULES = """
version = "test-1"
errors = [{family = "untrained", field = "lvef", mean_absolute_error = 0.1, origin = "this test"}]
numbers = [{id = "lvef-differs", field = "lvef", differs_by = 0.5, times_error = 1.0, major_from = 1.0}]
"""


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    (tmp_path / "rules.toml").write_text(RULES)
    monkeypatch.setenv("ECHOWORKER_CONSISTENCY__RULES", str(tmp_path / "rules.toml"))
    return Installation(tmp_path, StoreSCP(port=1, folder=tmp_path))  # a PACS that is away


@pytest.fixture
def study(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> str:
    """Reported on, without reports of others."""
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(installation.site))
    pipeline = Pipeline.create(load_settings())
    uid = pipeline.receive(SMALL)
    pipeline.fall_quiet()
    pipeline.run(uid, TO_REPORT)
    return uid


def said(installation: Installation, *arguments: str | Path) -> str:
    """What a command that succeeds prints."""
    run = installation.command(*arguments)
    assert run.returncode == 0, run.stderr
    return run.stdout


def refusal(installation: Installation, *arguments: str | Path) -> str:
    run = installation.command(*arguments)
    assert run.returncode != 0
    return run.stderr


def found_in(study_id: int, run_uid: str, registry: Database) -> None:
    """Two discordances, as a check would have found them."""
    images = Side(kind=SideKind.IMAGES, source=MODEL, said="30.0 %")
    both = tuple(
        Discordance(
            rule=rule, rules_version="7", field=field, severity=severity,
            sides=(Side(kind=SideKind.TEXT, source="1.2.3", said=said), images), confidence=0.9,
        )
        for rule, field, severity, said in (
            ("device-in-report-only", "tavr", Severity.MINOR, "present"),
            ("lvef-differs", "lvef", Severity.MAJOR, "55 to 60 %"),
        )
    )  # fmt: skip
    check = Check(rules_version="7", reports=("1.2.3",), notes=(), discordances=both, told=None)
    with registry.write() as session:
        record_check(session, study_id=study_id, run_uid=run_uid, check=check, at=datetime.now(UTC))


def test_a_report_of_a_file_is_shown_beside_the_images_and_nothing_is_written(
    installation: Installation, study: str, tmp_path: Path
) -> None:
    report = tmp_path / "report.txt"
    report.write_text("LVEF is 12 %. No pericardial effusion.")
    shown = said(installation, "check", study, "--report", report)
    (row,) = [line for line in shown.splitlines() if "LVEF is 12 %" in line]
    assert "Left ventricular ejection fraction" in row
    assert "│ 12 % " in row
    assert "Discordance (major): Left ventricular ejection fraction: text report 12 %" in " ".join(shown.split())
    facts = json.loads(said(installation, "check", study, "--report", report, "--json"))
    (discordance,) = facts["discordances"]
    assert (discordance["rule"], discordance["rules_version"]) == ("lvef-differs", "test-1")
    (lvef,) = [each for each in facts["reports"][0]["statements"] if each["field"] == "lvef"]
    assert lvef["words"] == "LVEF is 12 %"
    assert "no discordances" in said(installation, "discordances", "--all")


def test_a_study_without_reports_or_results_says_so(installation: Installation, study: str) -> None:
    assert "has no reports of others" in refusal(installation, "check", study)
    assert "not in the registry" in refusal(installation, "check", "1.2.99")


def test_discordances_are_listed_reviewed_and_counted(installation: Installation, study: str) -> None:
    registry = Database(load_settings().database_url)
    with registry.read() as session:
        row = session.scalars(select(RunRow)).one()
    found_in(row.study_id, row.run_uid, registry)
    first, second = json.loads(said(installation, "discordances", "--json"))
    assert (first["rule"], second["rule"]) == ("lvef-differs", "device-in-report-only")  # the worst first
    listed = said(installation, "discordances", "--study", study)
    assert "55 to 60 %" in listed
    assert "lvef-differs 7" in listed
    number, other = str(first["id"]), str(second["id"])
    assert "nobody has said anything" in said(installation, "discordances", "reviews", number)
    said(installation, "discordances", "dismiss", number, "--by", "C", "--reason", "old [loop]")
    confirmed = said(installation, "discordances", "confirm", number, "--by", "A. Reader")
    assert f"before, it was DISMISSED by C: echoworker discordances reviews {number}" in confirmed
    words = said(installation, "discordances", "reviews", number)
    assert words.index("CONFIRMED") < words.index("DISMISSED") < words.index("old [loop]")
    assert "--reason" in refusal(installation, "discordances", "dismiss", other, "--by", "B")
    dismissed = said(installation, "discordances", "dismiss", other, "--by", "B", "--reason", "an old lead")
    assert f"discordance {other} is DISMISSED" in dismissed
    assert "no open discordances" in said(installation, "discordances")
    shown = said(installation, "study", study).splitlines()
    assert [line.strip() for line in shown if line.startswith("Discordance")] == [
        f"Discordance {number}  MAJOR  Left ventricular ejection fraction: 55 to 60 % (text-report) against 30.0 % "
        "(images)  lvef-differs  CONFIRMED by A. Reader",
        f"Discordance {other}  MINOR  Transcatheter aortic valve: present (text-report) against 30.0 % (images)"
        "  device-in-report-only  DISMISSED by B: an old lead",
    ]
    facts = json.loads(said(installation, "study", study, "--json"))
    assert [(one["id"], one["state"]) for one in facts["discordances"]] == [
        (first["id"], "CONFIRMED"), (second["id"], "DISMISSED"),
    ]  # fmt: skip
    reviewed = {one["id"]: one for one in json.loads(said(installation, "discordances", "--all", "--json"))}
    assert (reviewed[second["id"]]["reviewed_by"], reviewed[second["id"]]["review_reason"]) == ("B", "an old lead")
    rules = json.loads(said(installation, "discordances", "precision", "--json"))
    assert {rule["rule"]: rule["precision"] for rule in rules} == {"lvef-differs": 1.0, "device-in-report-only": 0.0}
    assert "0.00" in said(installation, "discordances", "precision")
