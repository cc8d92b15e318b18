"""What is done with accounts, on the page and by `echoworker accounts`.

Each change is in the audit trail, with who made it, and without the passwords and tokens that come of it: these are
kept nowhere.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from config.errors import AccountError
from config.sections.dashboard import AccountRole
from config.settings import Settings
from dashboard.access.passwords import hashed
from dashboard.access.signing_in import forget_first_password
from db.accounts import account_with, add_account, add_token, change_account, end_all, end_one_of
from db.session import Database
from dicom_node.audit.message import User
from dicom_node.audit.people import user_attributes_changed
from dicom_node.audit.trail import AuditTrail


@dataclass(frozen=True, kw_only=True)
class AccountChanges:
    """Changes that somebody makes. Accounts of our own have their name for good; each method raises AccountError where
    there is none of that name."""

    settings: Settings
    database: Database
    trail: AuditTrail
    by: User
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def add(self, name: str, role: AccountRole, *, password: str | None) -> None:
        """Add an account; without a password it is for a program, which shows a token.

        Raises
        ------
        AccountError
            The name is none, or somebody has it.
        """
        kept = None if password is None else hashed(password)
        with self._changing(name, f"added with role {role}") as session:
            add_account(session, name, role=role, password_hash=kept, now=self.now())

    def give_role(self, name: str, role: AccountRole) -> None:
        """Let it do more, or less; whoever is signed in with it is signed out.

        Raises
        ------
        AccountError
            Also where it is the last administrator.
        """
        with self._changing(name, f"role changed to {role}") as session:
            change_account(session, name, role=role, now=self.now())

    def enable(self, name: str, *, is_enabled: bool) -> None:
        """Let it sign in again, or not any more.

        Raises
        ------
        AccountError
            Also where it is the last administrator.
        """
        with self._changing(name, "enabled" if is_enabled else "disabled") as session:
            change_account(session, name, is_enabled=is_enabled, now=self.now())

    def give_password(self, name: str, password: str) -> None:
        """Give it another password, and unlock it; whoever is signed in with it is signed out."""
        kept = hashed(password)
        with self._changing(name, "new password") as session:
            change_account(session, name, password_hash=kept, now=self.now())
        forget_first_password(self.settings, name)

    def give_token(self, name: str, *, note: str, days: int) -> str:
        """Make a token for a program that acts as this account."""
        with self._changing(name, f"token made for {days} days") as session:
            return add_token(session, name, note=note, now=self.now(), lasts=timedelta(days=days))

    def end_all(self, name: str, *, tokens_too: bool) -> int:
        """Sign out whoever is signed in with it, and take its tokens back as well; how many ended."""
        change = "sessions ended and tokens taken back" if tokens_too else "sessions ended"
        with self._changing(name, change) as session:
            return end_all(session, name, tokens_too=tokens_too)

    def end_one(self, account_id: int, sign_in_id: int) -> None:
        """End a session, or take a token back, of any account: also of one that an identity provider vouches for.

        Raises
        ------
        AccountError
            It has ended already.
        """
        with self.database.write() as session:
            name = account_with(session, account_id).name
            ended = end_one_of(session, account_id, sign_in_id)
        self._written_down(name, "token taken back" if ended.is_token else "session ended")

    def name_of(self, account_id: int) -> str:
        """Of an account of our own: one that an identity provider vouches for may have the same name as another's.

        Raises
        ------
        AccountError
            There is none of this number, or it is not our own.
        """
        with self.database.read() as session:
            account = account_with(session, account_id)
            if account.issuer:
                raise AccountError(f"{account.name} signs in with {account.issuer}, which says what it may do")
            return account.name

    @contextmanager
    def _changing(self, account: str, change: str) -> Iterator[Session]:
        """A transaction that changes an account; written down once it is committed, and not if it is not."""
        with self.database.write() as session:
            yield session
        self._written_down(account, change)

    def _written_down(self, account: str, change: str) -> None:
        self.trail.record(user_attributes_changed(self.by, account=account, change=change))
