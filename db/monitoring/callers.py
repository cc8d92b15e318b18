"""Who called the node and what became of it: one row for each caller and outcome, and a limit to how many.

Anybody who reaches the port can call itself what it likes, over and over. So what a flood leaves is folded into rows
that keep the sum.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from config.sections.node import CallersSettings
from db.lifecycle.received import ACCEPTED, ELSEWHERE, OTHER_AE_TITLES, Call
from db.tables.peers import Caller

REFUSED = "refused, for whatever reason"
FOLDED = 2
"""Rows that may come of folding."""


def record_calls(session: Session, calls: Iterable[Call]) -> None:
    """Add calls to what is known of their callers."""
    for call in sorted(calls, key=lambda call: (call.ae_title, call.address, call.outcome)):
        known = session.scalar(
            select(Caller)
            .where(Caller.ae_title == call.ae_title, Caller.address == call.address, Caller.outcome == call.outcome)
            .with_for_update()
        )
        if known is None:
            session.add(Caller(**vars(call)))
            session.flush()
        else:
            known.count += call.count
            known.first_at = min(known.first_at, call.first_at)
            known.last_at = max(known.last_at, call.last_at)


def prune_callers(session: Session, kept: CallersSettings, *, now: datetime) -> None:
    """Forget who has not called for long, and fold what is too much: of one address, then of all of them.

    Those who called last stay as they are.
    """
    session.execute(delete(Caller).where(Caller.last_at < now - timedelta(days=kept.days)))
    crowded = select(Caller.address).group_by(Caller.address).having(func.count() > kept.of_one_address)
    for address in session.scalars(crowded.order_by(Caller.address)).all():
        latest = select(Caller).where(Caller.address == address).order_by(Caller.last_at.desc(), Caller.id.desc())
        _fold(session, session.scalars(latest).all()[kept.of_one_address - FOLDED :], address)
    latest = select(Caller).order_by(Caller.last_at.desc(), Caller.id.desc())
    if (session.scalar(select(func.count()).select_from(Caller)) or 0) > kept.in_all:
        _fold(session, session.scalars(latest).all()[kept.in_all - FOLDED :], ELSEWHERE)


def _fold(session: Session, rows: Sequence[Caller], address: str) -> None:
    """Replace rows by one for all that were accepted, and one for all that were not."""
    calls = [
        Call(
            ae_title=OTHER_AE_TITLES,
            address=address,
            outcome=ACCEPTED if row.outcome == ACCEPTED else REFUSED,
            count=row.count,
            first_at=row.first_at,
            last_at=row.last_at,
        )
        for row in rows
    ]
    for row in rows:
        session.delete(row)
    session.flush()
    record_calls(session, calls)
