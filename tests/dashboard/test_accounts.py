"""Accounts: administrators add, change and end them; nobody else, and never the last administrator."""

import re

import pytest

from config.sections.dashboard import AccountRole
from dashboard.installation import Installation
from db.accounts import list_accounts, vouched_for
from tests.dashboard.conftest import SignIn
from tests.support.audit_trail import SECURITY_ALERT, asked_by_people
from tests.support.browsing import PASSWORD, Browser


def number_of(here: Installation, name: str) -> int:
    with here.database.read() as session:
        return next(account.id for account in list_accounts(session) if account.name == name)


def secret_in(text: str) -> str:
    """What a page shows once."""
    found = re.search(r'<p class="secret">([^<]+)</p>', text)
    assert found is not None
    return found[1]


def add(admin: Browser, name: str, role: str = "viewer") -> str:
    answer = admin.submit("/accounts", "/accounts", name=name, role=role)
    assert answer.status_code == 200
    return secret_in(answer.text)


def test_an_account_is_added_with_a_password_that_is_shown_once(admin: Browser, browser: Browser) -> None:
    password = add(admin, "b.echo", "reader")
    assert password not in admin.get("/accounts").text
    assert "b.echo" in admin.get("/accounts").text
    assert browser.sign_in("b.echo", password).status_code == 303
    assert "reader" in browser.get("/account").text


def test_a_name_that_is_none_or_taken_is_refused(admin: Browser) -> None:
    for name, said in (("a b", "1 to 64 letters"), ("a-admin", "already")):
        refused = admin.submit("/accounts", "/accounts", name=name, role="viewer")
        assert refused.status_code == 400
        assert said in refused.text
        assert "secret" not in re.findall(r'<p class="(\w+)"', refused.text)


@pytest.mark.parametrize("role", [AccountRole.VIEWER, AccountRole.READER])
def test_accounts_are_an_admins_alone(here: Installation, as_role: SignIn, role: AccountRole) -> None:
    browser = as_role(role)
    own = number_of(here, f"a-{role}")
    secret = re.search(r'name="form_secret" value="([^"]*)"', browser.get("/account").text)
    assert secret is not None
    for path in ("/accounts", f"/accounts/{own}"):
        assert browser.get(path).status_code == 403
    for action, sent in (
        ("", {"name": "x", "role": "admin"}),
        (f"/{own}/role", {"role": "admin"}),
        (f"/{own}/disable", {}),
        (f"/{own}/enable", {}),
        (f"/{own}/password", {}),
        (f"/{own}/tokens", {"note": "x", "days": "1"}),
        (f"/{own}/end/1", {}),
    ):
        assert browser.client.post(f"/accounts{action}", data=sent | {"form_secret": secret[1]}).status_code == 403
    assert browser.get("/").status_code == 200, "nothing has changed"


def test_a_role_is_changed_and_whoever_is_signed_in_is_out(here: Installation, admin: Browser, as_role: SignIn) -> None:
    viewer = as_role(AccountRole.VIEWER)
    page = f"/accounts/{number_of(here, 'a-viewer')}"
    assert admin.submit(page, f"{page}/role", role="reader").status_code == 303
    assert viewer.get("/").status_code == 303
    viewer.sign_in("a-viewer")
    assert "reader" in viewer.get("/account").text


def test_a_disabled_account_is_out_until_it_is_enabled(here: Installation, admin: Browser, as_role: SignIn) -> None:
    viewer = as_role(AccountRole.VIEWER)
    page = f"/accounts/{number_of(here, 'a-viewer')}"
    admin.submit(page, f"{page}/disable")
    assert viewer.get("/").status_code == 303
    assert viewer.sign_in("a-viewer").status_code == 401
    admin.submit(page, f"{page}/enable")
    assert viewer.sign_in("a-viewer").status_code == 303


def test_a_new_password_takes_the_place_of_the_one_before(here: Installation, admin: Browser, as_role: SignIn) -> None:
    viewer = as_role(AccountRole.VIEWER)
    page = f"/accounts/{number_of(here, 'a-viewer')}"
    password = secret_in(admin.submit(page, f"{page}/password").text)
    assert viewer.sign_in("a-viewer", PASSWORD).status_code == 401
    assert viewer.sign_in("a-viewer", password).status_code == 303


def test_whoever_makes_a_new_password_is_told_that_tokens_go_on(
    here: Installation, admin: Browser, as_role: SignIn
) -> None:
    as_role(AccountRole.VIEWER)
    page = f"/accounts/{number_of(here, 'a-viewer')}"
    assert "Its tokens go on" not in admin.submit(page, f"{page}/password").text
    admin.submit(page, f"{page}/tokens", note="nightly export", days="30")
    assert "Its tokens go on" in admin.submit(page, f"{page}/password").text


