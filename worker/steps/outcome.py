"""What a step hands back: what to write in the transaction that moves the study on."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.orm import Session

from db.leases import Wait
from db.schema import Study

Record = Callable[[Session, Study], None]
Waits = Callable[[Session], Wait | None]


def _for_nothing(_: Session) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of a step that succeeded."""

    record: Record
    """Writes what the step made; called in the same transaction as the study's transition."""
    afterwards: Callable[[], None] = lambda: None
    """What is left to tidy up; called once all that is committed, and not if the work was discarded."""
    waits: Waits = _for_nothing
    """Asked in that transaction, with the study locked: what the study waits for in the state that it is in."""
    skip_reason: str | None = None
    """Set when the study cannot go on: it ends as SKIPPED, for this reason."""
    stay_reason: str | None = None
    """Set when there was nothing to do: the study stays in its state, for this reason."""
