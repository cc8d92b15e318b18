"""Accounts of the dashboard, and who is signed in with them."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from config.errors import AccountError
from config.sections.dashboard import AccountRole
from db.inserting import insert_if_new
from db.tables.accounts import Account, SignIn

LONGEST_NAME = 64
NAME = re.compile(r"[\w.@+-]{1,64}")
SEEN_EVERY = timedelta(minutes=1)
"""A page asks often: a row is not written for each time."""


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """Whoever shows a secret that counts."""

    sign_in_id: int
    account_id: int
    name: str
    role: AccountRole
    is_token: bool
    seen_at: datetime
    """When its use was last noted."""

    def is_to_be_noted(self, now: datetime) -> bool:
        """Whether that is long enough ago for `seen`, which takes a transaction that writes."""
        return self.seen_at < now - SEEN_EVERY


def list_accounts(session: Session) -> list[Account]:
    """All, by name."""
    return list(session.scalars(select(Account).order_by(Account.name, Account.id)))


def add_account(session: Session, name: str, *, role: AccountRole, password_hash: str | None, now: datetime) -> Account:
    """Add one of our own; without a password it signs in by tokens alone.

    Raises
    ------
    AccountError
        The name is none, or somebody has it.
    """
    if not NAME.fullmatch(name):
        raise AccountError("a name of an account has 1 to 64 letters, digits or . @ + - _")
    if not _insert(session, issuer="", subject=name, name=name, role=role, now=now):
        raise AccountError(f"there is an account {name} already")
    account = own_account(session, name)
    account.password_hash = password_hash
    return account


def own_account(session: Session, name: str) -> Account:
    """The one of our own that has this name.

    Raises
    ------
    AccountError
        There is none.
    """
    account = session.scalar(select(Account).where(Account.issuer == "", Account.subject == name))
    if account is None:
        raise AccountError(f"there is no account {name}: echoworker accounts lists them")
    return account


def account_with(session: Session, account_id: int) -> Account:
    """The one of this number.

    Raises
    ------
    AccountError
        There is none.
    """
    account = session.get(Account, account_id)
    if account is None:
        raise AccountError(f"there is no account {account_id}")
    return account


def sign_ins_of(session: Session, account_id: int, *, now: datetime) -> list[SignIn]:
    """The sessions and tokens of an account that have not ended by their time, the latest first."""
    going_on = (SignIn.account_id == account_id) & (SignIn.expires_at > now)
    return list(session.scalars(select(SignIn).where(going_on).order_by(SignIn.id.desc())))


def end_one_of(session: Session, account_id: int, sign_in_id: int) -> SignIn:
    """End one session of an account, or take a token back: which it was.

    Raises
    ------
    AccountError
        The account has none of this number: it may have ended meanwhile.
    """
    found = session.get(SignIn, sign_in_id)
    if found is None or found.account_id != account_id:
        raise AccountError("this session or token has ended already")
    session.delete(found)
    return found


def vouched_for(session: Session, *, issuer: str, subject: str, name: str, role: AccountRole, now: datetime) -> Account:
    """The account of somebody whom an identity provider vouches for, as it says today; made at the first time."""
    known = select(Account).where(Account.issuer == issuer, Account.subject == subject)
    account = session.scalar(known)
    if account is None:
        _insert(session, issuer=issuer, subject=subject, name=name, role=role, now=now)
        account = session.scalars(known).one()
    account.name, account.role = name, role
    session.flush()
    return account


def end_sessions_of(session: Session, *, issuer: str, subject: str) -> int:
    """Sign out whoever is signed in with this account, if there is one; how many sessions ended. Tokens stay."""
    account = select(Account.id).where(Account.issuer == issuer, Account.subject == subject).scalar_subquery()
    ended = session.scalars(
        delete(SignIn).where(SignIn.account_id == account, SignIn.is_token.is_(False)).returning(SignIn.id)
    )
    return len(ended.all())


def change_account(
    session: Session,
    name: str,
    *,
    role: AccountRole | None = None,
    is_enabled: bool | None = None,
    password_hash: str | None = None,
    now: datetime,
) -> None:
    """Change what is given of an account of our own; whoever is signed in with it is signed out.

    Raises
    ------
    AccountError
        There is none of this name; or it is the last administrator, who could not be replaced.
    """
    account = own_account(session, name)
    loses = (role is not None and role is not AccountRole.ADMIN) or is_enabled is False
    if account.role == AccountRole.ADMIN and account.disabled_at is None and loses:
        _require_another_admin(session, account)
    if role is not None:
        account.role = role
    if password_hash is not None:
        account.password_hash, account.failures, account.locked_until = password_hash, 0, None
    if is_enabled is not None:
        account.disabled_at = None if is_enabled else account.disabled_at or now
    session.execute(delete(SignIn).where(SignIn.account_id == account.id, SignIn.is_token.is_(False)))


def replace_password(session: Session, account_id: int, *, before: str, after: str, goes_on: int) -> None:
    """Put a hash in the place of the one that was looked at; the account's sessions end but for `goes_on`.

    Raises
    ------
    AccountError
        Another is kept by now, or the account is disabled: what an administrator did meanwhile holds.
    """
    is_as_it_was = (Account.id == account_id, Account.password_hash == before, Account.disabled_at.is_(None))
    changed = update(Account).where(*is_as_it_was).values(password_hash=after, failures=0, locked_until=None)
    if session.scalar(changed.returning(Account.id)) is None:
        raise AccountError("the password was changed by somebody else meanwhile: sign in again")
    others = (SignIn.account_id == account_id, SignIn.is_token.is_(False), SignIn.id != goes_on)
    session.execute(delete(SignIn).where(*others))


def begin(session: Session, account: Account, *, now: datetime, lasts: timedelta, at_most: int) -> str:
    """Sign a browser in; the secret that it is to show. The oldest sessions end where there would be more."""
    of_browsers = select(SignIn).where(SignIn.account_id == account.id, SignIn.is_token.is_(False))
    for old in session.scalars(of_browsers.order_by(SignIn.id.desc()).offset(at_most - 1)):
        session.delete(old)
    session.execute(delete(SignIn).where(SignIn.expires_at < now))
    account.signed_in_at, account.failures, account.locked_until = now, 0, None
    return _added(session, account, now=now, expires_at=now + lasts)


def add_token(session: Session, name: str, *, note: str, now: datetime, lasts: timedelta) -> str:
    """A secret for a program that acts as this account.

    Raises
    ------
    AccountError
        There is no account of this name.
    """
    return _added(session, own_account(session, name), now=now, expires_at=now + lasts, note=note or "token")


def end_all(session: Session, name: str, *, tokens_too: bool) -> int:
    """Sign out whoever is signed in with an account of our own, and take back its tokens where that is wanted.

    Returns
    -------
    How many sessions and tokens ended.

    Raises
    ------
    AccountError
        There is no account of this name.
    """
    of_account = delete(SignIn).where(SignIn.account_id == own_account(session, name).id)
    if not tokens_too:
        of_account = of_account.where(SignIn.is_token.is_(False))
    return len(session.scalars(of_account.returning(SignIn.id)).all())


def end_all_of_all(session: Session) -> int:
    """End every session and take every token back: what was taken back since a backup does not come back with it."""
    return len(session.scalars(delete(SignIn).returning(SignIn.id)).all())


def end(session: Session, sign_in_id: int) -> None:
    """Sign out, or take a token back."""
    session.execute(delete(SignIn).where(SignIn.id == sign_in_id))


def signed_in(session: Session, secret: str, *, now: datetime, idle: timedelta) -> SignedIn | None:
    """Who shows this secret; None where it does not count, or not any more."""
    found = session.scalar(select(SignIn).where(SignIn.secret_digest == _digest(secret)))
    if found is None or found.expires_at <= now or (not found.is_token and found.seen_at + idle <= now):
        return None
    if found.account.disabled_at is not None:
        return None
    return SignedIn(
        sign_in_id=found.id,
        account_id=found.account_id,
        name=found.account.name,
        role=AccountRole(found.account.role),
        is_token=found.is_token,
        seen_at=found.seen_at,
    )


def seen(session: Session, sign_in_id: int, *, now: datetime) -> None:
    """Note that it was used, unless that was just noted."""
    not_just_now = SignIn.seen_at < now - SEEN_EVERY
    session.execute(update(SignIn).where(SignIn.id == sign_in_id, not_just_now).values(seen_at=now))


def has_an_admin(session: Session) -> bool:
    """Whether somebody could sign in, with a password of ours, who can add others."""
    return session.scalar(select(Account.id).where(*_ADMINS).limit(1)) is not None


_ADMINS = (
    Account.role == AccountRole.ADMIN,
    Account.disabled_at.is_(None),
    Account.issuer == "",
    Account.password_hash.is_not(None),
)
"""One that has tokens alone cannot sign in to add others."""


def _require_another_admin(session: Session, account: Account) -> None:
    # All are locked: two that take each other's role at the same time come one after the other.
    admins = session.scalars(select(Account.id).where(*_ADMINS).order_by(Account.id).with_for_update()).all()
    if account.id in admins and len(admins) == 1:
        raise AccountError(f"{account.name} is the last administrator: make another one first")


def _insert(session: Session, *, issuer: str, subject: str, name: str, role: AccountRole, now: datetime) -> bool:
    """Whether there was none: of two that are made at the same time, one is."""
    whose = {"issuer": issuer, "subject": subject, "name": name}
    return insert_if_new(session, Account, {**whose, "role": role, "created_at": now, "failures": 0})


def _added(session: Session, account: Account, *, now: datetime, expires_at: datetime, note: str = "") -> str:
    secret = secrets.token_urlsafe(32)
    session.add(
        SignIn(
            account_id=account.id,
            secret_digest=_digest(secret),
            is_token=bool(note),
            note=note[:64],
            began_at=now,
            seen_at=now,
            expires_at=expires_at,
        )
    )
    return secret


def _digest(secret: str) -> str:
    """Of 256 random bits: nobody finds their way back, and no salt or cost is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()
