"""The discordances on the page of a study: both sides with the passage, and what people say of them."""

import re
from dataclasses import replace
from html import unescape

import pytest

from config.labels import ModelLabel
from config.sections.dashboard import AccountRole
from dashboard.installation import Installation
from db.consistency.discordance_review import ListedDiscordance, list_discordances
from db.consistency.discordance_rows import record_check
from db.consistency.discordances import MODEL, Check, Discordance, ReviewState, Severity, Side, SideKind
from db.reading.queries import study_detail
from db.results.recording import append_run
from tests.dashboard.conftest import SignIn
from tests.support.shown_study import (
    CLIP,
    PAGE,
    TEXT,
    UID,
    ShownStudy,
    add_discordance,
    add_report_of_others,
    section,
    show_study,
)

pytestmark = pytest.mark.long


@pytest.fixture
def shown(here: Installation) -> ShownStudy:
    return show_study(here.database, here.settings)


def test_both_sides_of_a_discordance_stand_beside_each_other_with_the_passage_marked(
    here: Installation, as_role: SignIn, shown: ShownStudy
) -> None:
    add_discordance(here.database, shown, add_report_of_others(here.database, shown))
    page = as_role(AccountRole.READER).get(PAGE).text
    assert "<mark>30 to 35 %</mark>" in page
    said = section(page, "discordances")
    assert "MAJOR Left ventricular ejection fraction" in said
    assert "Ejection fraction 30 to 35 % . No pericardial effusion." in said
    assert "54.5 %" in said
    assert "clip 1" in said
    assert TEXT.splitlines()[0] in section(page, "report")


def test_a_side_of_a_model_has_the_label_of_the_run_that_was_compared_and_not_of_a_later_one(
    here: Installation, as_role: SignIn, shown: ShownStudy
) -> None:
    add_discordance(here.database, shown, add_report_of_others(here.database, shown))
    reader = as_role(AccountRole.READER)
    assert "earlier run" not in section(reader.get(PAGE).text, "discordances")
    later = replace(shown.run, run_uid="later", model=replace(shown.run.model, label=ModelLabel.CLINICAL))
    with here.database.write() as session:
        append_run(session, study_id=shown.number, run=later, units={})
    page = reader.get(PAGE).text
    assert "CLINICAL" in section(page, "answers")
    said = section(page, "discordances")
    assert "The images DEMO" in said
    assert f"an earlier run of {shown.run.model.name} {shown.run.model.version} (DEMO)" in said
    assert "CLINICAL" not in said


def test_what_an_earlier_study_gave_is_labelled_too(here: Installation, as_role: SignIn, shown: ShownStudy) -> None:
    sides = (
        Side(kind=SideKind.IMAGES, source=MODEL, said="54.5 %", clips=(CLIP,)),
        Side(kind=SideKind.EARLIER, source="1.2.9", said="61 %"),
    )
    found = Discordance(
        rule="lvef-fell", rules_version="1", field="lvef", severity=Severity.MINOR, sides=sides, confidence=None
    )
    check = Check(rules_version="1", reports=(), notes=(), discordances=(found,), told=None)
    with here.database.write() as session:
        record_check(session, study_id=shown.number, run_uid=shown.run.run_uid, check=check, at=here.now())
    said = section(as_role(AccountRole.READER).get(PAGE).text, "discordances")
    assert "The images DEMO 54.5 %" in said
    assert "The study before DEMO 61 %" in said


def test_a_report_that_is_lost_or_has_changed_is_said_so(
    here: Installation, as_role: SignIn, shown: ShownStudy
) -> None:
    report_id = add_report_of_others(here.database, shown)
    add_discordance(here.database, shown, report_id)
    reader = as_role(AccountRole.READER)
    file = shown.spool.received_reports / "kept" / f"{report_id}.report"
    file.write_bytes(file.read_bytes()[:90])
    assert "<mark>" not in reader.get(PAGE).text
    file.unlink()
    page = reader.get(PAGE)
    assert page.status_code == 200
    assert "The report is not here any more" in section(page.text, "discordances")


