"""Sums of what the receiving processes were asked, which never open the registry themselves; and signs of life."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.inserting import insert_if_new
from db.tables.monitoring import Heartbeat, Tally

BEAT = "beat"
"""Said by the task that beat wakes every few seconds: beat, the broker and a worker for maintenance are all alive."""
BACKUP = "backup"
"""Said by `echoworker backup` once one is made, whole, and, where that is wanted, checked."""


class TallyKind(StrEnum):
    """What is counted."""

    ASSOCIATION = "association"
    """Requests for one; by `accepted` and `refused`."""
    INSTANCE = "instance"
    """C-STORE requests; by the status that they were answered with, as `0xA700`."""


def add_to_tallies(session: Session, kind: TallyKind, counts: Mapping[str, int]) -> None:
    """So many more of each label."""
    for label, count in sorted(counts.items()):
        insert_if_new(session, Tally, {"kind": kind, "label": label, "count": 0})
        of_label = (Tally.kind == kind, Tally.label == label)
        session.execute(update(Tally).where(*of_label).values(count=Tally.count + count))


def tallies(session: Session, kind: TallyKind) -> dict[str, int]:
    """How often so far, by label."""
    rows = session.execute(select(Tally.label, Tally.count).where(Tally.kind == kind))
    return dict(rows.all())


def note_heartbeat(session: Session, name: str, *, now: datetime) -> None:
    """This part of the installation is alive."""
    insert_if_new(session, Heartbeat, {"name": name, "at": now})
    session.execute(update(Heartbeat).where(Heartbeat.name == name).values(at=now))


def heartbeats(session: Session) -> dict[str, datetime]:
    """When each part that says so was last alive."""
    rows = session.execute(select(Heartbeat.name, Heartbeat.at))
    return dict(rows.all())
