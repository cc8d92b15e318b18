"""A run that answers every question of a catalogue in some way: what a report has to be able to say."""

from datetime import UTC, datetime
from uuid import UUID

from pydicom.dataset import Dataset

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, ClassTask
from config.labels import ModelLabel
from config.reasons import Named, Reason, ReasonKind
from db.results.runs import ClipAnswer, ClipEvidence, LeftOutClip, ModelIdentity, Run, TaskResult, Verdict, ViewCall

KINDS = {
    "regression": (Verdict.MEASURED, Verdict.ABSTAINED),
    "binary": (Verdict.PRESENT, Verdict.ABSENT, Verdict.UNCALIBRATED, Verdict.ABSTAINED),
    "class": (Verdict.CLASSIFIED, Verdict.UNCALIBRATED, Verdict.ABSTAINED),
}


def reason_for(verdict: Verdict) -> Reason | None:
    not_asked = Reason(
        ReasonKind.NOT_ASKED, task=Named("task", "tavr", "x"), verdict=Named("verdict", Verdict.ABSENT, "ABSENT")
    )
    reasons = {
        Verdict.ABSTAINED: not_asked,
        Verdict.UNCALIBRATED: Reason(ReasonKind.NO_CUT_POINTS, model="m"),
        Verdict.PRESENT: Reason(ReasonKind.THRESHOLD_OF_OTHER_FRAMES, measured_with="m", profile="m"),
    }
    return reasons.get(verdict)


def result_of(task: AnyTask, verdict: Verdict, instance: str, turn: int) -> TaskResult:
    outcome = (
        task.classes[(1 + turn // len(KINDS[task.kind])) % len(task.classes)].id
        if isinstance(task, ClassTask)
        else None
    )
    return TaskResult(
        task_id=task.id,
        verdict=verdict,
        value=50.25 if verdict is Verdict.MEASURED else None,
        score=None if verdict in (Verdict.MEASURED, Verdict.ABSTAINED) else 0.3125,
        threshold=0.25 if verdict in (Verdict.PRESENT, Verdict.ABSENT) else None,
        outcome=None if verdict is Verdict.ABSTAINED else outcome,
        spread=None if isinstance(task, ClassTask) else 0.5,
        agreement=0.9 if verdict in (Verdict.PRESENT, Verdict.CLASSIFIED) else None,
        reason=reason_for(verdict),
        method="m",
        clips=tuple(ClipAnswer(sop_instance_uid=instance, value=value, outcome=outcome) for value in (0.25, 0.75)),
    )


def run_of_everything(
    evidence: Dataset, catalogue: Catalogue, *, turn: int = 0, label: ModelLabel = ModelLabel.DEMO, revision: int = 1
) -> Run:
    """Every question, its verdicts in turn; no word in it but those that a report has to say in its language.

    With `turn` 0 to 11, every verdict is on every question once, and so is every class.
    """
    instance = str(evidence.SOPInstanceUID)
    doubtful = ViewCall(view="abdomen", name="x", is_heart=None, score=0.3, margin=0.1)
    return Run(
        run_uid=str(UUID(int=1000 * revision + turn)),
        study_instance_uid=str(evidence.StudyInstanceUID),
        revision=revision,
        model=ModelIdentity(name="m", version="3", family="m", label=label, digest="0123456789abcdef" * 4),
        catalogue_digest=catalogue.digest,
        calibration_digest="f" * 64,
        software_version="0.1.0",
        preprocessing_profile="m",
        finished_at=datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
        clips=(ClipEvidence(sop_instance_uid=instance, frame_numbers=(1, 3, 5), view=doubtful),),
        left_out=(
            LeftOutClip(sop_instance_uid="1.2.3.1", reason=Reason(ReasonKind.TOO_SHORT, frames=3, needed=8)),
            LeftOutClip(
                sop_instance_uid="1.2.3.2", reason=Reason(ReasonKind.NO_HEART, view=Named("view", "lung", "x"))
            ),
        ),
        view_gate="m",
        results=tuple(
            result_of(task, KINDS[task.kind][(place + turn) % len(KINDS[task.kind])], instance, turn)
            for place, task in enumerate(catalogue.tasks)
        ),
    )