def test_ones_own_new_password_is_shown_though_the_session_has_ended(here: Installation, admin: Browser) -> None:
    page = f"/accounts/{number_of(here, 'a-admin')}"
    password = secret_in(admin.submit(page, f"{page}/password").text)
    assert admin.get("/accounts").status_code == 303
    assert admin.sign_in("a-admin", password).status_code == 303


def test_the_last_administrator_stays(here: Installation, admin: Browser) -> None:
    page = f"/accounts/{number_of(here, 'a-admin')}"
    for action, sent in (("role", {"role": "viewer"}), ("disable", {})):
        refused = admin.submit(page, f"{page}/{action}", **sent)
        assert refused.status_code == 400
        assert "last administrator" in refused.text
    assert admin.get("/accounts").status_code == 200


def test_a_token_is_shown_once_listed_and_taken_back(
    here: Installation, admin: Browser, as_role: SignIn, browser: Browser
) -> None:
    as_role(AccountRole.VIEWER)
    page = f"/accounts/{number_of(here, 'a-viewer')}"
    token = secret_in(admin.submit(page, f"{page}/tokens", note="nightly export", days="30").text)
    assert browser.get("/", Authorization=f"Bearer {token}").status_code == 200
    shown = admin.get(page).text
    assert "nightly export" in shown
    assert token not in shown
    tokens = shown[shown.index("Tokens of programs") :]
    end = re.search(rf'action="({page}/end/\d+)"', tokens)
    assert end is not None
    admin.submit(page, end[1])
    assert browser.get("/", Authorization=f"Bearer {token}").status_code == 303
    assert admin.submit(page, f"{page}/tokens", note="x", days="0").status_code == 422


def test_a_session_is_ended(here: Installation, admin: Browser, as_role: SignIn) -> None:
    viewer = as_role(AccountRole.VIEWER)
    page = f"/accounts/{number_of(here, 'a-viewer')}"
    end = re.search(rf'action="({page}/end/\d+)"', admin.get(page).text)
    assert end is not None
    assert admin.submit(page, end[1]).status_code == 303
    assert viewer.get("/").status_code == 303


def test_no_session_of_another_account_is_ended_by_the_way(here: Installation, admin: Browser, as_role: SignIn) -> None:
    viewer = as_role(AccountRole.VIEWER)
    page, own = (f"/accounts/{number_of(here, name)}" for name in ("a-viewer", "a-admin"))
    end = re.search(rf"{page}/(end/\d+)", admin.get(page).text)
    secret = re.search(r'name="form_secret" value="([^"]*)"', admin.get(page).text)
    assert end is not None
    assert secret is not None
    assert admin.client.post(f"{own}/{end[1]}", data={"form_secret": secret[1]}).status_code == 400
    assert viewer.get("/").status_code == 200


def test_an_account_of_an_identity_provider_is_not_taken_for_our_own_of_the_same_name(
    here: Installation, admin: Browser, as_role: SignIn
) -> None:
    viewer = as_role(AccountRole.VIEWER)
    with here.database.write() as session:
        other = vouched_for(
            session, issuer="https://id", subject="7", name="a-viewer", role=AccountRole.READER, now=here.now()
        )
    secret = re.search(r'name="form_secret" value="([^"]*)"', admin.get("/accounts").text)
    assert secret is not None
    answer = admin.client.post(f"/accounts/{other.id}/disable", data={"form_secret": secret[1]})
    assert answer.status_code == 400
    assert viewer.get("/").status_code == 200
    assert f"/accounts/{other.id}/disable" not in admin.get(f"/accounts/{other.id}").text


def test_each_change_is_in_the_audit_trail_by_name_without_secrets(here: Installation, admin: Browser) -> None:
    password = add(admin, "b.echo", "reader")
    page = f"/accounts/{number_of(here, 'b.echo')}"
    admin.submit(page, f"{page}/role", role="viewer")
    token = secret_in(admin.submit(page, f"{page}/tokens", note="export", days="7").text)
    admin.submit(page, f"{page}/disable")
    told = asked_by_people(here.settings.audit_dir, SECURITY_ALERT)
    assert {(one.user, one.outcome, one.said) for one in told} == {
        ("a-admin", "0", "User Security Attributes Changed"),
    }
    assert [one.objects for one in told] == [("accounts/b.echo",)] * 4
    written = b"".join(path.read_bytes() for path in here.settings.audit_dir.glob("*.log"))
    for secret in (password, token):
        assert secret.encode() not in written


def test_a_change_that_is_refused_is_none_in_the_audit_trail(here: Installation, admin: Browser) -> None:
    page = f"/accounts/{number_of(here, 'a-admin')}"
    before = len(asked_by_people(here.settings.audit_dir, SECURITY_ALERT))
    assert admin.submit(page, f"{page}/role", role="viewer").status_code == 400, "the last administrator"
    assert admin.submit("/accounts", "/accounts", name="a-admin", role="viewer").status_code == 400
    assert len(asked_by_people(here.settings.audit_dir, SECURITY_ALERT)) == before
