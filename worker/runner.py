"""How every step runs: claim, work with the lease held, write the outcome, announce what is due next."""

import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypedDict

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from config.errors import (
    ClipError,
    ConfigurationError,
    DeviceError,
    DeviceFaultError,
    LeaseLostError,
    ModelPackError,
    ReportError,
    SpoolAwayError,
    SpoolFullError,
)
from config.logs import Event, emit, frames_of, told_of
from config.processes import process_name
from config.steps import Lane, Step
from db.away import say_away
from db.lifecycle.announcing import announce_due_deliveries, announce_due_steps, forget_announcements
from db.lifecycle.choosing_studies import claim_most_urgent, claim_next
from db.reading.queries import study_instance_uid_of
from db.working.leases import Claim, Fault, completing, fail_attempt, renew_all
from worker.context import WorkerContext
from worker.lease_keeping import lease_kept
from worker.steps.outcome import Attempt, Further, Outcome

StepFunction = Callable[[WorkerContext, Claim], Outcome]
TogetherFunction = Callable[[WorkerContext, Claim, Further], list[Attempt]]
"""Of every study that it claimed, besides the one that it was called for, it gives an attempt."""

OUT_OF_SOMETHING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE}
"""Operating system errors that no study is the cause of."""


def run_step(context: WorkerContext, step: Step, study_id: int, work: StepFunction) -> None:
    """Run one step of one study if it is due; a message that is late, doubled or wrong changes nothing."""
    run_step_together(context, step, study_id, lambda context, held, _: [(held, work(context, held))])


def run_step_together(context: WorkerContext, step: Step, study_id: int, work: TogetherFunction) -> None:
    """The same of a step that takes further studies along: each is claimed, and ends, by itself.

    What waits in a lane ahead of this study's goes first (db.lifecycle.choosing_studies), however the messages lie in
    the broker.
    """
    first_ones: list[int] = []
    try:
        while study_id not in first_ones:
            if context.watch.is_ending:  # Celery's loop takes one more message before it looks whether it is to stop
                _leave_to_others(context, study_id)
                return
            number, held = _claim(context, step, study_id, first_ones)
            first_ones.append(number)
            for claimed in _run_if_due(context, step, number, held, work):
                announce_due_steps(context.database, context.broker, context.settings, study_id=claimed)
                if step is Step.REPORT:
                    announce_due_deliveries(context.database, context.broker, context.settings, study_id=claimed)
    except SQLAlchemyError as error:
        # What was not written down did not happen: the lease runs out, and the reaper has the step run again.
        say_away(error, step=step, study_id=study_id)


def _leave_to_others(context: WorkerContext, study_id: int) -> None:
    """The message that named this study is used up: it is announced anew."""
    with context.database.write() as session:
        forget_announcements(session, [study_id])


def _run_if_due(
    context: WorkerContext, step: Step, study_id: int, held: Claim | None, work: TogetherFunction
) -> list[int]:
    """The studies that were claimed; or the one that was not due."""
    if held is None:
        with context.database.read() as session:
            uid = study_instance_uid_of(session, study_id)
        emit(Event.STEP_NOT_DUE, step=step, study_id=study_id, study_instance_uid=uid)
        return [study_id]
    emit(Event.STEP_STARTED, **_facts(held))
    claims = [held]
    lease_s = context.settings.pipeline.lease_s

    def further() -> Claim | None:
        # It may be what the worker died of: alone this time.
        if held.attempt > 1 or context.watch.is_ending:
            return None
        try:
            # A STAT study waits for no batch to be filled by others.
            claimed = _claim_next(context, step, [each.study_id for each in claims], held.lane)
        except SQLAlchemyError as error:
            # Those that are claimed already need no company. Of one whose claim was not confirmed the lease runs out.
            say_away(error, step=step)
            return None
        if claimed is not None:
            emit(Event.STEP_STARTED, **_facts(claimed))
            claims.append(claimed)
        return claimed

    def renew(session: Session, now: datetime) -> bool:
        return renew_all(session, tuple(claims), now=now, lease_s=lease_s)

    try:
        limit = context.settings.time_limits.of(step)
        with (
            lease_kept(context, renew),
            context.watch.limited(step, hard_s=limit.hard_s, soft_s=limit.soft_s),
        ):
            attempts = work(context, held, further)
    except Exception as error:  # noqa: BLE001  whatever it is, each study has its failed attempt and the worker goes on
        attempts = [(each, error) for each in claims]
    for each, outcome in attempts:
        _settle(context, each, outcome)
    return [each.study_id for each in claims]


