"""Which study a worker works on: not always the one that woke it.

A message is a wake-up, and messages come in the order in which they were sent. What goes first is decided in the
registry, which is the truth, when a worker is free: the most urgent of all that wait for its step. So a STAT study
waits for no more than the step that is running, whatever lies in the broker, and whichever broker it is; and one set
of queues and workers serves all lanes.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from config.sections.pipeline import PipelineSettings
from config.steps import Lane, Step
from db.tables.studies import Study
from db.working.leases import Claim, claim, is_due


def claim_most_urgent(
    session: Session,
    study_id: int,
    step: Step,
    *,
    but_for: Sequence[int],
    owner: str,
    now: datetime,
    pipeline: PipelineSettings,
) -> tuple[int, Claim | None]:
    """Take this step of the study that a message named; or of one that waits for it in a lane ahead of that one.

    The study, and None where it is not due. `but_for` are the more urgent ones that this message has led to already;
    the study that it names is still to be asked for after them.
    """
    named = aliased(Study)
    own_lane = select(named.lane).where(named.id == study_id).scalar_subquery()
    ahead = select(Study.id).where(is_due(step, now), Study.lane < own_lane, Study.id.not_in(but_for))
    first = ahead.order_by(Study.lane, Study.state_since, Study.id).limit(1).with_for_update(skip_locked=True, of=Study)
    first_id = session.scalar(first) or study_id
    return first_id, claim(session, first_id, step, owner=owner, now=now, pipeline=pipeline)


def claim_next(
    session: Session,
    step: Step,
    *,
    but_for: Sequence[int],
    owner: str,
    now: datetime,
    pipeline: PipelineSettings,
    lane: Lane = Lane.ROUTINE,
) -> Claim | None:
    """Take this step of the most urgent study that waits for it and is nobody's; of those, of the longest waiting.

    None where there is none. Only one that nobody has tried yet: a study that takes its worker down with it would use
    up the attempts of those beside it. `but_for` are the studies that this worker has had; one that another worker
    looks at just now is passed over, and so are those behind `lane`. The message that announced a study taken along
    comes later, and finds it done.
    """
    waiting = select(Study.id).where(
        is_due(step, now), Study.attempts == 0, Study.lane <= lane, Study.id.not_in(but_for)
    )
    next_one = waiting.order_by(Study.lane, Study.state_since, Study.id).limit(1)
    study_id = session.scalar(next_one.with_for_update(skip_locked=True, of=Study))
    return None if study_id is None else claim(session, study_id, step, owner=owner, now=now, pipeline=pipeline)
