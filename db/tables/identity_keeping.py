"""The registry's note of how it keeps identities."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base


class IdentityKeeping(Base):
    """How `patient_identities` is kept: one row, from the first identity on. No PHI, and no key."""

    __tablename__ = "identity_keeping"

    id: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    """The mode; where that has a key, a digest that tells it from others."""
    converting_to: Mapped[str | None] = mapped_column(String(64))
    """The fingerprint of what they are being converted to; NULL: they are not."""
    converted_up_to: Mapped[int] = mapped_column(default=0)
    """The number of the last study that is converted."""
