"""What a step hands back: what to write in the transaction that moves the study on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.orm import Session

from config.errors import TimeLimitError
from db.states import Back
from db.tables.studies import Study
from db.working.leases import Claim

Record = Callable[[Session, Study], None]

Further = Callable[[], Claim | None]
"""Claims the step for one more study that waits for it; None when no more can be had."""
Attempt = tuple[Claim, "Outcome | Exception"]
"""One study of several that a step was done for together, and how it ended; one that failed fails alone."""
Made = TypeVar("Made")


def attempted(work: Callable[[], Made]) -> Made | Exception:
    """What this makes; or why it fails, for `Attempt`: the studies beside it go on.

    Raises
    ------
    TimeLimitError
        The time of the whole step is up.
    """
    try:
        return work()
    except TimeLimitError:
        raise
    except Exception as error:  # noqa: BLE001  whatever it is: it is the runner that says what becomes of it
        return error


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of a step that succeeded."""

    record: Record
    """Writes what the step made; called in the same transaction as the study's transition."""
    afterwards: Callable[[], None] = lambda: None
    """What is left to tidy up; called once all that is committed, and not if the work was discarded."""
    skip_reason: str | None = None
    """Set when the study cannot go on: it ends as SKIPPED, for this reason."""
    stay_reason: str | None = None
    """Set when there was nothing to do: the study stays in its state, for this reason."""
    back: Back | None = None
    """Set when an earlier step has to run again first."""
