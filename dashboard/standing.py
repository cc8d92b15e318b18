"""Where a study stands, in a sentence: what it waits for, who works on it, or why it goes no further."""

from datetime import datetime

from db.reading.worklist import Line
from db.states import STEP_DUE_IN, StudyState

_TROUBLED = (StudyState.FAILED, StudyState.SKIPPED)


def standing(line: Line, now: datetime) -> str:
    """Free of PHI; empty of a study that is delivered."""
    if line.state is StudyState.RECEIVING:
        closes = "" if line.quiet_at is None else f" after {_clock(line.quiet_at)}"
        return f"images are coming; it is scored{closes}, unless more come"
    if line.state in _TROUBLED or line.state not in STEP_DUE_IN:
        return line.reason or ""
    step = STEP_DUE_IN[line.state]
    if line.lease_owner and line.lease_expires_at is not None and line.lease_expires_at > now:
        return f"{step} runs on {line.lease_owner}"
    if line.state is StudyState.REPORTED:
        return line.reason or "waits to be delivered"
    if line.next_attempt_at is not None and line.next_attempt_at > now:
        tried = f"{step} is tried again after {_clock(line.next_attempt_at)}"
        return f"{tried}: {line.reason}" if line.reason else tried
    return f"waits for {step}" + (f": {line.reason}" if line.reason else "")


def _clock(at: datetime) -> str:
    return f"{at.astimezone():%H:%M:%S}"
