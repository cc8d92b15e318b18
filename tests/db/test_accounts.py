"""Accounts, where two people work on them at the same time."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from config.errors import AccountError
from config.sections.dashboard import AccountRole
from db.accounts import add_account, change_account, has_an_admin, list_accounts, vouched_for
from db.session import Database
from db.tables.accounts import Account

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


Change = Callable[[Session], object]


def at_once(registry: Database, one: Change, other: Change) -> Future[None]:
    """Make both changes in transactions of the same time, of which the first is committed first; how the other ends."""

    def change() -> None:
        with registry.write() as session:
            other(session)

    with registry.write():
        pass  # the first transaction of all writes how identities are kept, and others would wait for that
    with ThreadPoolExecutor(1) as thread:
        with registry.write() as session:
            one(session)
            session.flush()
            ending = thread.submit(change)
            wait([ending], timeout=1)  # it has to wait for us; without a lock it is done long before
            assert not ending.done()
        wait([ending])
    return ending


def test_two_administrators_who_make_each_other_less_at_once_leave_one(registry: Database) -> None:
    with registry.write() as session:
        for name in ("a.one", "b.two"):
            add_account(session, name, role=AccountRole.ADMIN, password_hash="of it", now=NOW)  # noqa: S106

    def make_less(name: str) -> Change:
        return lambda session: change_account(session, name, role=AccountRole.VIEWER, now=NOW)

    ending = at_once(registry, make_less("a.one"), make_less("b.two"))
    with pytest.raises(AccountError, match="last administrator"):
        ending.result()
    with registry.read() as session:
        assert has_an_admin(session)


def test_who_signs_in_for_the_first_time_in_two_browsers_at_once_has_one_account(registry: Database) -> None:
    def sign_in(session: Session) -> Account:
        whose = {"issuer": "https://id.hospital", "subject": "4711"}
        return vouched_for(session, **whose, name="a.one@id.hospital", role=AccountRole.READER, now=NOW)

    at_once(registry, sign_in, sign_in).result()
    with registry.read() as session:
        assert [account.name for account in list_accounts(session)] == ["a.one@id.hospital"]


def test_of_two_accounts_that_are_given_the_same_name_at_once_one_is_refused_in_words(registry: Database) -> None:
    def add(session: Session) -> Account:
        return add_account(session, "a.one", role=AccountRole.VIEWER, password_hash=None, now=NOW)

    with pytest.raises(AccountError, match=r"there is an account a\.one already"):
        at_once(registry, add, add).result()