def _settle(context: WorkerContext, held: Claim, outcome: Outcome | Exception) -> None:
    if not isinstance(outcome, Exception):
        try:
            _complete(context, held, outcome)
        except Exception as error:  # noqa: BLE001  as above
            outcome = error
        else:
            return
    if isinstance(outcome, LeaseLostError):
        emit(Event.LEASE_LOST, **_facts(held))
    else:
        _fail(context, held, _cause(context, outcome))
        if isinstance(outcome, DeviceError):
            context.device_failed()


def _claim(context: WorkerContext, step: Step, study_id: int, but_for: list[int]) -> tuple[int, Claim | None]:
    with context.database.write() as session:
        return claim_most_urgent(
            session,
            study_id,
            step,
            but_for=but_for,
            owner=process_name(os.getpid()),
            now=datetime.now(UTC),
            pipeline=context.settings.pipeline,
        )


def _claim_next(context: WorkerContext, step: Step, but_for: list[int], lane: Lane) -> Claim | None:
    with context.database.write() as session:
        return claim_next(
            session,
            step,
            but_for=but_for,
            owner=process_name(os.getpid()),
            now=datetime.now(UTC),
            pipeline=context.settings.pipeline,
            lane=lane,
        )


def _complete(context: WorkerContext, held: Claim, outcome: Outcome) -> None:
    now = datetime.now(UTC)
    reasons = {"skip_reason": outcome.skip_reason, "stay_reason": outcome.stay_reason}
    with (
        context.database.write() as session,
        completing(session, held, now=now, back=outcome.back, **reasons) as study,
    ):
        outcome.record(session, study)
    outcome.afterwards()
    emit(Event.STEP_FINISHED, **_facts(held), state=study.state, duration_ms=held.duration_ms(now))


def _cause(context: WorkerContext, error: Exception) -> Exception:
    """What is to blame: with the spool out of sight, that and nothing else."""
    try:
        context.require_spool()
    except SpoolAwayError as away:
        return away
    return error


_SURROUNDINGS = (SpoolFullError, SpoolAwayError, ModelPackError, ConfigurationError, DeviceError)


def fault_of(error: Exception) -> Fault:
    """Whose fault an error is, for who decides whether to try again."""
    if isinstance(error, (ClipError, ReportError)):
        return Fault.LASTING
    if isinstance(error, DeviceFaultError):  # the study may be what it failed on
        return Fault.PASSING
    out_of_something = isinstance(error, OSError) and error.errno in OUT_OF_SOMETHING
    if out_of_something or isinstance(error, _SURROUNDINGS):
        return Fault.SURROUNDINGS
    return Fault.PASSING


def _fail(context: WorkerContext, held: Claim, error: Exception) -> None:
    # The text of an error that is not ours may hold PHI: only its type and place are written down.
    reason = told_of(error)
    fault, now = fault_of(error), datetime.now(UTC)
    with context.database.write() as session:
        state = fail_attempt(
            session,
            held,
            reason=reason,
            fault=fault,
            now=now,
            pipeline=context.settings.pipeline,
            traceback=frames_of(error),
        )
    duration_ms = held.duration_ms(now)
    emit(Event.STEP_FAILED, **_facts(held), reason=reason, state=state or "passed on", duration_ms=duration_ms)


class _Facts(TypedDict):
    study_instance_uid: str
    revision: int
    step: str
    attempt: int


def _facts(held: Claim) -> _Facts:
    return {
        "study_instance_uid": held.study_instance_uid,
        "revision": held.revision,
        "step": held.step,
        "attempt": held.attempt,
    }
