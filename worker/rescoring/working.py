"""A batch of re-scoring is worked on: portion after portion, under its lease, until something is in the way.

While a portion is answered the next one is read and the one before is written. Between portions it is asked whether to
go on: a fresh study goes first, the window may have closed, somebody may have paused the batch. What is not written did
not happen; whoever comes next reads the rows and goes on.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from config.errors import ConfigurationError, DeviceError, LeaseLostError, ModelPackError
from config.logs import Event, emit, told_of
from db.rescoring.batches import (
    BatchClaim,
    claim_batch,
    forget_trouble,
    hold_batch,
    move_batch,
    release_batch,
    renew_batch,
    stands_still,
)
from db.rescoring.outdated import fresh_studies_wait, reports_wait
from db.rescoring.rescored import has_due, pairs_of
from db.states import BatchKind, BatchState, RescoredState
from db.tables.rescoring import Rescoring
from db.working.pauses import rescoring_is_paused
from worker.catalogues import keep_catalogue
from worker.context import WorkerContext
from worker.lease_keeping import lease_kept
from worker.rescoring.adopting import adopt_portion
from worker.rescoring.agreement import agreement_of
from worker.rescoring.answering import answer_portion, read_portion, write_portion
from worker.rescoring.changes import changes_of
from worker.rescoring.target import Scorers
from worker.study_scoring import Scorer

REPORTS_AT_ONCE = 8
"""Studies whose new answers are adopted together where that may send reports."""


class Stopped(StrEnum):
    """Why nobody works on a batch just now."""

    NOBODY_TO_WORK_ON = "there is no batch to work on, or somebody else works on it"
    FRESH_STUDIES = "fresh studies go first"
    REPORTS = "studies wait for their reports, which go first"
    ASKED_TO = "it was asked to stop, or its window closed"
    PAUSED = "it is paused"
    QUEUE_PAUSED = "the queue rescore is paused: echoworker queues resume rescore"
    WAITS = "it waits for somebody"
    OVER = "it is over"


@dataclass(frozen=True, kw_only=True)
class Rescorer:
    """Who works on batches, in this process."""

    context: WorkerContext
    scorers: Scorers
    is_asked_to_stop: Callable[[], bool]
    """Asked between portions, and between studies whose pixels are read."""

    def work(self, batch_id: int | None = None) -> Stopped:
        """Work on this batch, or on the oldest that is to be worked on, until it is done or something is in the way.

        Raises
        ------
        EchoWorkerError
            Something is in the way of all studies: the batch waits as it is; paused, where its model cannot be loaded.
        """
        pipeline = self.context.settings.pipeline
        with self.context.database.read() as session:
            if rescoring_is_paused(session):
                return Stopped.QUEUE_PAUSED
        with self.context.database.write() as session:
            held = claim_batch(session, now=datetime.now(UTC), pipeline=pipeline, batch_id=batch_id)
        if held is None:
            return Stopped.NOBODY_TO_WORK_ON
        lease_s = pipeline.lease_s
        try:
            with lease_kept(self.context, lambda session, now: renew_batch(session, held, now=now, lease_s=lease_s)):
                return self._work(held)
        except LeaseLostError:
            return Stopped.NOBODY_TO_WORK_ON
        except SQLAlchemyError:
            raise
        except (ModelPackError, ConfigurationError) as error:
            self._note(held, str(error), paused=True)  # the others are not to wait until somebody has mended this one
            raise
        except Exception as error:
            self._note(held, told_of(error))
            raise
        finally:
            with self.context.database.write() as session:
                release_batch(session, held)

    def _work(self, held: BatchClaim) -> Stopped:
        scorer: Scorer | None = None
        while (stop := self._in_the_way(held)) is None:
            batch = self._batch(held)
            if batch.state == BatchState.ADOPTING:
                if self._reports_wait():
                    return Stopped.REPORTS
                if not adopt_portion(self.context, held, limit=self._adopted_at_once()):
                    self._move(held, BatchState.ADOPTED)
                    return Stopped.OVER
                self._went_well(held, batch)
                continue
            if batch.state not in (BatchState.SAMPLING, BatchState.RUNNING):
                return Stopped.WAITS
            if scorer is None:
                scorer = self.scorers.of(batch.pack)
                if (why := self._other_target(batch)) is not None:
                    self._move(held, BatchState.DISCARDED, reason=why)
                    return Stopped.OVER
                keep_catalogue(self.context.spool, self.context.catalogue)
            try:
                self._answer(held, batch, scorer)
            except DeviceError:  # while it computed; that no device is fit, when the model is loaded, ends nobody
                self.context.device_failed()
                raise
            self._went_well(held, batch)
            if not self._has_due(batch):
                self._end_stage(held, batch)
        return stop

    def _answer(self, held: BatchClaim, batch: Rescoring, scorer: Scorer) -> None:
        """All portions of this stage, until there are none or something is in the way."""
        read = partial(
            read_portion,
            self.context,
            scorer,
            batch.id,
            limit=self.context.settings.rescore.portion,
            canary_alone=batch.state == BatchState.SAMPLING,
        )
        with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
            ahead = reader.submit(read, after=0)
            written: Future[None] | None = None
            while (portion := ahead.result()).due:
                ahead = reader.submit(read, after=portion.due[-1].study_id)
                answered, without_run = answer_portion(self.context, scorer, held, portion, self._may_go_on)
                if written is not None:
                    written.result()
                written = writer.submit(
                    write_portion, self.context, held, portion, answered, without_run, batch.task_ids
                )
                if self._in_the_way(held) is not None:
                    break
            if written is not None:
                written.result()

    def _in_the_way(self, held: BatchClaim) -> Stopped | None:
        if self.is_asked_to_stop():
            return Stopped.ASKED_TO
        with self.context.database.read() as session:
            if fresh_studies_wait(session, now=datetime.now(UTC)):
                return Stopped.FRESH_STUDIES
            if rescoring_is_paused(session):
                return Stopped.QUEUE_PAUSED
            batch = session.get(Rescoring, held.batch_id)
            return Stopped.PAUSED if batch is None or batch.paused else None

    def _adopted_at_once(self) -> int:
        configured = self.context.settings.rescore
        return configured.portion if configured.report_again.is_off else min(REPORTS_AT_ONCE, configured.portion)

    def _reports_wait(self) -> bool:
        """A fresh study's report is never behind more than one portion of superseding ones."""
        if self.context.settings.rescore.report_again.is_off:
            return False
        with self.context.database.read() as session:
            return reports_wait(session, now=datetime.now(UTC))

    def _may_go_on(self) -> bool:
        if self.is_asked_to_stop():
            return False
        with self.context.database.read() as session:
            return not fresh_studies_wait(session, now=datetime.now(UTC))

    def _batch(self, held: BatchClaim) -> Rescoring:
        with self.context.database.write() as session:
            return hold_batch(session, held)

    def _has_due(self, batch: Rescoring) -> bool:
        with self.context.database.read() as session:
            canary_alone = batch.state == BatchState.SAMPLING
            return has_due(session, batch.id, RescoredState.DUE, canary_alone=canary_alone)

    def _other_target(self, batch: Rescoring) -> str | None:
        """Why this batch cannot be gone on with: one batch is of one model, catalogue and calibration."""
        today = self.scorers.target(batch.pack)
        differs = [name for name in vars(today) if getattr(today, name) != getattr(batch, name)]
        if not differs:
            return None
        return (
            f"begun with another {differs[0].replace('_', ' ')} than there is today: a new batch answers with this one"
        )

    def _end_stage(self, held: BatchClaim, batch: Rescoring) -> None:
        """All of the stage are answered: what changes is written down before anything is current."""
        with self.context.database.read() as session:
            pairs = pairs_of(session, batch.id)
            if batch.kind == BatchKind.SHADOW:
                report = agreement_of(pairs, self.context.catalogue, batch.task_ids)
            else:
                report = changes_of(pairs, batch.task_ids)
        state = BatchState.CANARY if batch.state == BatchState.SAMPLING else BatchState.SCORED
        reason = None
        if state is BatchState.SCORED and batch.kind == BatchKind.RESCORE:
            state, reason = self._decided(report)
        with self.context.database.write() as session:
            row = hold_batch(session, held)
            row.report = {**report, "made_at": datetime.now(UTC).isoformat()}
            move_batch(row, state, now=datetime.now(UTC), reason=reason)
        emit(Event.RESCORING_MOVED, batch=batch.id, state=state, count=report["studies"])

    def _decided(self, report: dict[str, int]) -> tuple[BatchState, str | None]:
        configured = self.context.settings.rescore
        if configured.adopt == "by-hand":
            return BatchState.SCORED, None
        share = report["answers_changed"] / max(report["answers"], 1)
        if share <= configured.adopt_at_most_changed:
            return BatchState.ADOPTING, None
        return BatchState.SCORED, (
            f"not adopted automatically: {share:.1%} of the answers change, rescore.adopt_at_most_changed is "
            f"{configured.adopt_at_most_changed:.1%}"
        )

    def _note(self, held: BatchClaim, reason: str, *, paused: bool = False) -> None:
        with self.context.database.write() as session:
            batch = hold_batch(session, held)
            batch.reason, batch.paused = reason, batch.paused or paused

    def _went_well(self, held: BatchClaim, batch: Rescoring) -> None:
        if stands_still(batch):
            with self.context.database.write() as session:
                forget_trouble(hold_batch(session, held))

    def _move(self, held: BatchClaim, state: BatchState, reason: str | None = None) -> None:
        with self.context.database.write() as session:
            move_batch(hold_batch(session, held), state, now=datetime.now(UTC), reason=reason)
        emit(Event.RESCORING_MOVED, batch=held.batch_id, state=state, reason=reason or "")
