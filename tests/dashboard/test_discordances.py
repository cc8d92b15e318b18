"""The inbox: what nobody has looked at, the worst first, and what a reader says of it."""

import re

import pytest
from sqlalchemy import select

from config.sections.dashboard import AccountRole
from dashboard.installation import Installation
from dashboard.paging import ROWS_OF_A_PAGE
from db.consistency.discordances import ReviewState
from db.tables.consistency import DiscordanceRow
from tests.dashboard.conftest import SignIn
from tests.support import lab
from tests.support.audit_trail import QUERY, asked_by_people
from tests.support.browsing import Browser

OPEN, DISMISSED = 2, 3
"""Numbers of the discordances of the laboratory; the first was superseded."""


@pytest.fixture
def reader(here: Installation, as_role: SignIn) -> Browser:
    """In the laboratory."""
    with here.database.write() as session:
        lab.fill(session)
    return as_role(AccountRole.READER)


def shown(browser: Browser, path: str = "/discordances") -> list[int]:
    answer = browser.get(path)
    assert answer.status_code == 200
    return [int(number) for number in re.findall(r'id="discordance-(\d+)"', answer.text)]


def row_of(here: Installation, number: int) -> DiscordanceRow:
    with here.database.read() as session:
        return session.get_one(DiscordanceRow, number)


def another(here: Installation, count: int = 1, **changes: object) -> None:
    """More discordances of the second study."""
    with here.database.write() as session:
        first = session.get_one(DiscordanceRow, OPEN)
        names = [column.key for column in DiscordanceRow.__table__.columns if column.key != "id"]
        for number in range(count):
            facts = {name: getattr(first, name) for name in names} | {"report_id": f"1.2.10.{number}"} | changes
            session.add(DiscordanceRow(**facts))


def test_what_is_open_is_shown_with_both_sides_and_who_says_so(reader: Browser) -> None:
    assert shown(reader) == [OPEN]
    text = reader.get("/discordances").text
    for said in ("55 to 60 %", "40 %", "text-report", "images", "0.9", "M 1 (RESEARCH)", "1.2.2", "MAJOR"):
        assert said in text


def test_the_worst_come_first_and_of_these_the_latest(here: Installation, reader: Browser) -> None:
    another(here, severity="MINOR", field="tavr")
    another(here, severity="MAJOR", field="pacemaker")
    assert shown(reader) == [5, OPEN, 4]


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ("state=all", [DISMISSED, OPEN, 1, 4]),
        ("state=dismissed", [DISMISSED]),
        ("state=superseded", [1]),
        ("severity=MINOR", [4]),
        ("rule=device", [4]),
        ("field=lvef&severity=", [OPEN]),
        ("field=tavr&severity=MAJOR", []),
    ],
)
def test_what_is_asked_for_is_shown(here: Installation, reader: Browser, asked: str, numbers: list[int]) -> None:
    another(here, severity="MINOR", field="tavr", rule="device")
    assert shown(reader, f"/discordances?{asked}") == numbers


def test_a_long_list_has_pages_that_keep_what_is_asked_for(here: Installation, reader: Browser) -> None:
    another(here, ROWS_OF_A_PAGE, field="tavr")
    another(here, 3, severity="MINOR", field="tavr", rule="device")
    path = "/discordances?field=tavr&state=open"
    first = shown(reader, path)
    assert len(first) == ROWS_OF_A_PAGE
    link = re.search(r'rel="next" href="([^"]+)"', reader.get(path).text)
    assert link is not None
    second = shown(reader, link[1].replace("&amp;", "&"))
    assert len(second) == 3
    assert not set(first) & set(second)


def test_a_reader_confirms_and_comes_back_to_the_same_list(here: Installation, reader: Browser) -> None:
    path = "/discordances?field=lvef"
    action = f"/discordances/{OPEN}?state=open&field=lvef&page=1"
    answer = reader.submit(path, action, state="CONFIRMED", reason="")
    assert answer.status_code == 303
    row = row_of(here, OPEN)
    assert (row.state, row.reviewed_by, row.review_reason) == (ReviewState.CONFIRMED, "a-reader", None)
    assert "field=lvef" in answer.headers["location"]
    assert shown(reader, answer.headers["location"]) == []


