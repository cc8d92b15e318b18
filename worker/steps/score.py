"""PREPARED -> SCORED: the model answers every task of the catalogue, with provenance; its embeddings are kept.

Where it sees no heart in any clip, the run says so, and the study is SKIPPED: there is nothing to report on.

A study that leaves the device idle takes others along that wait, too: their clips are embedded in the same batches.
Each is then scored, and its results are written, by itself.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sqlalchemy.orm import Session

from config.errors import ClipError
from config.logs import Event, emit, told_of
from config.sections.canary import is_canary
from config.steps import Step
from db.results.recording import append_run, record_views
from db.states import Back
from db.tables.studies import Study
from db.working.leases import Claim
from worker.catalogues import keep_catalogue
from worker.context import WorkerContext
from worker.pictures.looking import keep_heat
from worker.steps.embedding import StudyClips, clips_of, embed_together, has_frames, take_up_kept
from worker.steps.outcome import Attempt, Further, Outcome, attempted
from worker.steps.runs import clips_to_judge, run_of_study, units_of
from worker.study_scoring import Scorer


def score_prepared_studies(context: WorkerContext, held: Claim, further: Further) -> list[Attempt]:
    """Score this study, and as many further ones as fill the device, each as one run of its own.

    Of each study an Outcome, or the error that it alone failed with.

    Raises
    ------
    ConfigurationError, ModelPackError
        The model cannot be loaded.
    """
    scorer = context.scorer  # once: another pack may be activated meanwhile
    attempts: list[Attempt] = []
    ready: list[tuple[Claim, StudyClips]] = []
    to_embed = 0
    claim: Claim | None = held
    while claim is not None:
        study, added = attempted(partial(_begin, context, scorer, claim)), 0
        if isinstance(study, StudyClips):
            ready.append((claim, study))
            added = 0 if scorer.model.embedder in study.embeddings else study.frame_count
        else:
            attempts.append((claim, study))
        to_embed += added
        # One that brings the device nothing is the last: of studies to be scored from what is kept, as many may wait
        # as there are in the registry.
        claim = further() if added and to_embed < scorer.model.frames_at_once else None
    failed = _embed(context, scorer, [study for _, study in ready])
    for of_study, study in ready:
        if (error := failed.get(of_study.study_id)) is not None:
            attempts.append((of_study, error))
        else:
            attempts.append((of_study, attempted(partial(_scored, context, scorer, of_study, study))))
    return attempts


def _begin(context: WorkerContext, scorer: Scorer, held: Claim) -> StudyClips | Outcome:
    """What there is of a study: kept embeddings or frames; with neither, it is prepared once more."""
    study = clips_of(context, held)
    if take_up_kept(context, study, scorer.model.embedder) or has_frames(context, study):
        return study
    if not study.stored:
        raise ClipError(
            f"the prepared frames of study {held.study_instance_uid} are gone: requeue it with --step prepare"
        )
    # `prepare` forgets what is kept, so that this happens once.
    reason = "its frames are gone, and what is kept of them is of another model or damaged: prepared again"
    return Outcome(record=lambda *_: None, back=Back(step=Step.PREPARE, reason=reason))


def _embed(context: WorkerContext, scorer: Scorer, studies: Sequence[StudyClips]) -> dict[int, Exception]:
    lacking = [study for study in studies if scorer.model.embedder not in study.embeddings]
    failed = embed_together(context, scorer.model, lacking)
    if scorer.retrieval is not None:
        model = scorer.retrieval
        # Without frames, or where that model fails, search goes without a study until it is prepared again; its answers
        # need not.
        others = [
            study
            for study in studies
            if study.held.study_id not in failed
            and not take_up_kept(context, study, model.embedder)
            and has_frames(context, study)
        ]
        uids = {study.held.study_id: study.held.study_instance_uid for study in others}
        for study_id, error in embed_together(context, model, others).items():
            reason = told_of(error)
            emit(Event.NOT_SEARCHABLE, study_instance_uid=uids[study_id], reason=reason)
    return failed


def _scored(context: WorkerContext, scorer: Scorer, held: Claim, study: StudyClips) -> Outcome:
    clips = study.clips
    if is_canary(held.study_instance_uid):  # a model that sees no heart in a drawn one does not stop it
        scorer = scorer.leaving_nothing_out()
    score = scorer.answer(clips_to_judge(study, scorer))
    keep_catalogue(context.spool, context.catalogue)
    run = run_of_study(context, scorer, study, score)
    keep_heat(context, scorer.model, run, clips, study_id=held.study_id)
    units = units_of(context.catalogue)
    no_more: list[Path] = []

    def record(session: Session, row: Study) -> None:
        append_run(session, study_id=row.id, run=run, units=units)
        record_views(session, study_id=row.id, revision=held.revision, clips=score.clips)
        no_more.extend(context.spool.absolute(path) for path in study.register(session, row))

    def tidy_up() -> None:
        for file in no_more:
            context.spool.remove(file)
        if score.why_unanswered is not None:  # no report step follows, to remove the tensors
            context.spool.remove_folder(context.spool.tensor_folder(held.study_instance_uid, held.revision))

    return Outcome(record=record, afterwards=tidy_up, skip_reason=score.why_unanswered)
