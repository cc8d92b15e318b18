"""Accounts, where two people work on them at the same time."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime

import pytest

from config.dashboard import AccountRole
from config.errors import AccountError
from db.accounts import add_account, change_account, has_an_admin
from db.session import Database

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_two_administrators_who_make_each_other_less_at_once_leave_one(registry: Database) -> None:
    with registry.write() as session:
        for name in ("a.one", "b.two"):
            add_account(session, name, role=AccountRole.ADMIN, password_hash="of it", now=NOW)  # noqa: S106

    def make_less(name: str) -> None:
        with registry.write() as session:
            change_account(session, name, role=AccountRole.VIEWER, now=NOW)

    with ThreadPoolExecutor(1) as other:
        with registry.write() as session:
            change_account(session, "a.one", role=AccountRole.VIEWER, now=NOW)
            session.flush()
            at_the_same_time = other.submit(make_less, "b.two")
            wait([at_the_same_time], timeout=1)  # it has to wait for us; without a lock it is done long before
            assert not at_the_same_time.done()
        with pytest.raises(AccountError, match="last administrator"):
            at_the_same_time.result()
    with registry.read() as session:
        assert has_an_admin(session)
