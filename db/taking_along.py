"""A worker that has room beside the study that woke it takes further ones along that wait for the same step."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.settings import PipelineSettings
from config.steps import Step
from db.leases import Claim, claim, is_due
from db.schema import Study


def claim_next(
    session: Session, step: Step, *, but_for: Sequence[int], owner: str, now: datetime, pipeline: PipelineSettings
) -> Claim | None:
    """Take this step of the study that has waited longest for it and is nobody's; None where there is none.

    Only one that nobody has tried yet: a study that takes its worker down with it would use up the attempts of those
    beside it. `but_for` are the studies that this worker has had; one that another worker looks at just now is passed
    over. The message that announced a study taken along comes later, and finds it done.
    """
    waiting = select(Study.id).where(is_due(step, now), Study.attempts == 0, Study.id.not_in(but_for))
    next_one = waiting.order_by(Study.state_since, Study.id).limit(1).with_for_update(skip_locked=True, of=Study)
    study_id = session.scalar(next_one)
    return None if study_id is None else claim(session, study_id, step, owner=owner, now=now, pipeline=pipeline)
