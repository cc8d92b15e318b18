"""What administrators do with accounts: each is in the audit trail, without the passwords and tokens that it makes."""

from datetime import timedelta

from sqlalchemy.orm import Session

from config.dashboard import AccountRole
from config.errors import AccountError
from dashboard.access import trail
from dashboard.access.passwords import hashed, made_up
from dashboard.access.people import Person
from dashboard.access.signing_in import forget_first_password
from dashboard.installation import Installation
from db.accounts import account_with, add_account, add_token, change_account, end_one_of


def add(here: Installation, admin: Person, name: str, role: AccountRole) -> str:
    """Add an account; the password that was made for it, which is kept nowhere.

    Raises
    ------
    AccountError
        The name is none, or somebody has it.
    """
    password = made_up()
    kept = hashed(password)
    with here.database.write() as session:
        add_account(session, name, role=role, password_hash=kept, now=here.now())
    trail.account_changed(here, admin, name, f"added with role {role}")
    return password


def give_role(here: Installation, admin: Person, account_id: int, role: AccountRole) -> None:
    """Let it do more, or less; whoever is signed in with it is signed out.

    Raises
    ------
    AccountError
        There is no such account of our own, or it is the last administrator.
    """
    with here.database.write() as session:
        name = _own_name(session, account_id)
        change_account(session, name, role=role, now=here.now())
    trail.account_changed(here, admin, name, f"role changed to {role}")


def enable(here: Installation, admin: Person, account_id: int, *, is_enabled: bool) -> None:
    """Let it sign in again, or not any more.

    Raises
    ------
    AccountError
        There is no such account of our own, or it is the last administrator.
    """
    with here.database.write() as session:
        name = _own_name(session, account_id)
        change_account(session, name, is_enabled=is_enabled, now=here.now())
    trail.account_changed(here, admin, name, "enabled" if is_enabled else "disabled")


def give_password(here: Installation, admin: Person, account_id: int) -> str:
    """Make a new password, which is kept nowhere; whoever is signed in with the account is signed out.

    Raises
    ------
    AccountError
        There is no such account of our own.
    """
    password = made_up()
    kept = hashed(password)
    with here.database.write() as session:
        name = _own_name(session, account_id)
        change_account(session, name, password_hash=kept, now=here.now())
    forget_first_password(here.settings, name)
    trail.account_changed(here, admin, name, "new password")
    return password


def give_token(here: Installation, admin: Person, account_id: int, *, note: str, days: int) -> str:
    """Make a token for a program, which is kept nowhere.

    Raises
    ------
    AccountError
        There is no such account of our own.
    """
    with here.database.write() as session:
        name = _own_name(session, account_id)
        token = add_token(session, name, note=note, now=here.now(), lasts=timedelta(days=days))
    trail.account_changed(here, admin, name, f"token made for {days} days")
    return token


def end(here: Installation, admin: Person, account_id: int, sign_in_id: int) -> None:
    """End a session, or take a token back.

    Raises
    ------
    AccountError
        It has ended already.
    """
    with here.database.write() as session:
        name = account_with(session, account_id).name
        ended = end_one_of(session, account_id, sign_in_id)
    trail.account_changed(here, admin, name, "token taken back" if ended.is_token else "session ended")


def _own_name(session: Session, account_id: int) -> str:
    """Of an account of our own: one that an identity provider vouches for may have the same name as another's."""
    account = account_with(session, account_id)
    if account.issuer:
        raise AccountError(f"{account.name} signs in with {account.issuer}, which says what it may do")
    return account.name
