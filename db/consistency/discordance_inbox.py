"""The inbox of discordances: what somebody is to look at, in pages, by what they ask for."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from db.consistency.discordance_review import WORST_FIRST, ListedDiscordance, is_open, listed, listed_of
from db.consistency.discordances import ReviewState, Severity
from db.tables.consistency import DiscordanceRow


class Shown(StrEnum):
    """Which discordances an inbox shows, by what has become of them."""

    OPEN = "open"
    """That nobody has looked at, and that the last check of the study still finds."""
    CONFIRMED = "confirmed"
    DISMISSED = "dismissed"
    SUPERSEDED = "superseded"
    """That the last check of the study did not find any more."""
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class InboxFilter:
    """What is asked for; empty: whatever it is."""

    shown: Shown = Shown.OPEN
    rule: str = ""
    severity: Severity | None = None
    field: str = ""


def inbox(session: Session, wanted: InboxFilter, *, offset: int, limit: int) -> list[ListedDiscordance]:
    """Those that are asked for, the worst first, and of these the latest; `limit` of them after `offset` others."""
    chosen = select(DiscordanceRow.id).where(_is_shown(wanted.shown))
    for name in ("rule", "severity", "field"):
        if value := getattr(wanted, name):
            chosen = chosen.where(getattr(DiscordanceRow, name) == value)
    # Their studies and models are looked up for these alone, of whatever many there are.
    ids = session.scalars(chosen.order_by(*WORST_FIRST).offset(offset).limit(limit)).all()
    rows = session.execute(listed().where(DiscordanceRow.id.in_(ids)).order_by(*WORST_FIRST))
    return [listed_of(*row) for row in rows]


def fields_found(session: Session) -> list[str]:
    """What any discordance is about: ids of tasks, and of what only reports name."""
    return list(session.scalars(select(DiscordanceRow.field).distinct().order_by(DiscordanceRow.field)))


def _is_shown(shown: Shown) -> ColumnElement[bool]:
    match shown:
        case Shown.OPEN:
            return is_open()
        case Shown.CONFIRMED | Shown.DISMISSED:
            return DiscordanceRow.state == ReviewState[shown.name]
        case Shown.SUPERSEDED:
            return DiscordanceRow.superseded_at.is_not(None)
        case Shown.ALL:
            return true()
