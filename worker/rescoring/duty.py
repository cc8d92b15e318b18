"""What beat wakes every few seconds: within the window a batch is begun where results are outdated, or gone on with."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from config.logs import Event, emit, told_of
from db.away import say_away
from db.rescoring.batches import create_batch
from db.rescoring.outdated import Target, Wanted, is_any_outdated
from db.states import BatchKind
from worker.context import WorkerContext
from worker.packs.active import named_folder
from worker.rescoring.target import Scorers
from worker.rescoring.working import Rescorer, Stopped

SLICE_S = 30.0
"""Then the worker looks after its other queues, should it have any, until it is woken again; it can stop in time."""

NOTHING_FOR_S = 300.0
"""Where nothing was outdated it is asked again after that: of a million studies the answer takes seconds."""

TRIED_AGAIN_AFTER = timedelta(hours=20)
"""A study that failed: so long after its batch was begun, which is in the next night."""


class RescoringDuty:
    """Of one worker process; it keeps the model of a shadow."""

    def __init__(self, context: WorkerContext) -> None:
        """Look at nothing yet."""
        self._context = context
        self._scorers = Scorers(context)
        self._rescorer = Rescorer(context=context, scorers=self._scorers, is_asked_to_stop=self._is_to_stop)
        self._until = 0.0
        self._nothing_until: dict[Target, float] = {}

    def work_once(self) -> None:
        """Go on until a fresh study waits, the window closes, or all is done; what fails is tried again."""
        if not self._context.settings.rescore.enabled or self._is_closed():
            return
        self._until = time.monotonic() + SLICE_S
        try:
            self._context.require_spool()
            # What was begun first: a batch that somebody began by hand is gone on with, too.
            if self._rescorer.work() is Stopped.NOBODY_TO_WORK_ON and self._begin() is not None:
                self._rescorer.work()
        except SQLAlchemyError as error:
            say_away(error)
        except Exception as error:  # noqa: BLE001  whatever it is: the batch waits as it is, and says why
            reason = told_of(error)
            emit(Event.DUTY_FAILS, step="rescore", reason=reason)

    def _begin(self) -> int | None:
        configured = self._context.settings.rescore
        failed_before = datetime.now(UTC) - TRIED_AGAIN_AFTER
        wanted = Wanted(at_most=configured.studies, canary=configured.canary, failed_before=failed_before)
        begun = self._begin_with("", wanted)
        if begun is None and configured.shadow_pack:
            pack = named_folder(self._context.settings, configured.shadow_pack).absolute()
            begun = self._begin_with(str(pack), replace(wanted, kind=BatchKind.SHADOW, canary=0))
        return begun

    def _begin_with(self, pack: str, wanted: Wanted) -> int | None:
        target = self._scorers.target(pack)
        if time.monotonic() < self._nothing_until.get(target, 0.0):
            return None
        with self._context.database.read() as session:  # mostly there is nothing, and nobody is to wait for that
            if not is_any_outdated(session, target, wanted):
                self._nothing_until[target] = time.monotonic() + NOTHING_FOR_S
                return None
        with self._context.database.write() as session:
            batch_id = create_batch(session, target, wanted, started_by="beat", now=datetime.now(UTC))
        if batch_id is not None:
            emit(Event.RESCORING_STARTED, batch=batch_id, model=target.model_name)
        return batch_id

    def _is_to_stop(self) -> bool:
        return time.monotonic() > self._until or self._is_closed()

    def _is_closed(self) -> bool:
        return not self._context.settings.rescore.open_hours.contains(datetime.now().astimezone().time())
