"""The application on an empty installation, and browsers of people with each role."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from config.sections.dashboard import AccountRole
from config.settings import load_settings
from dashboard.access.passwords import hashed
from dashboard.application import create_app
from dashboard.installation import Installation
from db.accounts import add_account
from tests.support.browsing import PASSWORD, Browser

SignIn = Callable[[AccountRole], Browser]


@pytest.fixture(scope="session")
def kept_password() -> str:
    """Hashed once: it is slow by nature."""
    return hashed(PASSWORD)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    """An installation with a registry, and nothing in it."""
    here = Installation.of(load_settings(data_dir=tmp_path / "data"))
    here.database.upgrade()
    yield here
    here.database.close()


@pytest.fixture
def browser(here: Installation) -> Iterator[Browser]:
    """Of somebody who has not signed in."""
    with TestClient(create_app(here), base_url="http://127.0.0.1", follow_redirects=False) as client:
        yield Browser(client)


@pytest.fixture
def as_role(here: Installation, kept_password: str) -> Iterator[SignIn]:
    """A browser of somebody with this role, signed in."""
    clients: list[TestClient] = []

    def sign_in(role: AccountRole) -> Browser:
        with here.database.write() as session:
            add_account(session, f"a-{role}", role=role, password_hash=kept_password, now=datetime.now(UTC))
        client = TestClient(create_app(here), base_url="http://127.0.0.1", follow_redirects=False)
        clients.append(client)
        browser = Browser(client)
        browser.sign_in(f"a-{role}")
        return browser

    yield sign_in
    for client in clients:
        client.close()


@pytest.fixture
def viewer(as_role: SignIn) -> Browser:
    return as_role(AccountRole.VIEWER)


@pytest.fixture
def admin(as_role: SignIn) -> Browser:
    return as_role(AccountRole.ADMIN)
