"""Signing in and out: passwords, sessions, forms, and what the audit trail says of it."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from config.errors import AccountError
from config.sections.dashboard import AccountRole
from dashboard.access.passwords import fits, turn
from dashboard.access.signing_in import make_first_account
from dashboard.application import create_app
from dashboard.installation import Installation
from db.accounts import add_account, add_token, change_account, list_accounts
from tests.dashboard.conftest import SignIn
from tests.support.audit_trail import AUTHENTICATION, SECURITY_ALERT, asked_by_people
from tests.support.browsing import PASSWORD, Browser

pytestmark = pytest.mark.long


def test_nobody_sees_anything_before_they_sign_in(browser: Browser) -> None:
    for path in ("/", "/account"):
        answer = browser.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in")


def test_the_first_account_signs_in_with_the_password_of_its_file(here: Installation, browser: Browser) -> None:
    file = make_first_account(here)
    assert file is not None
    assert file.stat().st_mode & 0o077 == 0
    assert browser.sign_in("admin", file.read_text().strip()).status_code == 303
    assert browser.get("/").status_code == 200
    assert make_first_account(here) is None, "there is one now"


def test_whoever_signs_in_comes_where_they_wanted_but_never_to_another_site(as_role: SignIn) -> None:
    browser = as_role(AccountRole.VIEWER)
    for wanted, comes_to in (
        ("/quality?days=7", "/quality?days=7"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
    ):
        sent = {"name": "a-viewer", "password": PASSWORD, "next": wanted}
        assert browser.client.post("/sign-in", data=sent).headers["location"] == comes_to


def test_too_many_wrong_passwords_lock_the_account_for_a_while(here: Installation, as_role: SignIn) -> None:
    browser = as_role(AccountRole.VIEWER)
    for _ in range(here.settings.dashboard.failures_until_locked):
        assert browser.sign_in("a-viewer", "wrong").status_code == 401
    assert browser.sign_in("a-viewer").status_code == 401, "the right one does not help now"
    later = here.now() + timedelta(minutes=here.settings.dashboard.locked_minutes, seconds=1)
    object.__setattr__(here, "now", lambda: later)
    assert browser.sign_in("a-viewer").status_code == 303


def test_a_session_ends_when_it_is_not_used_and_a_page_that_refreshes_itself_is_no_use(
    here: Installation, as_role: SignIn
) -> None:
    browser = as_role(AccountRole.VIEWER)
    began = here.now()
    idle = timedelta(minutes=here.settings.dashboard.session_idle_minutes)
    object.__setattr__(here, "now", lambda: began + idle - timedelta(minutes=5))
    assert browser.get("/", **{"X-EchoWorker-Live": "1"}).status_code == 200
    object.__setattr__(here, "now", lambda: began + idle + timedelta(minutes=1))
    assert browser.get("/").status_code == 303


def test_signing_out_ends_the_session_itself(as_role: SignIn) -> None:
    browser = as_role(AccountRole.VIEWER)
    cookies = dict(browser.client.cookies)
    assert browser.submit("/", "/sign-out").status_code == 303
    browser.client.cookies.update(cookies)
    assert browser.get("/").status_code == 303, "a copy of the cookie is worth nothing"


def test_a_form_without_the_secret_of_the_session_or_from_another_site_does_nothing(as_role: SignIn) -> None:
    browser = as_role(AccountRole.VIEWER)
    assert browser.client.post("/sign-out", data={}).status_code == 403
    for origin in ("https://evil.example", "null"):
        sent = {"name": "a", "password": "b"}
        assert browser.client.post("/sign-in", data=sent, headers={"Origin": origin}).status_code == 403
    assert browser.get("/").status_code == 200


def test_a_password_is_changed_by_whoever_knows_the_one_before(as_role: SignIn) -> None:
    browser = as_role(AccountRole.VIEWER)
    new = "another password"
    refused = browser.submit("/account", "/account/password", before="wrong", after=new)
    assert refused.status_code == 400
    assert browser.submit("/account", "/account/password", before=PASSWORD, after="short").status_code == 400
    assert browser.submit("/account", "/account/password", before=PASSWORD, after=new).status_code == 200
    assert browser.sign_in("a-viewer").status_code == 401
    assert browser.sign_in("a-viewer", new).status_code == 303


def test_a_new_password_ends_the_other_sessions_of_the_account_and_not_this_one(
    here: Installation, as_role: SignIn, browser: Browser
) -> None:
    own = as_role(AccountRole.VIEWER)
    browser.sign_in("a-viewer")
    with here.database.write() as session:
        token = add_token(session, "a-viewer", note="export", now=here.now(), lasts=timedelta(days=1))
    own.submit("/account", "/account/password", before=PASSWORD, after="another password")
    assert own.get("/").status_code == 200
    assert browser.get("/").status_code == 303
    browser.client.cookies.clear()
    assert browser.get("/", Authorization=f"Bearer {token}").status_code == 200


@pytest.mark.parametrize("done", [{"password_hash": "of the administrator"}, {"is_enabled": False}])
def test_a_change_of_ones_own_password_does_not_undo_what_an_administrator_did_meanwhile(
    here: Installation, as_role: SignIn, monkeypatch: pytest.MonkeyPatch, done: dict[str, Any]
) -> None:
    browser = as_role(AccountRole.VIEWER)

    def fits_while_an_administrator_works(password: str, kept: str | None) -> bool:
        with here.database.write() as session:
            change_account(session, "a-viewer", **done, now=here.now())
        return fits(password, kept)

    monkeypatch.setattr("dashboard.access.signing_in.fits", fits_while_an_administrator_works)
    refused = browser.submit("/account", "/account/password", before=PASSWORD, after="another password")
    assert refused.status_code == 400
    monkeypatch.undo()
    assert browser.sign_in("a-viewer", "another password").status_code == 401


def test_wrong_passwords_before_count_and_lock_as_at_signing_in(here: Installation, as_role: SignIn) -> None:
    browser = as_role(AccountRole.VIEWER)
    for _ in range(here.settings.dashboard.failures_until_locked):
        browser.submit("/account", "/account/password", before="wrong", after="another password")
    refused = browser.submit("/account", "/account/password", before=PASSWORD, after="another password")
    assert refused.status_code == 400, "the right one does not help now"
    told = asked_by_people(here.settings.audit_dir, AUTHENTICATION)
    assert [one.outcome for one in told] == ["0", *["8"] * (here.settings.dashboard.failures_until_locked + 1)]


def test_a_change_of_ones_own_password_is_in_the_audit_trail(here: Installation, as_role: SignIn) -> None:
    as_role(AccountRole.VIEWER).submit("/account", "/account/password", before=PASSWORD, after="another password")
    (told,) = asked_by_people(here.settings.audit_dir, SECURITY_ALERT)
    assert (told.user, told.objects) == ("a-viewer", ("accounts/a-viewer",))


def test_a_flood_of_passwords_is_refused_and_counts_as_no_failure(
    here: Installation, as_role: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = as_role(AccountRole.VIEWER)
    monkeypatch.setattr("dashboard.access.passwords.PATIENCE_S", 0.01)
    with turn(), turn():
        for _ in range(here.settings.dashboard.failures_until_locked):
            assert browser.sign_in("a-viewer").status_code == 503
    assert browser.sign_in("a-viewer").status_code == 303


def test_an_account_that_is_disabled_is_out_at_once(here: Installation, as_role: SignIn) -> None:
    browser = as_role(AccountRole.READER)
    with here.database.write() as session:
        change_account(session, "a-reader", is_enabled=False, now=here.now())
    assert browser.get("/").status_code == 303
    assert browser.sign_in("a-reader").status_code == 401


def test_the_last_administrator_stays(here: Installation, as_role: SignIn) -> None:
    as_role(AccountRole.ADMIN)
    with pytest.raises(AccountError, match="last administrator"), here.database.write() as session:
        change_account(session, "a-admin", role=AccountRole.VIEWER, now=here.now())


def test_an_administrator_by_tokens_alone_is_none_that_could_add_others(here: Installation, as_role: SignIn) -> None:
    as_role(AccountRole.ADMIN)
    with here.database.write() as session:
        add_account(session, "program", role=AccountRole.ADMIN, password_hash=None, now=here.now())
    with pytest.raises(AccountError, match="last administrator"), here.database.write() as session:
        change_account(session, "a-admin", is_enabled=False, now=here.now())
    with here.database.write() as session:
        change_account(session, "program", is_enabled=False, now=here.now())


def test_a_first_account_that_was_made_less_stays_so_and_the_dashboard_starts(here: Installation) -> None:
    with here.database.write() as session:
        add_account(session, "admin", role=AccountRole.VIEWER, password_hash=None, now=here.now())
    assert make_first_account(here) is None
    with here.database.read() as session:
        assert [(each.name, each.role) for each in list_accounts(session)] == [("admin", "viewer")]


def test_a_program_shows_a_token_and_a_cookie_is_not_one(here: Installation, as_role: SignIn, browser: Browser) -> None:
    as_role(AccountRole.READER)
    with here.database.write() as session:
        token = add_token(session, "a-reader", note="nightly export", now=here.now(), lasts=timedelta(days=1))
    assert browser.get("/", Authorization=f"Bearer {token}").status_code == 200
    browser.client.cookies.set("echoworker_session", token)
    assert browser.get("/").status_code == 303


def test_each_signing_in_is_in_the_audit_trail_with_its_outcome(here: Installation, as_role: SignIn) -> None:
    as_role(AccountRole.READER).sign_in("a-reader", "wrong")
    told = [(one.said, one.outcome, one.user) for one in asked_by_people(here.settings.audit_dir, AUTHENTICATION)]
    assert told == [("Login", "0", "a-reader"), ("Login", "8", "a-reader")]


def test_every_answer_forbids_scripts_and_frames_of_others(browser: Browser) -> None:
    for path in ("/sign-in", "/nothing", "/static/base.css"):
        headers = browser.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
    assert browser.get("/sign-in").headers["cache-control"] == "no-store"


def test_the_answer_to_a_fault_of_ours_forbids_them_as_well_and_is_kept_nowhere(here: Installation) -> None:
    app = create_app(here)

    @app.get("/fails")
    def fails() -> None:
        raise RuntimeError

    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        answer = client.get("/fails")
    assert answer.status_code == 500
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
