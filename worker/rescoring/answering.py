"""A portion of a batch: read what is kept of many studies, answer them together, write it in one transaction.

The answers are those of `Scorer.answer`, and the runs those of the step `score`: both share their code with it. What
is done differently is how rows and files come and go: no object of the registry is made for a row, files are read by
several threads, and the matrix product is one for all studies.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from config.errors import DeviceError, DeviceFaultError
from config.logs import told_of
from db.rescoring.batches import BatchClaim, hold_batch, mark_reading, record_outcomes
from db.rescoring.rescored import Answer, DueStudy, answers_of, append_runs_beside, due_studies
from db.results.embeddings import embeddings_of_many
from db.results.recording import sampled_clips
from db.results.runs import Run
from db.states import RescoredState
from db.working.leases import Fault
from worker.context import WorkerContext
from worker.rescoring.changes import answer_of, count_changes
from worker.rescoring.pixels import embed_from_pixels
from worker.runner import fault_of
from worker.steps.embedding import StudyClips, take_up_kept
from worker.steps.outcome import attempted
from worker.steps.runs import clips_to_judge, run_of_study, units_of
from worker.study_scoring import Scorer, StudyScore

READERS = 4
"""Threads that read files of embeddings."""
GoOn = Callable[[], bool]
"""Whether to go on, asked before whatever takes long."""


@dataclass(kw_only=True)
class Portion:
    """Studies of a batch as the registry and the spool have them."""

    due: Sequence[DueStudy]
    clips: list[StudyClips] = field(default_factory=list)
    """Of those that are at rest, with their kept embeddings where they are of use."""
    before: Mapping[int, Mapping[str, Answer]] = field(default_factory=dict)
    """The answers that are current, by run."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One study with its new run."""

    study: DueStudy
    run: Run
    scored_from: str


def read_portion(
    context: WorkerContext, scorer: Scorer, batch_id: int, *, limit: int, canary_alone: bool, after: int
) -> Portion:
    """The next studies of a batch, those behind `after`, with what is kept of them."""
    embedder = scorer.model.embedder
    with context.database.read() as session:
        due = due_studies(session, batch_id, RescoredState.DUE, limit=limit, canary_alone=canary_alone, after=after)
        resting = {study.study_id: study.revision for study in due if study.is_at_rest}
        clips = sampled_clips(session, resting)
        kept = embeddings_of_many(session, resting, embedder=embedder)
        before = answers_of(session, [study.current_run_id for study in due if study.current_run_id is not None])
    studies = [
        StudyClips(
            held=study,
            prepared=clips[study.study_id],
            stored={embedder: kept[study.study_id]} if study.study_id in kept else {},
        )
        for study in due
        if study.is_at_rest
    ]
    with ThreadPoolExecutor(READERS) as readers:
        list(readers.map(partial(take_up_kept, context, embedder=embedder), studies))
    return Portion(due=due, clips=studies, before=before)


def answer_portion(
    context: WorkerContext, scorer: Scorer, held: BatchClaim, portion: Portion, go_on: GoOn
) -> tuple[list[Answered], list[dict[str, Any]]]:
    """The new runs, and what became of the studies that have none. Of what `go_on` cut short there is neither.

    Raises
    ------
    SpoolAwayError, SpoolFullError, ModelPackError, OSError
        What has nothing to do with any study; nothing is written.
    DeviceError
        The device is of no use any more in this process, whatever study it failed on; nothing is written.
    """
    without_run = [
        _no_run(study, RescoredState.PASSED_OVER, "on its way: what scores today answers it")
        for study in portion.due
        if not study.is_at_rest
    ]
    due = {study.study_id: study for study in portion.due}
    ready: list[tuple[StudyClips, str]] = []
    for study in portion.clips:
        if scorer.model.embedder in study.embeddings:
            ready.append((study, "embeddings"))
            continue
        if not go_on():
            continue
        made = attempted(partial(_embed_marked, context, scorer, held, study))
        if made is None:
            ready.append((study, "pixels"))
        else:
            _raise_if_of_no_study(made)
            fault = fault_of(made)
            if fault is Fault.SURROUNDINGS:  # nothing to do with this study, as a full disk: the batch waits
                raise made
            state = RescoredState.CANNOT if fault is Fault.LASTING else RescoredState.FAILED
            without_run.append(_no_run(due[study.held.study_id], state, told_of(made)))
    answered = []
    for (study, scored_from), score in zip(ready, _scores(scorer, [study for study, _ in ready]), strict=True):
        of_study = due[study.held.study_id]
        if isinstance(score, Exception):
            without_run.append(_no_run(of_study, RescoredState.FAILED, told_of(score)))
        else:
            run = run_of_study(context, scorer, study, score)
            answered.append(Answered(study=of_study, run=run, scored_from=scored_from))
    return answered, without_run


