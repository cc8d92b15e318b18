"""A run as rows of the registry, and back."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from config.labels import ModelLabel
from config.reasons import reason_of, terms_of
from db.results.runs import ClipAnswer, ClipEvidence, LeftOutClip, ModelIdentity, Run, TaskResult, Verdict, ViewCall
from db.tables.runs import ResultRow, RunRow


def row_of(run: Run, *, study_id: int, units: Mapping[str, str]) -> RunRow:
    """The rows of a run that is to be appended; `units` gives the UCUM code of each regression task."""
    results = [ResultRow(**result_columns(result, units)) for result in run.results]
    return RunRow(**run_columns(run, study_id=study_id), results=results)


def run_columns(run: Run, *, study_id: int) -> dict[str, Any]:
    """The columns of `RunRow`, without its results."""
    return {
        "run_uid": run.run_uid,
        "study_id": study_id,
        "revision": run.revision,
        "model_name": run.model.name,
        "model_version": run.model.version,
        "model_family": run.model.family,
        "model_label": run.model.label,
        "model_digest": run.model.digest,
        "catalogue_digest": run.catalogue_digest,
        "software_version": run.software_version,
        "preprocessing_profile": run.preprocessing_profile,
        "finished_at": run.finished_at,
        "clips": [{**asdict(clip), "frame_numbers": list(clip.frame_numbers)} for clip in run.clips],
        "left_out": [{**asdict(clip), "reason_terms": terms_of(clip.reason)} for clip in run.left_out],
        "view_gate": run.view_gate,
        "calibration_digest": run.calibration_digest,
        "repeats": run.repeats,
    }


def result_columns(result: TaskResult, units: Mapping[str, str]) -> dict[str, Any]:
    """The columns of `ResultRow`, without the run that it is of."""
    return {
        "task_id": result.task_id,
        "verdict": str(result.verdict),
        "value": result.value,
        "unit": units.get(result.task_id),
        "score": result.score,
        "threshold": result.threshold,
        "outcome": result.outcome,
        "spread": result.spread,
        "agreement": result.agreement,
        "method": result.method,
        "reason": None if result.reason is None else str(result.reason),
        "reason_terms": terms_of(result.reason),
        "clips": [vars(answer) for answer in result.clips],
    }


def run_of(row: RunRow, study_instance_uid: str) -> Run:
    """The run that these rows hold."""
    return Run(
        run_uid=row.run_uid,
        study_instance_uid=study_instance_uid,
        revision=row.revision,
        model=ModelIdentity(
            name=row.model_name,
            version=row.model_version,
            family=row.model_family,
            label=ModelLabel(row.model_label),
            digest=row.model_digest,
        ),
        catalogue_digest=row.catalogue_digest,
        software_version=row.software_version,
        preprocessing_profile=row.preprocessing_profile,
        finished_at=row.finished_at,
        clips=tuple(_evidence(clip) for clip in row.clips),
        left_out=tuple(_left_out(clip) for clip in row.left_out or ()),
        view_gate=row.view_gate,
        calibration_digest=row.calibration_digest,
        repeats=row.repeats,
        results=tuple(
            TaskResult(
                task_id=result.task_id,
                verdict=Verdict(result.verdict),
                value=result.value,
                unit=result.unit,
                score=result.score,
                threshold=result.threshold,
                outcome=result.outcome,
                spread=result.spread,
                agreement=result.agreement,
                method=result.method,
                reason=reason_of(result.reason, result.reason_terms),
                clips=tuple(ClipAnswer(**answer) for answer in result.clips),
            )
            for result in row.results
        ),
    )


def _evidence(clip: Mapping[str, Any]) -> ClipEvidence:
    return ClipEvidence(
        sop_instance_uid=clip["sop_instance_uid"],
        frame_numbers=tuple(clip["frame_numbers"]),
        view=_view(clip.get("view")),  # runs from before there was a gate have none
    )


def _left_out(clip: Mapping[str, Any]) -> LeftOutClip:
    reason = reason_of(clip["reason"], clip.get("reason_terms"))  # earlier runs have no terms
    return LeftOutClip(sop_instance_uid=clip["sop_instance_uid"], reason=reason or "", view=_view(clip["view"]))


def _view(call: Mapping[str, Any] | None) -> ViewCall | None:
    return None if call is None else ViewCall(**call)
