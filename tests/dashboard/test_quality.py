"""Quality: numbers that can be worked out by hand from the laboratory (tests.support.lab), for whoever is signed in."""

import json
import re
from datetime import date, timedelta
from typing import Any

import pytest

from config.sections.dashboard import AccountRole
from dashboard.installation import Installation
from db.monitoring.drift import record_drift
from db.states import BatchKind, BatchState
from db.tables.monitoring import DriftRow
from db.tables.rescoring import Rescoring
from tests.config.test_calibration import CONTENT, TASK
from tests.dashboard.conftest import SignIn
from tests.support import lab
from tests.support.browsing import Browser

BOTH_MONTHS = "since=2026-10-01&until=2026-11-30"
Row = list[str]


@pytest.fixture
def viewer(here: Installation, as_role: SignIn) -> Browser:
    """In the laboratory."""
    with here.database.write() as session:
        lab.fill(session)
    return as_role(AccountRole.VIEWER)


def table(browser: Browser, path: str, caption: str) -> list[Row]:
    """The rows of the table whose caption begins so: the text of each cell."""
    answer = browser.get(path)
    assert answer.status_code == 200
    found = re.search(rf"<caption>{re.escape(caption)}.*?<tbody>(.*?)</tbody>", answer.text, re.DOTALL)
    assert found is not None, caption
    rows = re.findall(r"<tr>(.*?)</tr>", found[1], re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in cells]


def test_turnaround_is_told_by_day_as_chart_and_table(viewer: Browser) -> None:
    (row,) = table(viewer, f"/quality?{BOTH_MONTHS}", "By the day")
    # Closed after 60 s, reported after 180.5, delivered after 600; the last instance came after 30.
    assert row == ["2026-10-31", "1", "1", "2.01", "2.01", "9.5", "9.5", "1"]
    text = viewer.get(f"/quality?{BOTH_MONTHS}").text
    assert text.count('<svg class="chart"') == 2
    assert "median: last 9.5, from 9.5 to 9.5 min" in text


def test_days_that_are_not_asked_for_are_not_in_it(viewer: Browser) -> None:
    (row,) = table(viewer, "/quality?since=2026-11-01&until=2026-11-30", "By the day")
    assert row == ["No study was closed on these days."]
    asked = table(viewer, "/quality?since=2026-10-31&until=2026-10-31", "What became of each question")
    assert {row[2] for row in asked} == {"1"}
    assert viewer.get("/quality?since=yesterday").status_code == 422


def test_abstentions_are_counted_with_their_reasons_and_never_across_labels(
    here: Installation, viewer: Browser
) -> None:
    rows = {(row[0], row[1]): row[2:] for row in table(viewer, f"/quality?{BOTH_MONTHS}", "What became of each")}
    lvef = names(here)["lvef"]
    assert rows[lvef, "M 1 RESEARCH"] == ["4", "25%", "other 1", "0%"]
    assert rows[lvef, "M 1 DEMO"] == ["1", "0%", "", "0%"]


def test_prevalence_is_of_yes_and_no_alone(viewer: Browser) -> None:
    rows = table(viewer, f"/quality?{BOTH_MONTHS}", "How often each yes-or-no")
    assert [row[1:] for row in rows] == [["M 1 DEMO", "1", "0", "100%"], ["M 1 RESEARCH", "1", "2", "33%"]]


def drift_row(**changes: Any) -> DriftRow:
    facts: dict[str, Any] = {
        "looked_on": date(2026, 11, 20),
        "grouping": "device",
        "name": "Maker One",
        "task_id": "lvef",
        "measure": "number",
        "reference": 300,
        "recent": 40,
        "stability_index": 0.5,
        "alarm_limit": 0.25,
        "has_drifted": True,
    }
    return DriftRow(**(facts | changes))


