"""A study's answers as a run with its provenance, whoever answers: the step `score`, or a batch of re-scoring."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from config.catalogue import Catalogue
from config.clinical_tasks import RegressionTask
from db.results.recording import PreparedClip
from db.results.runs import FROM_KEPT, ClipEvidence, LeftOutClip, Run, TaskResult
from worker.context import WorkerContext
from worker.steps.embedding import StudyClips
from worker.study_scoring import ClipToJudge, Scorer, StudyScore


def clips_to_judge(study: StudyClips, scorer: Scorer) -> list[ClipToJudge]:
    """The clips of a study whose embeddings by the scoring model were made, or taken up."""
    return [
        ClipToJudge(
            sop_instance_uid=clip.sop_instance_uid,
            embeddings=embeddings,
            preprocessing_profile=clip.preprocessing_profile,
        )
        for clip, embeddings in zip(study.clips, study.embeddings[scorer.model.embedder], strict=True)
    ]


def run_of_study(context: WorkerContext, scorer: Scorer, study: StudyClips, score: StudyScore) -> Run:
    """A new run of what was answered, ended now."""
    return Run(
        run_uid=str(uuid.uuid4()),
        study_instance_uid=study.held.study_instance_uid,
        revision=study.held.revision,
        model=scorer.model.identity,
        catalogue_digest=context.catalogue.digest,
        calibration_digest=scorer.model.calibration_digest,
        software_version=context.software_version,
        preprocessing_profile=study.profile,
        finished_at=datetime.now(UTC),
        clips=_evidence(study.clips, score),
        results=_results(score, from_kept=scorer.model.embedder in study.from_kept),
        left_out=_left_out(study.prepared, score),
        view_gate=scorer.gate.provenance,
    )


def units_of(catalogue: Catalogue) -> Mapping[str, str]:
    """The UCUM code of each regression task."""
    return {task.id: task.unit.value for task in catalogue.tasks if isinstance(task, RegressionTask)}


def _results(score: StudyScore, *, from_kept: bool) -> tuple[TaskResult, ...]:
    if not from_kept:
        return score.results
    return tuple(
        replace(result, method=f"{result.method}{FROM_KEPT}") if result.method else result for result in score.results
    )


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