def _scores(scorer: Scorer, studies: Sequence[StudyClips]) -> Sequence[StudyScore | Exception]:
    asked = [clips_to_judge(study, scorer) for study in studies]
    together = attempted(partial(scorer.answer_together, asked))
    if not isinstance(together, Exception):
        return together
    _raise_if_of_no_study(together)
    # Each has a try by itself: one that is at fault fails alone.
    alone = [attempted(partial(scorer.answer, clips)) for clips in asked]
    for score in alone:
        _raise_if_of_no_study(score)
    return alone


def _raise_if_of_no_study(made: object) -> None:
    if isinstance(made, (DeviceError, SQLAlchemyError)):
        raise made


def _embed_marked(context: WorkerContext, scorer: Scorer, held: BatchClaim, study: StudyClips) -> None:
    """From its pixels, and marked meanwhile: a study that takes its worker, or its GPU, down is not tried for ever."""
    with context.database.write() as session:
        mark_reading(session, held, study.held.study_id, RescoredState.READING)
    try:
        embed_from_pixels(context, scorer.model, study)
    except DeviceFaultError:
        raise
    except Exception:
        with context.database.write() as session:
            mark_reading(session, held, study.held.study_id, RescoredState.DUE)
        raise
    with context.database.write() as session:
        mark_reading(session, held, study.held.study_id, RescoredState.DUE)


def write_portion(
    context: WorkerContext,
    held: BatchClaim,
    portion: Portion,
    answered: Sequence[Answered],
    without_run: Sequence[dict[str, Any]],
    task_ids: Sequence[str] | None,
) -> None:
    """All of a portion, in one transaction.

    Raises
    ------
    LeaseLostError
        Somebody else works on the batch by now: nothing is written.
    """
    with context.database.write() as session:
        hold_batch(session, held)
        runs = [(one.study.study_id, one.run) for one in answered]
        ids = append_runs_beside(session, runs, units_of(context.catalogue))
        outcomes = [_outcome(one, run_id, portion, task_ids) for one, run_id in zip(answered, ids, strict=True)]
        record_outcomes(session, held, outcomes)
        record_outcomes(session, held, without_run)


def _outcome(one: Answered, run_id: int, portion: Portion, task_ids: Sequence[str] | None) -> dict[str, Any]:
    before = portion.before.get(one.study.current_run_id or 0, {})
    changes = count_changes(before, {result.task_id: answer_of(result) for result in one.run.results}, task_ids)
    return {
        "study_id": one.study.study_id,
        "state": RescoredState.SCORED,
        "scored_from": one.scored_from,
        "reason": None,
        "before_run_id": one.study.current_run_id,
        "run_id": run_id,
        "values_changed": changes.values,
        "answers_changed": changes.answers,
    }


def _no_run(study: DueStudy, state: RescoredState, reason: str) -> dict[str, Any]:
    return {"study_id": study.study_id, "state": state, "reason": reason, "before_run_id": study.current_run_id}
