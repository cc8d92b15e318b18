"""The page of one study: who sees what of it, what it says in every state of it, and what people do with it."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from config.catalogue import Catalogue
from config.labels import ModelLabel
from config.sections.dashboard import AccountRole
from config.sections.report_objects import ReportObject
from dashboard.installation import Installation
from dashboard.study import content
from db.consistency.discordance_review import list_discordances, review_discordance
from db.consistency.discordances import ReviewState
from db.lifecycle.studies import register_instance
from db.reading.queries import study_detail
from db.states import StudyState
from db.tables.pictures import Clip
from db.tables.pipeline import JournalEntry
from db.tables.studies import Instance, Study
from tests.dashboard.conftest import SignIn
from tests.support.audit_trail import ACCESSED, asked_by_people
from tests.support.lab import fill
from tests.support.reported import QUIET, instance_of
from tests.support.shown_study import (
    CLIP,
    PAGE,
    SECRETS,
    UID,
    ShownStudy,
    add_discordance,
    add_earlier_study,
    add_report_of_others,
    section,
    show_study,
)

pytestmark = pytest.mark.long


@pytest.fixture
def shown(here: Installation) -> ShownStudy:
    return show_study(here.database, here.settings)


def test_a_study_that_is_not_there_is_said_so(as_role: SignIn) -> None:
    answer = as_role(AccountRole.VIEWER).get("/studies/1.2.3")
    assert answer.status_code == 404
    assert "1.2.3" in answer.text


def test_answers_stand_in_their_groups_with_the_label_of_their_model(as_role: SignIn, shown: ShownStudy) -> None:
    page = as_role(AccountRole.VIEWER).get(PAGE).text
    assert f'data-run="{shown.run.run_uid}"' in page, "an open page is of one run: see tests/browser/test_scripts.py"
    answers = section(page, "answers")
    groups = [answers.index(f" {name} Question") for name in ("Measurements", "Chambers", "Valves", "Devices")]
    assert groups == sorted(groups)
    assert answers.index("Mitral regurgitation") > groups[2]
    assert answers.index("Impella position") > groups[3]
    assert "54.5 %" in answers
    assert "0.298" in answers, "the threshold"
    rows = [row for row in page.split("<tr") if 'scope="row">Left ventricular ejection fraction' in row]
    assert rows
    assert all("DEMO" in row for row in rows)
    assert answers.count("DEMO") > len(shown.run.results), "with every answer, and above them"


def test_no_transaction_is_open_while_the_catalogue_of_a_run_is_fetched(
    here: Installation, as_role: SignIn, shown: ShownStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_meanwhile: list[int] = []

    def fetching(*_: object) -> Catalogue:
        open_meanwhile.append(here.database._engine.pool.checkedout())  # type: ignore[attr-defined]
        return here.catalogue

    monkeypatch.setattr(content, "catalogue_if_kept", fetching)
    assert f'data-run="{shown.run.run_uid}"' in as_role(AccountRole.READER).get(PAGE).text
    assert open_meanwhile == [0]


def test_a_viewer_sees_states_and_answers_and_nothing_of_the_patient(
    here: Installation, as_role: SignIn, shown: ShownStudy
) -> None:
    report = add_report_of_others(here.database, shown)
    add_discordance(here.database, shown, report)
    with here.database.write() as session:
        (found,) = list_discordances(session, study_instance_uid=UID)
        review_discordance(
            session, found.id, state=ReviewState.CONFIRMED, by="dr-b", reason="he had an infarct", at=datetime.now(UTC)
        )
    add_earlier_study(here.database, here.settings, shown, "20250101", 40.0)
    page = as_role(AccountRole.VIEWER).get(PAGE).text
    of_reports = ("30 to 35 %", report, "infarct")
    for secret in (*SECRETS, *of_reports, "dilated", "2025-01-01", "/frames", "<img class", "/objects/"):
        assert secret not in page, secret
    said = section(page, "discordances")
    for seen in ("MAJOR Left ventricular ejection fraction", "lvef-differs", "CONFIRMED"):
        assert seen in said
    assert "dr-b" not in said
    assert asked_by_people(here.settings.audit_dir, ACCESSED) == []
    reader = section(as_role(AccountRole.READER).get(PAGE).text, "discordances")
    assert all(secret in reader for secret in ("30 to 35 %", "infarct", "dr-b"))


def test_a_reader_sees_whose_study_it_is_and_the_audit_trail_says_so_once_a_minute(
    here: Installation, as_role: SignIn, shown: ShownStudy
) -> None:
    reader = as_role(AccountRole.READER)
    page = reader.get(PAGE).text
    for said in ("Zwölf, Ottilie", "SECRET-4711", "1933-02-24", "ACC-99", "2026-10-31"):
        assert said in page
    for _ in range(3):
        reader.get(PAGE, **{"X-EchoWorker-Live": "1"})
    told = asked_by_people(here.settings.audit_dir, ACCESSED)
    assert [(one.user, one.objects) for one in told] == [("a-reader", (UID, "SECRET-4711"))]


def test_the_label_of_a_model_that_is_not_clinical_is_explained(here: Installation, as_role: SignIn) -> None:
    show_study(here.database, here.settings, label=ModelLabel.UNTRAINED)
    page = as_role(AccountRole.VIEWER).get(PAGE).text
    assert re.search(r'class="said limits untrained"><strong>UNTRAINED\.</strong> \w+', page)


def test_the_trend_shows_earlier_studies_of_the_patient_as_drawing_and_table(
    here: Installation, as_role: SignIn, shown: ShownStudy
) -> None:
    first = add_earlier_study(here.database, here.settings, shown, "20240301", 61.0)
    add_earlier_study(here.database, here.settings, shown, "20250601", 47.5)
    page = as_role(AccountRole.READER).get(PAGE).text
    trend = re.search(r'<section class="card" id="trend".*?</section>', page, re.DOTALL)
    assert trend is not None
    heights = [float(y) for y in re.findall(r'<circle[^>]* cy="([0-9.]+)"', trend.group())]
    assert len(heights) == 3
    assert heights[0] < heights[2] < heights[1], "61.0 above 54.5 above 47.5: an SVG counts downwards"
    said = section(page, "trend")
    assert "2024-03-01 61.0 %" in said
    assert f'href="/studies/{first}"' in trend.group()
    assert "DEMO" in said


def test_a_study_without_earlier_ones_says_that_there_is_no_trend(as_role: SignIn, shown: ShownStudy) -> None:
    assert "no earlier study" in section(as_role(AccountRole.READER).get(PAGE).text, "trend")


def test_our_report_is_shown_as_a_tree_and_one_that_is_damaged_as_such(as_role: SignIn, shown: ShownStudy) -> None:
    reader = as_role(AccountRole.READER)
    said = section(reader.get(PAGE).text, "report")
    assert "Left Ventricular Ejection Fraction" in said
    assert "UNVERIFIED" in said
    shown.spool.report_path(UID, shown.objects[ReportObject.SR]).write_bytes(b"no DICOM file")
    assert "cannot be read" in section(reader.get(PAGE).text, "report")


def test_deliveries_say_where_everything_went(as_role: SignIn, shown: ShownStudy) -> None:
    said = section(as_role(AccountRole.VIEWER).get(PAGE).text, "sent")
    for uid in shown.objects.values():
        assert uid in said
    assert said.count("pacs DUE") == len(shown.objects)


def test_the_timeline_says_when_what_happened_where_and_why(here: Installation, as_role: SignIn) -> None:
    with here.database.write() as session:
        fill(session)
    said = section(as_role(AccountRole.VIEWER).get("/studies/1.2.1").text, "timeline")
    with here.database.read() as session:
        entries = session.scalars(select(JournalEntry).where(JournalEntry.study_id == 1)).all()
    assert entries
    for entry in entries:
        assert entry.host in said
        assert entry.state_after in said


def test_a_long_journal_is_cut_and_all_of_it_is_a_link_away(
    here: Installation, as_role: SignIn, shown: ShownStudy
) -> None:
    now = datetime.now(UTC)
    with here.database.write() as session:
        for number in range(150):
            session.add(
                JournalEntry(
                    study_id=shown.number, revision=1, at=now, step="deliver", state_before="REPORTED",
                    state_after="REPORTED", attempt=number, host=f"host{number}", reason="no answer",
                )
            )  # fmt: skip
    viewer = as_role(AccountRole.VIEWER)
    page = viewer.get(PAGE).text
    assert "host149" in page
    assert "host20<" not in page
    assert "host20<" in viewer.get(f"{PAGE}?journal=all").text


def test_an_administrator_requeues_a_study_from_the_step_that_failed(here: Installation, as_role: SignIn) -> None:
    with here.database.write() as session:
        fill(session)
        session.execute(
            update(Study).where(Study.id == 2).values(state="FAILED", failed_step="prepare", reason="no memory")
        )
    admin, reader = as_role(AccountRole.ADMIN), as_role(AccountRole.READER)
    assert "/studies/1.2.2/requeue" not in reader.get("/studies/1.2.2").text
    assert "the step that failed (prepare)" in admin.get("/studies/1.2.2").text
    assert admin.submit("/studies/1.2.2", "/studies/1.2.2/requeue", step="").status_code == 303
    with here.database.read() as session:
        detail = study_detail(session, "1.2.2")
    assert detail.study.state == StudyState.READY
    assert detail.journal[-1].reason == "requeued by hand, a-admin"


def test_a_study_that_cannot_be_requeued_says_why(here: Installation, as_role: SignIn) -> None:
    with here.database.write() as session:
        fill(session)
    answer = as_role(AccountRole.ADMIN).submit("/studies/1.2.1", "/studies/1.2.1/requeue", step="")
    assert answer.status_code == 409
    assert "name the step" in answer.text


def test_a_study_that_is_being_received_has_no_answers_and_can_be_scored_now(
    here: Installation, as_role: SignIn
) -> None:
    with here.database.write() as session:
        register_instance(session, instance_of("1.2.9", sop="1.2.9.1.1", at=datetime.now(UTC)), QUIET)
    admin = as_role(AccountRole.ADMIN)
    page = admin.get("/studies/1.2.9").text
    assert "It was not scored yet" in section(page, "answers")
    assert "not prepared yet" in section(page, "clips")
    assert admin.submit("/studies/1.2.9", "/studies/1.2.9/close").status_code == 303
    with here.database.read() as session:
        assert study_detail(session, "1.2.9").study.state == StudyState.READY


def test_a_study_that_was_skipped_or_failed_says_why_there_is_no_answer(here: Installation, as_role: SignIn) -> None:
    with here.database.write() as session:
        register_instance(session, instance_of("1.2.9", sop="1.2.9.1.1", at=datetime.now(UTC)), QUIET)
        session.execute(update(Study).values(state="SKIPPED", reason="no clip shows a heart"))
    viewer = as_role(AccountRole.VIEWER)
    assert "skipped, since no clip shows a heart" in section(viewer.get("/studies/1.2.9").text, "answers")
    with here.database.write() as session:
        session.execute(update(Study).values(state="FAILED", failed_step="score", reason="no memory"))
    page = viewer.get("/studies/1.2.9").text
    assert "score failed" in section(page, "answers")
    assert "no memory" in page


def test_each_instance_says_what_was_seen_in_it_or_why_it_was_left_out(
    here: Installation, as_role: SignIn, shown: ShownStudy
) -> None:
    with here.database.write() as session:
        for sop, action, rule in (("1.2.7.1", "score", None), ("1.2.7.2", "store", "archive-only")):
            instance = replace(instance_of(UID, sop=sop, at=datetime.now(UTC)))
            session.add(_row(instance, shown.number, action=action, rule=rule))
        session.add(
            Clip(
                study_id=shown.number, revision=1, sop_instance_uid="1.2.7.1", frame_numbers=[], notes=["odd times"],
                skip_reason="a still image",
            )
        )  # fmt: skip
    said = section(as_role(AccountRole.VIEWER).get(PAGE).text, "clips")
    assert "3 frames scored" in said
    assert "left out a still image" in said
    assert "odd times" in said
    assert "not scored: rule archive-only" in said


def test_sixty_and_more_clips_come_page_by_page_and_load_when_they_are_seen(
    here: Installation, as_role: SignIn, shown: ShownStudy
) -> None:
    with here.database.write() as session:
        for number in range(70):
            instance = instance_of(UID, sop=f"1.2.8.{number}", at=datetime.now(UTC))
            session.add(_row(instance, shown.number, action="score", rule=None))
    reader = as_role(AccountRole.READER)
    page = reader.get(PAGE).text
    pictures = re.findall(r'<img class="screen" src="[^"]+/clips/[^>]*>', page)
    assert len(pictures) == 60
    assert all('loading="lazy"' in picture for picture in pictures)
    further = re.search(r'href="(\?clips_from=\d+)#clips">Further clips \(11\)', page)
    assert further is not None
    assert len(re.findall(r'<img class="screen" src="[^"]+/clips/', reader.get(PAGE + further.group(1)).text)) == 11


def test_the_page_of_a_clip_leads_to_its_neighbours(here: Installation, as_role: SignIn, shown: ShownStudy) -> None:
    with here.database.write() as session:
        session.add(
            _row(instance_of(UID, sop="1.2.8.1", at=datetime.now(UTC)), shown.number, action="score", rule=None)
        )
    reader = as_role(AccountRole.READER)
    page = reader.get(f"{PAGE}/clips/{CLIP}").text
    assert f'rel="next" href="{PAGE}/clips/1.2.8.1"' in page
    assert 'data-scored="1 3 5"' in page
    assert as_role(AccountRole.VIEWER).get(f"{PAGE}/clips/{CLIP}").status_code == 403
    assert reader.get(f"{PAGE}/clips/1.2.3").status_code == 404


def _row(instance: object, study: int, *, action: str, rule: str | None) -> Instance:
    facts = {name: getattr(instance, name) for name in (
        "sop_instance_uid", "sop_class_uid", "series_instance_uid", "transfer_syntax_uid", "modality", "spool_path",
        "sha256", "size_bytes", "received_at", "calling_ae_title",
    )}  # fmt: skip
    return Instance(study_id=study, revision=1, action=action, rule=rule, **facts)
