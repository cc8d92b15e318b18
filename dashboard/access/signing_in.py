"""Signing in with a password, and the account that is there from the start."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from config.errors import AccountError
from config.sections.dashboard import AccountRole
from config.settings import Settings
from config.whole_files import write_whole
from dashboard.access.passwords import fits, hashed, made_up, turn
from dashboard.installation import Installation
from db.accounts import SignedIn, add_account, begin, has_an_admin, replace_password
from db.tables.accounts import Account

FIRST_NAME = "admin"
_WRONG = "name or password is wrong, or the account is locked for a while"


def sign_in(here: Installation, name: str, password: str) -> str:
    """Look at a password; the secret of the session that begins.

    Each failure counts before the password is looked at, so that guesses at the same time do not share one.

    Raises
    ------
    AccountError
        It is wrong, or there were too many wrong ones, or there is no such account: the message does not say which.
    TooManySignInsError
        Nothing was looked at.
    """
    account, kept = _looked_at(here, Account.issuer == "", Account.subject == name, password=password)
    now, wanted = here.now(), here.settings.dashboard
    with here.database.write() as session:
        found = session.get(Account, account.id)
        if found is None or found.disabled_at is not None or found.password_hash != kept:
            raise AccountError(_WRONG)  # it was changed while its password was looked at
        lasts = timedelta(hours=wanted.session_hours)
        return begin(session, found, now=now, lasts=lasts, at_most=wanted.sessions_of_an_account)


def change_own_password(here: Installation, account: SignedIn, *, before: str, after: str) -> None:
    """Change it for whoever knows the one before; the account's other sessions end, its tokens stay.

    A wrong one before counts as at signing in: whoever finds a browser that is signed in cannot try them all.

    Raises
    ------
    AccountError
        The one before is wrong, or there were too many wrong ones, or the new one is too short; or it was changed
        meanwhile by somebody else.
    """
    new = hashed(after)
    found, kept = _looked_at(here, Account.id == account.account_id, password=before)
    with here.database.write() as session:
        replace_password(session, found.id, before=kept, after=new, goes_on=account.sign_in_id)
    if found.issuer == "":
        forget_first_password(here.settings, found.subject)


def _looked_at(here: Installation, *which: ColumnElement[bool], password: str) -> tuple[Account, str]:
    """The account, and the hash that the password fits; each failure counts before it is looked at."""
    with turn():
        return _looked_at_now(here, *which, password=password)


def _looked_at_now(here: Installation, *which: ColumnElement[bool], password: str) -> tuple[Account, str]:
    now, wanted = here.now(), here.settings.dashboard
    with here.database.write() as session:
        account = session.scalar(select(Account).where(*which).with_for_update())
        is_locked = account is not None and account.locked_until is not None and account.locked_until > now
        kept = account.password_hash if account is not None and account.disabled_at is None and not is_locked else None
        if account is not None and not is_locked:
            account.failures += 1
            if account.failures >= wanted.failures_until_locked:
                account.failures, account.locked_until = 0, now + timedelta(minutes=wanted.locked_minutes)
    if not fits(password, kept) or account is None or kept is None:
        raise AccountError(_WRONG)
    return account, kept


def forget_first_password(settings: Settings, name: str) -> None:
    """The password of this account was changed: where it is the first one's, the file says nothing true any more."""
    if name == FIRST_NAME:
        settings.dashboard.password_file(settings.data_dir).unlink(missing_ok=True)


def first_password_is_in_use(settings: Settings, session: Session) -> bool:
    """Whether the first account still has the password that lies in the file."""
    try:
        kept = settings.dashboard.password_file(settings.data_dir).read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        return False
    hash_of_it = session.scalar(
        select(Account.password_hash).where(
            Account.issuer == "", Account.subject == FIRST_NAME, Account.disabled_at.is_(None)
        )
    )
    return fits(kept, hash_of_it)


def make_first_account(here: Installation) -> Path | None:
    """Where nobody could sign in: an administrator with a password of its own, in a file that only we can read.

    Returns
    -------
    The file; None where there is an administrator, or an identity provider that may name one; and where the first
    account's name is taken by one that was disabled or made less, which we do not undo: `doctor` says what to do.
    """
    file = here.settings.dashboard.password_file(here.settings.data_dir)
    with here.database.write() as session:
        if has_an_admin(session) or here.settings.dashboard.openid.admins:
            return None
        password = made_up()
        try:
            add_account(session, FIRST_NAME, role=AccountRole.ADMIN, password_hash=hashed(password), now=here.now())
        except AccountError:  # it is taken; by another dashboard, perhaps, that starts at this moment
            return None
        write_whole(file, f"{password}\n".encode())
        file.chmod(0o600)
    return file
