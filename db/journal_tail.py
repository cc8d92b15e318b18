"""The journal as it grows: each entry once, for who counts what the steps do without asking for all of it again."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.states import StudyState
from db.tables.pipeline import JournalEntry

LATE = 1000
"""An entry gets its number before it is committed: so many before the newest may come late."""


@dataclass(frozen=True, kw_only=True)
class Attempted:
    """One attempt of a step that has ended."""

    step: str
    has_failed: bool
    duration_s: float | None
    """Of a delivery from its report on; None where it was never measured, as of a worker that died."""


class JournalTail:
    """What was written since it was read last; the first time, nothing: only where the journal ends."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._seen: set[int] = set()
        """Of the last `LATE` numbers."""

    def read(self, session: Session) -> Iterator[Attempted]:
        """Attempts of steps that have ended meanwhile."""
        if self._newest is None:
            self._newest = session.scalar(select(func.max(JournalEntry.id))) or 0
            late = select(JournalEntry.id).where(JournalEntry.id > self._newest - LATE)
            self._seen = set(session.scalars(late))
            return
        entry = JournalEntry
        columns = (entry.id, entry.step, entry.state_before, entry.state_after, entry.attempt, entry.duration_ms)
        rows = select(*columns).where(entry.id > self._newest - LATE).order_by(entry.id)
        for number, step, before, after, attempt, duration_ms in session.execute(
            rows.execution_options(yield_per=5000)
        ):
            if number in self._seen:
                continue
            self._seen.add(number)
            self._newest = max(self._newest, number)
            is_handed_back = attempt is None and after == before
            if step is not None and not is_handed_back:
                yield Attempted(
                    step=step,
                    has_failed=after in (before, StudyState.FAILED),
                    duration_s=None if duration_ms is None else duration_ms / 1000,
                )
        oldest = self._newest - LATE
        self._seen = {number for number in self._seen if number > oldest}
