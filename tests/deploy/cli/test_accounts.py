"""`echoworker accounts` as an administrator meets it, and what `doctor` says of who can sign in."""

import getpass
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from config.errors import AccountError
from config.settings import Settings, load_settings
from dashboard.access.signing_in import make_first_account
from dashboard.application import create_app
from dashboard.installation import Installation
from dashboard.server import DashboardServer
from deploy.cli.application import app
from deploy.doctor.dashboard import dashboard
from dicom_node.findings import Doubt, FaultError
from tests.support.audit_trail import SECURITY_ALERT, asked_by_people
from tests.support.browsing import PASSWORD, Browser
from tests.support.certificates import Authority
from tests.support.servers import free_port, listens
from tests.support.waiting import wait_until


def said(*arguments: str, given: str = "") -> str:
    run = CliRunner().invoke(app, ["accounts", *arguments], input=given)
    if run.exception is not None:
        raise run.exception
    return run.output


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
    here = Installation.of(load_settings())
    here.database.upgrade()
    yield here
    here.database.close()


@pytest.fixture
def browser(here: Installation) -> Iterator[Browser]:
    with TestClient(create_app(here), base_url="http://127.0.0.1", follow_redirects=False) as client:
        yield Browser(client)


def test_an_account_signs_in_with_the_password_that_is_shown_once(browser: Browser) -> None:
    shown = said("add", "o.zwoelf", "--role", "reader").splitlines()
    assert shown[0] == "o.zwoelf is reader"
    assert browser.sign_in("o.zwoelf", shown[-1]).status_code == 303
    listed = said()
    assert "o.zwoelf" in listed
    assert "reader" in listed
    assert shown[-1] not in listed


def test_a_password_may_be_given_and_is_not_shown(browser: Browser) -> None:
    assert PASSWORD not in said("add", "k.meyer", "--password-stdin", given=f"{PASSWORD}\n")
    assert browser.sign_in("k.meyer").status_code == 303
    with pytest.raises(AccountError, match="12"):
        said("password", "k.meyer", "--password-stdin", given="short\n")
    said("password", "k.meyer", "--password-stdin", given="another password\n")
    assert browser.get("/").status_code == 303, "whoever was signed in has to know it"
    assert browser.sign_in("k.meyer", "another password").status_code == 303


def test_a_token_acts_as_its_account_until_it_is_taken_back(browser: Browser) -> None:
    said("add", "grafana", "--role", "viewer", "--no-password")
    token = said("token", "grafana", "--note", "dashboards", "--days", "30").strip()
    shows = {"Authorization": f"Bearer {token}"}
    assert browser.get("/api/v1/health", **shows).status_code == 200
    listed = " ".join(said().split())
    assert "by tokens alone" in listed
    assert "dashboards, to" in listed
    assert said("end", "grafana") == "0 ended\n", "a token is no session"
    assert said("end", "grafana", "--tokens") == "1 ended\n"
    assert browser.get("/api/v1/health", **shows).status_code == 401


def test_roles_change_and_accounts_are_disabled_but_for_the_last_administrator(browser: Browser) -> None:
    said("add", "a.one", "--role", "admin", "--password-stdin", given=f"{PASSWORD}\n")
    for change in (("role", "a.one", "viewer"), ("disable", "a.one")):
        with pytest.raises(AccountError, match="last administrator"):
            said(*change)
    said("add", "b.two", "--role", "admin")
    assert browser.sign_in("a.one").status_code == 303
    assert said("role", "a.one", "viewer") == "a.one is viewer\n"
    said("disable", "a.one")
    assert browser.sign_in("a.one").status_code == 401
    assert "disabled since" in said()
    said("enable", "a.one")
    assert browser.sign_in("a.one").status_code == 303
    with pytest.raises(AccountError, match="echoworker accounts lists them"):
        said("disable", "nobody")


def test_each_change_is_in_the_audit_trail_without_secrets(here: Installation) -> None:
    password = said("add", "grafana", "--role", "viewer").splitlines()[-1]
    token = said("token", "grafana", "--note", "x").strip()
    for change in (("role", "grafana", "reader"), ("password", "grafana"), ("disable", "grafana")):
        said(*change)
    said("enable", "grafana")
    said("end", "grafana", "--tokens")
    told = asked_by_people(here.settings.audit_dir, SECURITY_ALERT)
    assert [one.objects for one in told] == [("accounts/grafana",)] * 7
    assert all(getpass.getuser() in one.user for one in told)
    written = b"".join(path.read_bytes() for path in here.settings.audit_dir.glob("*.log"))
    for secret in (password, token):
        assert secret.encode() not in written


def test_the_file_of_the_first_password_goes_when_that_is_changed(here: Installation, browser: Browser) -> None:
    file = make_first_account(here)
    assert file is not None
    said("add", "somebody")
    said("password", "somebody")
    assert file.exists(), "that was another account"
    browser.sign_in("admin", file.read_text().strip())
    fields = {"before": file.read_text().strip(), "after": PASSWORD}
    assert browser.submit("/account", "/account/password", **fields).status_code == 200
    assert not file.exists()
    file.write_text("x")
    said("password", "admin")
    assert not file.exists()


@pytest.fixture
def served(here: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A dashboard that runs, with its first account."""
    monkeypatch.setenv("ECHOWORKER_DASHBOARD__PORT", str(free_port()))
    settings = load_settings()
    server = DashboardServer(settings)
    server.start()
    wait_until(lambda: listens(server.port), 30, "the dashboard to listen")
    yield settings
    server.stop()


def test_doctor_sees_that_the_first_password_is_still_in_use(served: Settings) -> None:
    file = served.dashboard.password_file(served.data_dir)
    with pytest.raises(Doubt, match="made up for admin is in use"):
        dashboard(served)
    before = file.read_text()
    said("password", "admin")
    assert dashboard(served) == f"listens on 127.0.0.1:{served.dashboard.port}"
    file.write_text(before)
    with pytest.raises(Doubt, match="remove it"):
        dashboard(served)


def test_doctor_sees_a_dashboard_that_is_not_there_and_one_that_nobody_may_enter(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "there is none" in dashboard(load_settings())
    monkeypatch.setenv("ECHOWORKER_DASHBOARD__PORT", str(free_port()))
    with pytest.raises(FaultError, match="nothing listens"):
        dashboard(load_settings())


@pytest.mark.parametrize(("days", "sees"), [(-1, FaultError), (5, Doubt), (90, None)])
def test_doctor_reads_the_certificate_of_the_dashboard(
    here: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, sees: type[Exception] | None
) -> None:
    shown = Authority(tmp_path / "authority").sign("page", days=days)
    monkeypatch.setenv("ECHOWORKER_DASHBOARD__CERTIFICATE", str(shown.certificate))
    monkeypatch.setenv("ECHOWORKER_DASHBOARD__PRIVATE_KEY", str(shown.private_key))
    monkeypatch.setenv("ECHOWORKER_DASHBOARD__PORT", str(free_port()))
    settings = load_settings()
    server = DashboardServer(settings)
    settings.dashboard.password_file(settings.data_dir).unlink()
    server.start()
    wait_until(lambda: listens(server.port), 30, "the dashboard to listen")
    try:
        if sees is None:
            assert dashboard(settings).endswith(", by TLS")
        else:
            with pytest.raises(sees, match=f"until {datetime.now(UTC).year}|until 20"):
                dashboard(settings)
    finally:
        server.stop()