def test_what_has_drifted_is_named_with_its_scanner_and_the_rest_when_asked(
    here: Installation, viewer: Browser
) -> None:
    calm = drift_row(name="Maker Two", stability_index=0.1, has_drifted=False)
    with here.database.write() as session:
        record_drift(session, date(2026, 11, 20), [drift_row(), calm])
    assert [row[1] for row in table(viewer, "/quality/drift", "The last look, of 2026-11-20: 2 comparisons")] == [
        "Maker One"
    ]
    every = table(viewer, "/quality/drift?every=true", "The last look")
    assert [(row[1], row[6], row[8]) for row in every] == [("Maker One", "0.5", "drifted"), ("Maker Two", "0.1", "")]


def test_one_task_is_told_day_by_day_and_sender_of_the_model_that_answers_now(
    here: Installation, viewer: Browser
) -> None:
    answers = table(viewer, f"/quality/drift?task=lvef&by=sender&{BOTH_MONTHS}", names(here)["lvef"])
    assert answers == [
        ["2026-10-31", "ECHO1", "1", "1", "60", "60", "60"],
        ["2026-11-01", "ECHO1", "3", "2", "40", "40", "50"],
        ["2026-11-01", "ECHO2", "1", "1", "70", "70", "70"],
    ]


def names(here: Installation) -> dict[str, str]:
    return {task.id: task.name for task in here.catalogue.tasks}


def test_the_active_calibration_is_shown_with_thresholds_figures_and_coverage(
    here: Installation, viewer: Browser
) -> None:
    assert "echoworker calibrate" in viewer.get("/quality/calibration").text
    path = here.settings.calibration_path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(CONTENT | {"tasks": [TASK | {"task_id": "pacemaker"}]}))
    (row,) = table(viewer, "/quality/calibration", "Thresholds")
    assert row == [names(here)["pacemaker"], "above 0.25", "f1", "40", "38", "F1 0.8 (0.7 to 0.9)"]
    assert f"1 of {len(here.catalogue.tasks)} tasks" in viewer.get("/quality/calibration").text
    path.write_text("{")
    assert "not valid JSON" in viewer.get("/quality/calibration").text


def test_agreement_is_that_of_the_last_shadow_with_a_report(here: Installation, viewer: Browser) -> None:
    agreement = {"pairs": 12, "both_answer": 10, "agreement": 0.9, "kappa": 0.78, "kappa_weights": "none"}
    report = {"studies": 12, "tasks": {"pacemaker": agreement | {"limits_of_agreement": [-1.5, 2.25]}}}
    with here.database.write() as session:
        session.add(batch(BatchKind.SHADOW, report=report))
        session.add(batch(BatchKind.RESCORE, report={"studies": 1, "tasks": {}}))
    text = viewer.get("/quality/calibration").text
    assert "Other 2" in text
    for said in (names(here)["pacemaker"], "90%", "0.78", "-1.5 to 2.25"):
        assert said in text


def batch(kind: BatchKind, **changes: Any) -> Rescoring:
    """A batch of another model, which is answered."""
    facts: dict[str, Any] = {
        "kind": kind,
        "state": BatchState.SCORED,
        "paused": False,
        "started_by": "command",
        "created_at": lab.NOVEMBER,
        "state_since": lab.NOVEMBER + timedelta(hours=1),
        "pack": "",
        "model_name": "Other",
        "model_version": "2",
        "model_label": "RESEARCH",
        "model_digest": "0" * 64,
        "embedder": "e" * 64,
        "catalogue_digest": "c" * 64,
    }
    return Rescoring(**(facts | changes))


def test_nobody_is_told_of_quality_before_they_sign_in_and_no_page_names_a_patient(
    viewer: Browser, browser: Browser
) -> None:
    for path in ("/quality", "/quality/drift", "/quality/calibration"):
        assert browser.get(path).status_code == 303
        text = viewer.get(f"{path}?{BOTH_MONTHS}").text
        assert not [phi for phi in lab.PHI if phi in text]