def test_what_somebody_else_has_said_meanwhile_is_not_lost(here: Installation, reader: Browser) -> None:
    action = f"/discordances/{OPEN}?state=all&page=1"
    assert reader.submit("/discordances?state=all", action, state="DISMISSED", reason="old").status_code == 303
    late = reader.submit("/discordances?state=all", action, state="CONFIRMED", seen="NEW")
    assert late.status_code == 400
    assert "DISMISSED by a-reader meanwhile" in late.text
    assert row_of(here, OPEN).review_reason == "old"


def test_whoever_comes_too_late_is_told_so_also_where_the_list_shows_it_no_more(
    here: Installation, reader: Browser
) -> None:
    """Both have the inbox open; of what the second one says nothing is taken, and the list has it no more."""
    action = f"/discordances/{OPEN}?state=open&page=1"
    form_secret = re.search(r'name="form_secret" value="([^"]*)"', reader.get("/discordances").text)
    assert form_secret is not None
    assert reader.submit("/discordances", action, state="DISMISSED", reason="old").status_code == 303
    sent = {"form_secret": form_secret[1], "seen": "NEW", "state": "CONFIRMED"}
    late = reader.client.post(action, data=sent)
    assert late.status_code == 400
    assert f'id="discordance-{OPEN}"' not in late.text
    (inbox,) = re.findall(r'<div id="inbox">.*', late.text, re.DOTALL)
    assert "DISMISSED by a-reader meanwhile" in inbox


def test_what_was_said_before_is_still_there_beside_the_last_word(here: Installation, reader: Browser) -> None:
    action = f"/discordances/{OPEN}?state=all&page=1"
    reader.submit("/discordances?state=all", action, state="DISMISSED", reason="the old loop")
    assert "Said before" not in reader.get("/discordances?state=all").text
    reader.submit("/discordances?state=all", action, state="CONFIRMED", reason="the new one")
    page = " ".join(reader.get("/discordances?state=all").text.split())
    assert "Confirmed by a-reader" in page
    assert "<summary>Said before</summary> <ul><li>Dismissed by a-reader, " in page
    assert "the old loop" in page


def test_a_dismissal_needs_a_reason(here: Installation, reader: Browser) -> None:
    action = f"/discordances/{OPEN}?state=open&page=1"
    refused = reader.submit("/discordances", action, state="DISMISSED", reason=" ")
    assert refused.status_code == 400
    assert "dismissed for a reason" in refused.text
    assert row_of(here, OPEN).state == ReviewState.NEW
    assert reader.submit("/discordances", action, state="DISMISSED", reason="another view").status_code == 303
    row = row_of(here, OPEN)
    assert (row.state, row.reviewed_by, row.review_reason) == (ReviewState.DISMISSED, "a-reader", "another view")


def test_precision_of_each_rule_is_beside_it(here: Installation, reader: Browser) -> None:
    reader.submit("/discordances", f"/discordances/{OPEN}?state=open&page=1", state="CONFIRMED")
    row = re.search(r'<th scope="row">number</th>(.*?)</tr>', reader.get("/discordances").text, re.DOTALL)
    assert row is not None
    assert re.findall(r">([^<]+)</td>", row[1]) == ["1", "1", "50%", "0"]


def test_a_viewer_sees_no_reports_and_says_nothing_of_them(
    here: Installation, reader: Browser, as_role: SignIn
) -> None:
    viewer = as_role(AccountRole.VIEWER)
    assert viewer.get("/discordances").status_code == 403
    assert viewer.client.post(f"/discordances/{OPEN}", data={"state": "CONFIRMED"}).status_code == 403
    assert row_of(here, OPEN).state == ReviewState.NEW


def test_whoever_looks_is_in_the_audit_trail(here: Installation, reader: Browser) -> None:
    shown(reader)
    told = [(one.user, one.objects) for one in asked_by_people(here.settings.audit_dir, QUERY)]
    assert told == [("a-reader", ("discordances",))]


def test_nobody_says_anything_of_what_is_not_there(here: Installation, reader: Browser) -> None:
    form = re.search(r'name="form_secret" value="([^"]*)"', reader.get("/discordances").text)
    assert form is not None
    sent = {"form_secret": form[1], "state": "CONFIRMED"}
    assert reader.client.post("/discordances/99", data=sent).status_code == 400
    with here.database.read() as session:
        assert set(session.scalars(select(DiscordanceRow.reviewed_by))) == {None}