def test_a_very_long_report_is_cut_around_its_passage_and_whole_below(
    here: Installation, as_role: SignIn, shown: ShownStudy
) -> None:
    text = f"{'Chamber sizes are as before. ' * 3000}{TEXT}{' The aorta is normal.' * 3000}"
    add_discordance(here.database, shown, add_report_of_others(here.database, shown, text), text)
    page = as_role(AccountRole.READER).get(PAGE).text
    passage = re.search(r'<blockquote class="passage">(.*?)</blockquote>', page, re.DOTALL)
    assert passage is not None
    assert "<mark>30 to 35 %</mark>" in passage.group()
    assert len(passage.group()) < 1000
    assert passage.group(1).startswith("…")
    assert text in unescape(page)


def test_a_reader_confirms_and_dismisses_and_only_with_a_reason(
    here: Installation, as_role: SignIn, shown: ShownStudy
) -> None:
    add_discordance(here.database, shown, add_report_of_others(here.database, shown))
    reader = as_role(AccountRole.READER)
    number = _discordance(here).id
    action = f"{PAGE}/discordances/{number}"
    assert reader.submit(PAGE, action, state="DISMISSED", reason=" ").status_code == 409
    assert reader.submit(PAGE, action, state="CONFIRMED", reason="seen").status_code == 303
    assert _discordance(here).state is ReviewState.CONFIRMED
    assert _discordance(here).reviewed_by == "a-reader"
    assert reader.submit(PAGE, action, state="DISMISSED", reason="misread").status_code == 303
    assert "DISMISSED by a-reader" in section(reader.get(PAGE).text, "discordances")


def test_each_word_is_in_the_journal_and_none_is_said_of_what_somebody_else_has_said_meanwhile(
    here: Installation, as_role: SignIn, shown: ShownStudy
) -> None:
    add_discordance(here.database, shown, add_report_of_others(here.database, shown))
    reader, other = as_role(AccountRole.READER), as_role(AccountRole.ADMIN)
    action = f"{PAGE}/discordances/{_discordance(here).id}"
    assert reader.submit(PAGE, action, state="NEW").status_code == 422, "what was said is not taken back"
    assert other.submit(PAGE, action, state="DISMISSED", reason="misread").status_code == 303
    late = reader.submit(PAGE, action, state="CONFIRMED", seen="NEW")
    assert late.status_code == 409
    assert "DISMISSED by a-admin meanwhile" in late.text
    assert _discordance(here).state is ReviewState.DISMISSED
    assert reader.submit(PAGE, action, state="CONFIRMED").status_code == 303
    with here.database.read() as session:
        said = [entry.reason or "" for entry in study_detail(session, UID).journal[-2:]]
    assert said[0].endswith("of rule lvef-differs: DISMISSED by a-admin")
    assert said[1].endswith("CONFIRMED by a-reader; before, DISMISSED by a-admin")


def test_nobody_reviews_what_they_may_not_or_under_another_study(
    here: Installation, as_role: SignIn, shown: ShownStudy
) -> None:
    add_discordance(here.database, shown, add_report_of_others(here.database, shown))
    number = _discordance(here).id
    viewer, reader = as_role(AccountRole.VIEWER), as_role(AccountRole.READER)
    secret = re.search(r'name="form_secret" value="([^"]+)"', viewer.get(PAGE).text)
    assert secret is not None
    sent = {"state": "CONFIRMED", "form_secret": secret.group(1)}
    assert viewer.client.post(f"{PAGE}/discordances/{number}", data=sent).status_code == 403
    assert reader.client.post(f"{PAGE}/discordances/{number}", data={"state": "CONFIRMED"}).status_code == 403
    secret = re.search(r'name="form_secret" value="([^"]+)"', reader.get(PAGE).text)
    assert secret is not None
    elsewhere = f"/studies/1.2.9/discordances/{number}"
    sent = {"state": "CONFIRMED", "form_secret": secret.group(1)}
    assert reader.client.post(elsewhere, data=sent).status_code == 404
    assert _discordance(here).state is ReviewState.NEW


def _discordance(here: Installation) -> ListedDiscordance:
    with here.database.read() as session:
        (found,) = list_discordances(session, study_instance_uid=UID, include_closed=True)
    return found
