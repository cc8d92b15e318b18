"""Signing in with the hospital's identity provider, by a real one of the tests' own; and what is refused."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from joserfc.jwk import RSAKey

from config.errors import ConfigurationError
from config.sections.dashboard import AccountRole, OpenIdSettings
from config.settings import load_settings
from dashboard.access.openid import LASTS, known_as, role_of
from dashboard.application import create_app
from dashboard.installation import Installation
from db.accounts import list_accounts
from tests.support.audit_trail import AUTHENTICATION, asked_by_people
from tests.support.browsing import Browser
from tests.support.identity_provider import CLIENT, SECRET, Provider, identity_provider, shared_secret_key

pytestmark = pytest.mark.long


@pytest.fixture
def provider() -> Iterator[Provider]:
    with identity_provider() as provider:
        yield provider


@pytest.fixture
def hospital(tmp_path: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """An installation whose people sign in with the provider."""
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    openid = {
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "client_secret_file": str(tmp_path / "secret"),
        "viewers": ["staff"],
        "readers": ["echo-readers"],
        "admins": ["echo-admins"],
    }
    for name, value in openid.items():
        said = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv(f"ECHOWORKER_DASHBOARD__OPENID__{name.upper()}", said)
    monkeypatch.setenv("ECHOWORKER_DASHBOARD__PUBLIC_URL", "http://127.0.0.1")
    here = Installation.of(load_settings(data_dir=tmp_path / "data"))
    here.database.upgrade()
    yield here
    here.database.close()


@pytest.fixture
def browser(hospital: Installation) -> Iterator[Browser]:
    with TestClient(create_app(hospital), base_url="http://127.0.0.1", follow_redirects=False) as client:
        yield Browser(client)


def sent_there(browser: Browser, next: str = "/") -> str:
    answer = browser.get(f"/sign-in/openid?{urlencode({'next': next})}")
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def comes_back(browser: Browser, said: dict[str, str]) -> Response:
    return browser.get(f"/sign-in/openid/answer?{urlencode(said)}")


def signs_in(browser: Browser, provider: Provider, next: str = "/") -> Response:
    return comes_back(browser, provider.approve(sent_there(browser, next)))


def test_whoever_the_provider_vouches_for_is_signed_in_with_the_role_of_their_groups(
    hospital: Installation, browser: Browser, provider: Provider
) -> None:
    assert "/sign-in/openid?next=" in browser.get("/sign-in").text
    answer = signs_in(browser, provider, next="/quality?days=7")
    assert (answer.status_code, answer.headers["location"]) == (303, "/quality?days=7")
    shown = browser.get("/account").text
    assert "o.zwoelf" in shown
    assert "<strong>reader</strong>" in shown
    (told,) = asked_by_people(hospital.settings.audit_dir, AUTHENTICATION)
    assert (told.user, told.said, told.outcome) == ("o.zwoelf@127.0.0.1", "Login", "0")


def test_the_role_is_what_the_provider_says_today_and_none_signs_nobody_in(
    hospital: Installation, browser: Browser, provider: Provider
) -> None:
    signs_in(browser, provider)
    provider.claims["groups"] = ["staff", "echo-admins"]
    signs_in(browser, provider)
    with hospital.database.read() as session:
        assert [(each.name, each.role, each.issuer) for each in list_accounts(session)] == [
            ("o.zwoelf@127.0.0.1", "admin", provider.issuer)
        ]
    provider.claims["groups"] = ["cleaning"]
    answer = signs_in(browser, provider)
    assert answer.status_code == 401
    assert "has no role here" in answer.text
    assert browser.get("/").status_code == 303, "their sessions have ended"
    assert asked_by_people(hospital.settings.audit_dir, AUTHENTICATION)[-1].outcome == "8"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": "another-client"}, "aud"),
        ({"aud": [CLIENT, "another-client"]}, "azp"),
        ({"aud": [CLIENT, "another-client"], "azp": "another-client"}, "azp"),
        ({"iss": "http://127.0.0.1:1"}, "iss"),
        ({"exp": 1_000_000_000}, "expired"),
        ({"exp": None}, "exp"),
        ({"iat": 4_000_000_000}, "future"),
        ({"sub": ""}, "sub"),
    ],
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(
    browser: Browser, provider: Provider, changed: dict[str, object], why: str
) -> None:
    provider.changed = changed
    answer = signs_in(browser, provider)
    assert answer.status_code == 401
    assert why in answer.text.lower()
    assert browser.get("/").status_code == 303


def test_a_token_that_another_has_signed_is_refused(browser: Browser, provider: Provider) -> None:
    provider.signs_with = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
    assert "signature" in signs_in(browser, provider).text
    provider.signs_with, provider.algorithm = shared_secret_key(), "HS256"
    assert "signature" in signs_in(browser, provider).text, "whoever has the client's secret could make it"
    assert browser.get("/").status_code == 303


def test_a_change_of_keys_is_noticed(browser: Browser, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.access.identity_provider.ASKED_AGAIN_AFTER_S", 0.0)
    assert signs_in(browser, provider).status_code == 303
    provider.key = RSAKey.generate_key(2048, {"kid": "two", "use": "sig"})
    assert signs_in(browser, provider).status_code == 303
    assert provider.asked.count("/keys") == 2
    assert provider.asked.count("/.well-known/openid-configuration") == 1


def test_an_answer_counts_once_in_the_browser_that_asked_and_for_a_while(
    hospital: Installation, browser: Browser, provider: Provider
) -> None:
    address = sent_there(browser)
    kept = dict(browser.client.cookies)
    said = provider.approve(address)
    assert comes_back(browser, said).status_code == 303
    browser.client.cookies.update(kept)
    again = comes_back(browser, said | {"code": provider.approve(address)["code"]})
    assert again.status_code == 401, "the state was used"
    with TestClient(create_app(hospital), base_url="http://127.0.0.1", follow_redirects=False) as other:
        assert comes_back(Browser(other), provider.approve(address)).status_code == 401, "another browser began it"
    wrong = provider.approve(sent_there(browser)) | {"state": "made-up"}
    assert comes_back(browser, wrong).status_code == 401
    late = provider.approve(sent_there(browser))
    began = hospital.now()
    object.__setattr__(hospital, "now", lambda: began + LASTS + timedelta(seconds=1))
    assert "begin again" in comes_back(browser, late).text


def test_a_cookie_that_somebody_has_changed_is_none(browser: Browser, provider: Provider) -> None:
    said = provider.approve(sent_there(browser))
    (name,) = [name for name in browser.client.cookies if "openid" in name]
    content, _, seal = browser.client.cookies[name].strip('"').partition(".")
    kept = json.loads(base64.urlsafe_b64decode(content)) | {"next": "https://evil.example"}
    changed = base64.urlsafe_b64encode(json.dumps(kept).encode()).decode()
    browser.client.cookies.clear()
    browser.client.cookies.set(name, f"{changed}.{seal}")
    assert comes_back(browser, said).status_code == 401


def test_nobody_is_sent_to_another_site(browser: Browser, provider: Provider) -> None:
    for wanted in ("https://evil.example", "//evil.example", "/\\evil.example", "/" + "x" * 2000):
        assert signs_in(browser, provider, next=wanted).headers["location"] == "/"


def test_what_the_provider_or_anybody_says_in_place_of_a_code_is_not_shown_as_ours(
    browser: Browser, provider: Provider
) -> None:
    sent_there(browser)
    assert "access_denied" in comes_back(browser, {"error": "access_denied", "state": "x"}).text
    shown = comes_back(browser, {"error": "Call 555-0199 now", "state": "x"}).text
    assert "555" not in shown
    said = provider.approve(sent_there(browser)) | {"iss": "https://another.example"}
    assert "another identity provider" in comes_back(browser, said).text


def test_a_provider_that_is_away_or_is_another_says_so_on_the_page(
    hospital: Installation, browser: Browser, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Provider, "document", lambda self: {"issuer": "https://another.example"})
    answer = browser.get("/sign-in/openid")
    assert answer.status_code == 502
    assert "another name" in answer.text
    assert 'name="password"' in answer.text, "people of our own can sign in all the same"
    asked = len(provider.asked)
    assert browser.get("/sign-in/openid").status_code == 502
    assert len(provider.asked) == asked, "it is not asked again for each who tries"
    monkeypatch.undo()
    monkeypatch.setattr("dashboard.access.identity_provider.AWAY_FOR_S", 0.0)
    assert browser.get("/sign-in/openid").status_code == 303


def test_a_secret_goes_in_the_form_to_a_provider_that_takes_it_in_no_other_way(
    browser: Browser, provider: Provider
) -> None:
    provider.methods = ["client_secret_post"]
    assert signs_in(browser, provider).status_code == 303


def test_without_a_provider_there_is_nowhere_to_go(here: Installation) -> None:
    with TestClient(create_app(here), base_url="http://127.0.0.1", follow_redirects=False) as client:
        assert client.get("/sign-in/openid").status_code == 400
        assert "/sign-in/openid" not in client.get("/sign-in").text


def test_nobody_of_the_provider_passes_for_an_account_of_ours(browser: Browser, provider: Provider) -> None:
    provider.claims["preferred_username"] = "admin"
    assert signs_in(browser, provider).status_code == 303
    assert "admin@127.0.0.1" in browser.get("/account").text
    for name in ("admin (the real one)", "a\u202enimda", "x" * 65):
        provider.claims["preferred_username"] = name
        assert signs_in(browser, provider).status_code == 401


def test_people_come_back_to_where_the_settings_say_whatever_the_request_says(
    browser: Browser, hospital: Installation
) -> None:
    there = browser.get("/sign-in/openid", Host="evil.example").headers["location"]
    assert parse_qs(urlsplit(there).query)["redirect_uri"] == ["http://127.0.0.1/sign-in/openid/answer"]


def test_a_provider_without_the_address_of_the_page_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ISSUER", "https://id.example"), ("CLIENT_ID", "c"), ("VIEWERS", '["v"]')):
        monkeypatch.setenv(f"ECHOWORKER_DASHBOARD__OPENID__{name}", value)
    with pytest.raises(ConfigurationError, match="needs public_url"):
        load_settings()


def test_a_long_name_is_cut_and_still_tells_people_apart() -> None:
    wanted = OpenIdSettings(issuer="https://id.example", client_id="c", viewers=("v",))
    one, other = (known_as("x" * 62 + end, wanted) for end in "ab")
    assert one != other
    assert {len(one), len(other)} == {64}
    assert one.endswith("@id.example")


def test_roles_are_read_from_lists_single_values_and_claims_within_claims() -> None:
    wanted = OpenIdSettings(
        issuer="https://id.example", client_id="c", roles_claim="realm_access.roles", viewers=("v",), admins=("a",)
    )
    assert role_of({"realm_access": {"roles": ["v", "a"]}}, wanted) is AccountRole.ADMIN
    assert role_of({"realm_access.roles": "v"}, wanted) is AccountRole.VIEWER
    assert role_of({"realm_access": {"roles": ["x", 3]}}, wanted) is None
    assert role_of({"realm_access": "a"}, wanted) is None
    assert role_of({}, wanted) is None
