"""What is asked for is bounded: numbers and text that no database takes, statements of a list, what is sent at once."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from dashboard.application import LONGEST_BODY
from dashboard.installation import Installation
from dashboard.pages.operations import deliveries
from db.delivery.deliveries import of_current_runs
from db.states import BatchKind, DeliveryState
from db.tables.deliveries import Delivery
from dicom_node.spool import Spool
from tests.dashboard.test_quality import batch
from tests.support import lab
from tests.support.browsing import Browser


@pytest.fixture
def here(here: Installation) -> Installation:
    """The laboratory with a batch of re-scoring."""
    Spool(here.settings.spool_dir).create()
    with here.database.write() as session:
        lab.fill(session)
        session.add(batch(BatchKind.RESCORE))
    return here


def test_numbers_that_no_row_can_have_and_text_that_no_database_keeps_are_refused(admin: Browser) -> None:
    for path in ("/operations/deliveries/{0}", "/operations/rescoring/{0}", "/accounts/{0}"):
        for number in (0, 2**31, 10**19):
            assert admin.get(path.format(number)).status_code == 422, (path, number)
    secret = re.search(r'name="form_secret" value="([^"]*)"', admin.get("/account").text)
    assert secret is not None
    said = {"form_secret": secret[1], "state": "CONFIRMED"}
    for path in ("/discordances/{0}", "/studies/1.2/discordances/{0}"):
        for number in (2**31, 10**19):
            assert admin.client.post(path.format(number), data=said).status_code == 422, (path, number)
    for asked in ("/?patient=%00", "/?name=A%00", "/discordances?rule=%00", "/studies/1.2%00"):
        answer = admin.get(asked)
        assert (answer.status_code, "the character NUL" in answer.text) == (422, True), asked
    assert admin.submit("/operations/queues", "/operations/queues/score/pause", reason="a\0").status_code == 422


@pytest.mark.parametrize("path", ["/quality", "/quality/drift"])
@pytest.mark.parametrize("asked", ["since=0001-01-01&until=0001-01-01", "until=0001-01-02", "since=9999-12-31"])
def test_days_at_the_ends_of_the_calendar_are_days(viewer: Browser, path: str, asked: str) -> None:
    assert viewer.get(f"{path}?{asked}").status_code == 200


def test_what_is_no_address_leads_nowhere_and_comes_from_nowhere(browser: Browser) -> None:
    assert browser.get("/sign-in?next=//[").status_code == 200
    sent = {"name": "a", "password": "b", "next": "http://[x"}
    assert browser.client.post("/sign-in", data=sent).status_code == 401
    assert browser.client.post("/sign-in", data=sent, headers={"Origin": "http://["}).status_code == 403


@contextmanager
def statements() -> Iterator[list[str]]:
    """What any database is asked meanwhile."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("path", ["/operations/deliveries", "/api/v1/deliveries", "/api/v1/rescorings"])
def test_a_longer_list_takes_no_more_statements(here: Installation, viewer: Browser, path: str) -> None:
    viewer.get(path)
    with statements() as of_one:
        assert viewer.get(path).status_code == 200
    with here.database.write() as session:
        for delivery in session.scalars(select(Delivery)):
            delivery.state = DeliveryState.DEAD
        session.add_all(batch(BatchKind.RESCORE) for _ in range(3))
    with statements() as of_some:
        assert viewer.get(path).status_code == 200
    assert 0 < len(of_some) <= len(of_one)


def test_sending_all_again_takes_a_portion_at_a_time(
    here: Installation, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MOST_AT_ONCE", 1)
    of_pacs = of_current_runs(Delivery).where(Delivery.destination == "PACS").order_by(Delivery.id)
    with here.database.write() as session:
        for delivery in session.scalars(of_pacs):
            delivery.state = DeliveryState.DEAD
    admin.submit("/operations/deliveries", "/operations/deliveries/resend")
    with here.database.read() as session:
        states = [delivery.state for delivery in session.scalars(of_pacs)]
    assert states == [DeliveryState.DUE, DeliveryState.DEAD]


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/sign-in", {"data": {"name": "a", "password": "b" * LONGEST_BODY}}),
        ("/sign-in", {"files": {"name": b"a" * LONGEST_BODY}}),
        ("/api/v1/queues/pause", {"json": {"queue": "score", "reason": "a" * LONGEST_BODY}}),
        ("/api/v1/queues/pause", {"content": (b" " * 1024 for _ in range(1 + (LONGEST_BODY >> 10)))}),
    ],
    ids=["form", "multipart", "json", "without a length"],
)
def test_nobody_has_more_read_than_anything_here_takes(browser: Browser, path: str, sent: dict[str, Any]) -> None:
    """Bodies are read whole before it is known who sends them: memory, and of files the disk, would be anybody's."""
    headers = {"Content-Type": "application/json"} if "content" in sent else {}
    answer = browser.client.post(path, headers=headers, **sent)
    assert answer.status_code == 413
    assert "nosniff" in answer.headers["X-Content-Type-Options"]
