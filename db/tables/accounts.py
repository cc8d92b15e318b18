"""The registry's tables of who may use the dashboard, and who is signed in. No patient's PHI; names of staff."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from db.tables.base import Base


class Account(Base):
    """Somebody, or a program, that may use the dashboard."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    """As it is signed in with, and is written beside what was done; of another provider with its host behind it."""
    issuer: Mapped[str] = mapped_column(String(255))
    """Who vouches for it: the identity provider; empty: we do, by its password."""
    subject: Mapped[str] = mapped_column(String(255))
    """What the identity provider knows it by; of our own the same as its name."""
    role: Mapped[str] = mapped_column(String(16))
    """As `config.sections.dashboard.AccountRole` has it; of another provider's as it was when it last signed in."""
    password_hash: Mapped[str | None] = mapped_column(String(255))
    """Argon2id (RFC 9106) with its salt and cost; NULL: it signs in elsewhere, or by tokens alone."""
    created_at: Mapped[datetime]
    """When it was made."""
    disabled_at: Mapped[datetime | None]
    """Since when nobody signs in with it; NULL: somebody may."""
    failures: Mapped[int] = mapped_column(default=0)
    """Wrong passwords in a row."""
    locked_until: Mapped[datetime | None]
    """After too many of them: until when no password is looked at."""
    signed_in_at: Mapped[datetime | None]
    """When it last signed in."""

    sessions: Mapped[list["SignIn"]] = relationship(back_populates="account", order_by="SignIn.id")

    __table_args__ = (UniqueConstraint("issuer", "subject"), {"info": {"secret": True}})


class SignIn(Base):
    """A session of a browser, or a token of a program: whoever shows its secret acts as the account."""

    __tablename__ = "sign_ins"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    """The account."""
    secret_digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the secret, which has 256 random bits and is kept nowhere."""
    is_token: Mapped[bool]
    """True of a program's; False of a browser's, which ends when it is not used."""
    note: Mapped[str] = mapped_column(String(64))
    """What a token is for; empty of a browser's."""
    began_at: Mapped[datetime]
    """When it was made."""
    seen_at: Mapped[datetime]
    """When it was last used, to the minute."""
    expires_at: Mapped[datetime]
    """When it ends in any case."""

    account: Mapped[Account] = relationship(back_populates="sessions")

    __table_args__ = ({"info": {"secret": True}},)
