"""PREPARED -> SCORED: the model answers every task of the catalogue, with provenance."""

import uuid
from datetime import UTC, datetime

import numpy as np
from sqlalchemy.orm import Session

from config.catalogue import RegressionTask
from config.errors import ClipError
from db.leases import Claim
from db.results import PreparedClip, append_run, prepared_clips
from db.runs import ClipEvidence, Run
from db.schema import Study
from worker.catalogues import keep_catalogue
from worker.context import WorkerContext
from worker.steps.outcome import Outcome
from worker.study_scoring import ScorableClip


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
        clips = prepared_clips(session, study_id=held.study_id, revision=held.revision)
    results = context.scorer.score([_load(context, clip) for clip in clips])
    keep_catalogue(context.spool, context.catalogue)
    run = Run(
        run_uid=str(uuid.uuid4()),
        study_instance_uid=held.study_instance_uid,
        revision=held.revision,
        model=context.scorer.identity,
        catalogue_digest=context.catalogue.digest,
        software_version=context.software_version,
        preprocessing_profile="+".join(sorted({clip.preprocessing_profile or "" for clip in clips})),
        finished_at=datetime.now(UTC),
        clips=tuple(
            ClipEvidence(sop_instance_uid=clip.sop_instance_uid, frame_numbers=clip.frame_numbers) for clip in clips
        ),
        results=results,
    )
    units = {task.id: task.unit.value for task in context.catalogue.tasks if isinstance(task, RegressionTask)}

    def record(session: Session, study: Study) -> None:
        append_run(session, study_id=study.id, run=run, units=units)

    return Outcome(record=record)


def _load(context: WorkerContext, clip: PreparedClip) -> ScorableClip:
    try:
        frames = np.load(context.spool.absolute(clip.tensor_path or ""), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ClipError(
            f"the prepared frames of instance {clip.sop_instance_uid} are gone: requeue the study with --step prepare"
        ) from error
    return ScorableClip(sop_instance_uid=clip.sop_instance_uid, frames=frames)
