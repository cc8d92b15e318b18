"""One study, one discordance as JSON can hold them: what `echoworker study --json` and the API say, free of PHI."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, ClassTask, RegressionTask
from config.steps import Lane
from db.consistency.discordance_review import ListedDiscordance
from db.reading.queries import StudyDetail
from db.results.runs import Run, TaskResult
from db.tables.deliveries import Report

CLIP_FACTS = (
    "frame_numbers", "frame_times_ms", "time_origin", "heart_rate", "region", "region_origin", "pixel_spacing_mm",
    "contents", "notes", "view", "view_score", "view_margin", "view_note", "skip_reason",
)  # fmt: skip
"""Columns of `db.tables.pictures.Clip`; all of them null until the instance is prepared."""


def study_facts(
    detail: StudyDetail, catalogue: Catalogue | None, discordances: Iterable[ListedDiscordance]
) -> dict[str, Any]:
    """One study as JSON can hold it, with what is found in its reports; times are ISO 8601 in UTC."""
    study = detail.study
    return {
        "study_instance_uid": study.study_instance_uid,
        "state": study.state,
        "state_since": study.state_since.isoformat(),
        "revision": study.revision,
        "lane": Lane(study.lane).name,
        "reason": detail.reason,
        "instances": _instances(detail),
        "run": None if detail.run is None else _run(detail.run, catalogue),
        "discordances": [discordance_facts(one) for one in discordances],
        "report": None if detail.report is None else _made(detail.report),
        "objects": [_made(made) for made in detail.objects],  # the report, and what goes beside it
        "journal": [
            {
                "at": entry.at.isoformat(),
                "revision": entry.revision,
                "step": entry.step,
                "state_before": entry.state_before,
                "state_after": entry.state_after,
                "attempt": entry.attempt,
                "duration_ms": entry.duration_ms,
                "host": entry.host,
                "reason": entry.reason,
                "traceback": entry.traceback,
            }
            for entry in detail.journal
        ],
    }


def discordance_facts(one: ListedDiscordance) -> dict[str, Any]:
    """One discordance as JSON can hold it."""
    facts = asdict(one)
    return {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in {**facts.pop("found"), **facts}.items()
    }


def _instances(detail: StudyDetail) -> list[dict[str, Any]]:
    clips = {clip.sop_instance_uid: clip for clip in detail.clips}
    return [
        {
            "sop_instance_uid": instance.sop_instance_uid,
            "received_at": instance.received_at.isoformat(),
            "calling_ae_title": instance.calling_ae_title,
            "removed_at": instance.removed_at.isoformat() if instance.removed_at else None,
            **{fact: getattr(clips.get(instance.sop_instance_uid), fact, None) for fact in CLIP_FACTS},
        }
        for instance in detail.instances
    ]


def _run(run: Run, catalogue: Catalogue | None) -> dict[str, Any]:
    return {
        "run_uid": run.run_uid,
        "repeats": run.repeats,
        "revision": run.revision,
        "finished_at": run.finished_at.isoformat(),
        "model": vars(run.model),
        "catalogue_digest": run.catalogue_digest,
        "calibration_digest": run.calibration_digest,
        "software_version": run.software_version,
        "preprocessing_profile": run.preprocessing_profile,
        "view_gate": run.view_gate,
        "clips": [asdict(clip) for clip in run.clips],
        "left_out": [asdict(clip) for clip in run.left_out],
        "results": [_result(result, run, catalogue) for result in run.results],
    }


def _result(result: TaskResult, run: Run, catalogue: Catalogue | None) -> dict[str, Any]:
    task = catalogue.task(result.task_id) if catalogue else None
    outcome = task.outcome(result.outcome or "") if isinstance(task, ClassTask) else None
    return {
        "task_id": result.task_id,
        "model_label": run.model.label,  # with each number, which may travel alone
        "verdict": result.verdict,
        "value": result.value,
        "unit": _unit(result, task) if result.value is not None else None,
        "score": result.score,
        "threshold": result.threshold,
        "outcome": result.outcome,  # also where the verdict is UNCALIBRATED: what the clips are most like
        "outcome_name": outcome.name if outcome else None,
        "spread": result.spread,
        "agreement": result.agreement,
        "method": result.method,
        "reason": result.reason,
        "clips": [vars(clip) for clip in result.clips],
    }


def _unit(result: TaskResult, task: AnyTask | None) -> str | None:
    """UCUM code: of the run's catalogue, or, where that is lost, as it was kept with the answer."""
    return task.unit.value if isinstance(task, RegressionTask) else result.unit


def _made(made: Report) -> dict[str, Any]:
    return {
        "kind": made.kind,
        "sop_instance_uid": made.sop_instance_uid,
        "created_at": made.created_at.isoformat(),
        "deliveries": [
            {
                "destination": delivery.destination,
                "state": delivery.state,
                "attempts": delivery.attempts,
                "last_answer": delivery.last_answer,
                "delivered_at": delivery.delivered_at.isoformat() if delivery.delivered_at else None,
            }
            for delivery in made.deliveries
        ],
    }
