"""PREPARED -> SCORED: the model answers every task of the catalogue, with provenance.

Where it sees no heart in any clip, the run says so, and the study is SKIPPED: there is nothing to report on.
"""

import shutil
import uuid
from datetime import UTC, datetime
from functools import partial

import numpy as np
from sqlalchemy.orm import Session

from config.clinical_tasks import RegressionTask
from config.errors import ClipError
from db.leases import Claim
from db.results import PreparedClip, append_run, prepared_clips, record_views
from db.runs import ClipEvidence, LeftOutClip, Run
from db.schema import Study
from worker.catalogues import keep_catalogue
from worker.context import WorkerContext
from worker.steps.outcome import Outcome
from worker.study_scoring import ScorableClip, StudyScore


def score_prepared_study(context: WorkerContext, held: Claim) -> Outcome:
    """Score the prepared clips of this revision as one run; the catalogue of its questions is kept with it.

    Raises
    ------
    ClipError
        The prepared frames are gone.
    ModelPackError
        The model cannot be loaded.
    """
    with context.database.read() as session:
        prepared = prepared_clips(session, study_id=held.study_id, revision=held.revision)
    clips = [clip for clip in prepared if clip.tensor_path is not None]
    scorer = context.scorer  # once: another pack may be activated meanwhile
    score = scorer.score([_load(context, clip) for clip in clips])
    keep_catalogue(context.spool, context.catalogue)
    run = Run(
        run_uid=str(uuid.uuid4()),
        study_instance_uid=held.study_instance_uid,
        revision=held.revision,
        model=scorer.identity,
        catalogue_digest=context.catalogue.digest,
        software_version=context.software_version,
        preprocessing_profile="+".join(sorted({clip.preprocessing_profile or "" for clip in clips})),
        finished_at=datetime.now(UTC),
        clips=_evidence(clips, score),
        results=score.results,
        left_out=_left_out(prepared, score),
        view_gate=scorer.gate.provenance,
    )
    units = {task.id: task.unit.value for task in context.catalogue.tasks if isinstance(task, RegressionTask)}

    def record(session: Session, study: Study) -> None:
        append_run(session, study_id=study.id, run=run, units=units)
        record_views(session, study_id=study.id, revision=held.revision, clips=score.clips)

    if score.why_unanswered is None:
        return Outcome(record=record)
    # No report step follows, to remove the tensors.
    tensors = context.spool.tensor_folder(held.study_instance_uid, held.revision)
    forget = partial(shutil.rmtree, tensors, ignore_errors=True)
    return Outcome(record=record, afterwards=forget, skip_reason=score.why_unanswered)


def _evidence(clips: list[PreparedClip], score: StudyScore) -> tuple[ClipEvidence, ...]:
    return tuple(
        ClipEvidence(sop_instance_uid=clip.sop_instance_uid, frame_numbers=clip.frame_numbers, view=judged.call)
        for clip, judged in zip(clips, score.clips, strict=True)
        if judged.skip_reason is None
    )


def _left_out(prepared: list[PreparedClip], score: StudyScore) -> tuple[LeftOutClip, ...]:
    by_prepare = [
        LeftOutClip(sop_instance_uid=clip.sop_instance_uid, reason=clip.skip_reason)
        for clip in prepared
        if clip.skip_reason is not None
    ]
    by_the_gate = [
        LeftOutClip(sop_instance_uid=clip.sop_instance_uid, reason=clip.skip_reason, view=clip.call)
        for clip in score.clips
        if clip.skip_reason is not None
    ]
    return (*by_prepare, *by_the_gate)


def _load(context: WorkerContext, clip: PreparedClip) -> ScorableClip:
    try:
        frames = np.load(context.spool.absolute(clip.tensor_path or ""), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ClipError(
            f"the prepared frames of instance {clip.sop_instance_uid} are gone: requeue the study with --step prepare"
        ) from error
    return ScorableClip(sop_instance_uid=clip.sop_instance_uid, frames=frames)
