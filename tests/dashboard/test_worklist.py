"""The worklist: what is found by what, in which order, by whom; and what the audit trail says of it."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from config.sections.dashboard import AccountRole
from config.sections.privacy import IdentityMode
from dashboard.installation import Installation
from db.identities import IdentityKeeper
from db.lifecycle.received import Identity
from db.lifecycle.studies import register_instance
from db.monitoring.canaries import canary_uid
from db.session import Database
from db.states import StudyState
from db.tables.studies import Study
from tests.dashboard.conftest import SignIn
from tests.support.audit_trail import QUERY, asked_by_people
from tests.support.lab import PHI, fill
from tests.support.reported import QUIET, instance_of

BEGAN = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
Receive = Callable[..., str]


@pytest.fixture
def receive(here: Installation) -> Receive:
    """Registers a study with one instance; each comes a minute after the one before."""

    def register(uid: str, *, sender: str = "ECHO1", **identity: str) -> str:
        with here.database.write() as session:
            number = len(session.scalars(select(Study.id)).all())
            at = BEGAN + timedelta(minutes=number)
            known = Identity(
                **{
                    "patient_id": "P-1", "patient_name": "Muster^Max", "birth_date": None,
                    "accession_number": None, "study_date": "20261120", **identity,
                }
            )  # fmt: skip
            instance = replace(instance_of(uid, sop=f"{uid}.1.1", at=at), identity=known, calling_ae_title=sender)
            register_instance(session, instance, QUIET)
        return uid

    return register


def listed(page: str) -> list[str]:
    return re.findall(r'<a class="uid" href="/studies/([^"]+)"', page)


def test_a_study_is_found_by_its_uid_or_the_beginning_of_it(as_role: SignIn, receive: Receive) -> None:
    for uid in ("1.2.3", "1.2.34", "1.25.3"):
        receive(uid)
    browser = as_role(AccountRole.VIEWER)
    assert listed(browser.get("/").text) == ["1.25.3", "1.2.34", "1.2.3"], "the last to come first"
    assert listed(browser.get("/?uid=1.2.3").text) == ["1.2.34", "1.2.3"]
    assert listed(browser.get("/?uid=1.2.34").text) == ["1.2.34"]
    assert listed(browser.get("/?uid=2.3").text) == [], "from the start"


def test_what_is_no_uid_or_no_day_finds_nothing_and_says_why(as_role: SignIn, receive: Receive) -> None:
    receive("1.2.3")
    browser = as_role(AccountRole.VIEWER)
    for asked in (
        "uid=1%25",
        "since=yesterday",
        "state=NOWHERE",
        "older=nonsense",
        "older=2026-01-01/99999999999999999999x",
        "older=2026-01-01T00:00:00/9999999999999999999",
        "newer=2026-01-01T00:00:00/0",
    ):
        answer = browser.get(f"/?{asked}")
        assert answer.status_code == 200
        assert "Not searched" in answer.text
        assert listed(answer.text) == []


def test_readers_find_patients_and_viewers_neither_see_nor_find_them(as_role: SignIn, receive: Receive) -> None:
    receive("1.2.1", patient_id="A-1", patient_name="MÜLLER^Änne", accession_number="ACC-1")
    receive("1.2.2", patient_id="A-12", patient_name="Muellerchen^Bo", accession_number="ACC-2")
    reader, viewer = as_role(AccountRole.READER), as_role(AccountRole.VIEWER)
    for asked, found in (
        ("patient=A-1", ["1.2.1"]),
        ("accession=ACC-2", ["1.2.2"]),
        ("name=m%C3%BCll", ["1.2.1"]),
        ("name=MU", ["1.2.2"]),
        ("name=%25", []),
        ("patient=A-1&accession=ACC-2", []),
    ):
        assert listed(reader.get(f"/?{asked}").text) == found, asked
        assert len(listed(viewer.get(f"/?{asked}").text)) == 2, "whether something is found would tell of patients"
    assert "MÜLLER, Änne" in reader.get("/").text
    for secret in ("LLER", "A-1", "ACC-1", "2026-11-20</td>"):
        assert secret not in viewer.get("/?patient=A-1&name=m%C3%BCll").text, secret


@pytest.mark.parametrize("mode", [IdentityMode.ENCRYPTED, IdentityMode.PSEUDONYMISED, IdentityMode.EMPTY])
def test_what_can_be_found_of_identities_that_are_not_kept_plain(
    mode: IdentityMode, here: Installation, as_role: SignIn, receive: Receive
) -> None:
    _keep_as(here, mode)
    receive("1.2.1", patient_id="A-1", patient_name="Müller^Änne", accession_number="ACC-1")
    reader = as_role(AccountRole.READER)
    found = [
        listed(reader.get(f"/?{asked}").text) == ["1.2.1"]
        for asked in ("patient=A-1", "accession=ACC-1", "name=MULLER", "name=M%C3%BCller%5E%C3%84nne", "name=M")
    ]
    assert (
        found
        == {
            IdentityMode.ENCRYPTED: [True, True, False, True, False],
            IdentityMode.PSEUDONYMISED: [True, True, True, True, False],
            IdentityMode.EMPTY: [False, False, False, False, False],
        }[mode]
    )
    shown = reader.get("/").text
    assert ("Müller" in shown) is (mode is IdentityMode.ENCRYPTED)
    assert ("pseudonym " in shown) is (mode is IdentityMode.PSEUDONYMISED)


def test_filters_by_state_sender_day_and_discordances(here: Installation, as_role: SignIn) -> None:
    with here.database.write() as session:
        fill(session)
    browser = as_role(AccountRole.VIEWER)
    for asked, found in (
        ("state=DELIVERED", ["1.2.3", "1.2.5", "1.2.1"]),
        ("sender=ECHO2", ["1.2.5"]),
        ("discordances=yes", ["1.2.2"]),
        ("since=2026-11-01&until=2026-11-01&state=DELIVERED&sender=ECHO1", ["1.2.3"]),
        ("until=2026-10-30", []),
    ):
        assert listed(browser.get(f"/?{asked}").text) == found, asked


def test_a_line_says_where_the_study_stands_and_what_model_answered(here: Installation, as_role: SignIn) -> None:
    with here.database.write() as session:
        fill(session)
    page = as_role(AccountRole.VIEWER).get("/").text
    lines = {uid: line for line in page.split("<tr>") for uid in listed(line)}
    assert "PACS: refused" in lines["1.2.2"]
    assert "1 open" in lines["1.2.2"]
    assert "DEMO" in lines["1.2.5"]
    assert "70.0" in lines["1.2.5"]
    assert "Left ventricular ejection fraction" in lines["1.2.1"]
    assert "waits for report" in lines["1.2.4"]
    for secret in PHI:
        assert secret not in page


def test_answers_to_an_earlier_revision_are_said_to_be(here: Installation, as_role: SignIn) -> None:
    with here.database.write() as session:
        fill(session)
    viewer = as_role(AccountRole.VIEWER)

    def line() -> str:
        return next(line for line in viewer.get("/").text.split("<tr>") if listed(line) == ["1.2.5"])

    assert "of revision" not in line()
    with here.database.write() as session:
        session.execute(update(Study).where(Study.study_instance_uid == "1.2.5").values(revision=Study.revision + 1))
    assert "of revision 1<" in line()


def test_a_canary_is_tagged_as_one(here: Installation, as_role: SignIn, receive: Receive) -> None:
    canary = receive(canary_uid(here.now(), 7))
    receive("1.2.3")
    page = as_role(AccountRole.VIEWER).get("/").text
    tagged = {uid: "canary</span>" in line for line in page.split("<tr>") for uid in listed(line)}
    assert tagged == {canary: True, "1.2.3": False}


def test_the_figures_count_each_state_and_lead_to_it(here: Installation, as_role: SignIn) -> None:
    with here.database.write() as session:
        fill(session)
    page = as_role(AccountRole.VIEWER).get("/?sender=ECHO1").text
    assert re.search(r'href="/\?sender=ECHO1&amp;state=DELIVERED"[^>]*><strong>3</strong>', page)
    assert re.search(r'href="/\?sender=ECHO1&amp;state=SKIPPED"[^>]*><strong>0</strong>', page)


def test_pages_lead_through_all_studies_once_while_new_ones_come(as_role: SignIn, receive: Receive) -> None:
    uids = [receive(f"1.2.{number}") for number in range(1, 121)]
    browser = as_role(AccountRole.VIEWER)
    page, seen = browser.get("/").text, []
    while True:
        seen += listed(page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        if older is None:
            break
        receive(f"1.3.{len(seen)}")
        page = browser.get(older.group(1).replace("&amp;", "&")).text
    assert seen == uids[::-1]
    newer = re.search(r'rel="prev" href="([^"]+)"', page)
    assert newer is not None
    assert listed(browser.get(newer.group(1).replace("&amp;", "&")).text) == uids[20:70][::-1]


def test_studies_of_the_same_moment_are_all_on_some_page(here: Installation, as_role: SignIn, receive: Receive) -> None:
    uids = {receive(f"1.2.{number}") for number in range(1, 61)}
    with here.database.write() as session:
        session.execute(update(Study).values(last_instance_at=BEGAN))
    browser = as_role(AccountRole.VIEWER)
    page = browser.get("/").text
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older is not None
    assert {*listed(page), *listed(browser.get(older.group(1)).text)} == uids


def test_a_list_with_names_is_in_the_audit_trail_and_its_refreshes_once_a_minute(
    here: Installation, as_role: SignIn, receive: Receive
) -> None:
    receive("1.2.3")
    as_role(AccountRole.VIEWER).get("/")
    reader, live = as_role(AccountRole.READER), {"X-EchoWorker-Live": "1"}

    def told() -> int:
        return len(asked_by_people(here.settings.audit_dir, QUERY))

    reader.get("/")
    for _ in range(3):
        reader.get("/", **live)
    assert told() == 1, "and none of whoever sees no names"
    reader.get("/?patient=1")
    assert told() == 2
    for path in ("/?patient=2", "/?patient=2", "/?patient=3"):
        reader.get(path, **live)
    assert told() == 4, "another search is no refresh, whatever its header says"
    later = here.now() + timedelta(minutes=2)
    object.__setattr__(here, "now", lambda: later)
    reader.get("/", **live)
    reader.get("/", **live)
    assert told() == 5


def test_every_state_has_a_figure(as_role: SignIn) -> None:
    page = as_role(AccountRole.VIEWER).get("/").text
    for state in StudyState:
        assert f"/?state={state.value}" in page


def _keep_as(here: Installation, mode: IdentityMode) -> None:
    """The same installation, with identities kept in this mode."""
    settings = here.settings
    privacy = settings.privacy.model_copy(update={"patient_identities": mode})
    object.__setattr__(here, "settings", settings.model_copy(update={"privacy": privacy}))
    database = Database(settings.database_url, IdentityKeeper(mode, b"k" * 32))
    here.database.close()
    object.__setattr__(here, "database", database)
