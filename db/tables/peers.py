"""The registry's tables of our peers: what is forwarded to them, their queues, and who called the node."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.tables.base import Base


class Forward(Base):
    """One received instance's way to one peer that it is forwarded to."""

    __tablename__ = "forwards"

    id: Mapped[int] = mapped_column(primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("instances.id", ondelete="CASCADE"))
    """The instance."""
    peer: Mapped[str] = mapped_column(String(32))
    """By its name in the settings."""
    state: Mapped[str] = mapped_column(String(16))
    """As `db.states.DeliveryState` has it."""
    attempts: Mapped[int] = mapped_column(default=0)
    """How often the peer was sent it."""
    next_attempt_at: Mapped[datetime | None]
    """When it is sent again; NULL: at once."""
    last_answer: Mapped[str | None]
    """What the peer answered last, or why the instance was given up; in our words."""
    delivered_at: Mapped[datetime | None]
    """When the peer had it."""

    __table_args__ = (
        UniqueConstraint("instance_id", "peer"),
        Index("ix_forwards_state_peer_next_attempt_at", "state", "peer", "next_attempt_at"),
    )


class PeerQueue(Base):
    """What waits for one peer, for one purpose: who sends it now, or when the peer is asked again."""

    __tablename__ = "peer_queues"

    peer: Mapped[str] = mapped_column(String(32), primary_key=True)
    """By its name in the settings."""
    purpose: Mapped[str] = mapped_column(String(16), primary_key=True)
    """As `config.steps.Purpose` has it."""
    attempts: Mapped[int] = mapped_column(default=0)
    """How often in a row it was out of reach, or out of resources."""
    next_attempt_at: Mapped[datetime | None]
    """When it is asked again; NULL: at once."""
    last_answer: Mapped[str | None]
    """Why nothing is sent; None when it answered last."""
    lease_token: Mapped[str | None] = mapped_column(String(36))
    """Whoever has it sends."""
    lease_owner: Mapped[str | None] = mapped_column(String(128))
    """Which worker has it."""
    lease_expires_at: Mapped[datetime | None]
    """When another worker may take it, unless the lease is renewed."""
    announced_at: Mapped[datetime | None]
    """When it was last put on the broker."""


class Caller(Base):
    """Somebody who asked the node for an association, and what became of it.

    What is beyond `[callers]` in the settings is folded into rows of `other AE titles`.
    """

    __tablename__ = "callers"

    id: Mapped[int] = mapped_column(primary_key=True)
    ae_title: Mapped[str] = mapped_column(String(16))
    """The one that it called itself by."""
    address: Mapped[str] = mapped_column(String(45))
    """IP address; `elsewhere` stands for the many of a flood."""
    outcome: Mapped[str] = mapped_column(String(255))
    """`accepted`, or why it was refused."""
    count: Mapped[int]
    """How often."""
    first_at: Mapped[datetime]
    """When it first called so."""
    last_at: Mapped[datetime] = mapped_column(index=True)
    """When it last called so."""

    __table_args__ = (UniqueConstraint("ae_title", "address", "outcome"),)
