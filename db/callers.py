"""Who called the node and what became of it: one row for each caller and outcome."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.received import Call
from db.schema_peers import Caller


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
