"""The registry's tables of our peers: what is forwarded to them, and who called the node."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base


class Forward(Base):
    """One received instance's way to one peer that it is forwarded to."""

    __tablename__ = "forwards"

    id: Mapped[int] = mapped_column(primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("instances.id", ondelete="CASCADE"))
    peer: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    """How often the peer was sent it."""
    next_attempt_at: Mapped[datetime | None]
    last_answer: Mapped[str | None]
    """What the peer answered last, or why the instance was given up; in our words."""
    delivered_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("instance_id", "peer"),
        Index("ix_forwards_state_peer_next_attempt_at", "state", "peer", "next_attempt_at"),
    )


class ForwardPeer(Base):
    """A peer that instances are forwarded to: who sends to it now, or when it is asked again."""

    __tablename__ = "forward_peers"

    peer: Mapped[str] = mapped_column(String(32), primary_key=True)
    attempts: Mapped[int] = mapped_column(default=0)
    """How often in a row it was out of reach."""
    next_attempt_at: Mapped[datetime | None]
    last_answer: Mapped[str | None]
    """Why it is out of reach; None when it answered last."""
    lease_token: Mapped[str | None] = mapped_column(String(36))
    lease_owner: Mapped[str | None] = mapped_column(String(128))
    lease_expires_at: Mapped[datetime | None]
    announced_at: Mapped[datetime | None]


class Caller(Base):
    """Somebody who asked the node for an association, and what became of it."""

    __tablename__ = "callers"

    id: Mapped[int] = mapped_column(primary_key=True)
    ae_title: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(45))
    """IP address; `elsewhere` stands for the many of a flood."""
    outcome: Mapped[str] = mapped_column(String(255))
    """`accepted`, or why it was refused."""
    count: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = (UniqueConstraint("ae_title", "address", "outcome"),)
