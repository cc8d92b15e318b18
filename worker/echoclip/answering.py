"""The answer to one task from the frames of a study: what each clip says, what they say together, what decides it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from config.clinical_tasks import AnyTask, BinaryTask, ClassTask, RegressionTask
from config.reasons import Named, Reason, ReasonKind
from db.runs import ZERO_SHOT_METHOD, ClipAnswer, TaskResult, Verdict
from worker.abstaining import abstained, why_not_reported
from worker.aggregation import (
    ClipFrames,
    mean_of,
    means_of,
    median_of,
    share_of,
    shares_of,
    spread_of,
    spreads_of,
)
from worker.echoclip.decisions import DecisionRule
from worker.echoclip.zero_shot import (
    Said,
    binary_scores,
    class_cosines,
    leads,
    regression_estimates,
    severities,
)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What there is to answer a task from."""

    uids: Sequence[str]
    """The SOP Instance UID of each clip."""
    frames: ClipFrames
    found: Tensor
    """float32 [F, P]: the cosines of the frames with the task's filled prompts."""
    used: Sequence[int]
    """The numbers of the clips that may answer this task; at least one."""

    def answers(
        self,
        values: Tensor,
        *,
        outcomes: Sequence[str] | None = None,
        spreads: Tensor | None = None,
        agreements: Tensor | None = None,
    ) -> tuple[ClipAnswer, ...]:
        """One for each clip that is used; every argument has an entry for each clip."""
        # Lists at once: asking a tensor for one number after the other takes longer than finding them.
        of_values = values.tolist()
        of_spreads, of_agreements = (None if each is None else each.tolist() for each in (spreads, agreements))
        return tuple(
            ClipAnswer(
                sop_instance_uid=self.uids[clip],
                value=of_values[clip],
                outcome=None if outcomes is None else outcomes[clip],
                spread=None if of_spreads is None else of_spreads[clip],
                agreement=None if of_agreements is None else of_agreements[clip],
            )
            for clip in self.used
        )


def answer(task: AnyTask, evidence: Evidence, rule: DecisionRule, *, logit_scale: float, model_name: str) -> TaskResult:
    """The zero-shot answer to a task, of whichever kind.

    Parameters
    ----------
    task
        With the prompts that `evidence` was made with.
    rule
        What decides it; without threshold or cut points it is UNCALIBRATED.
    logit_scale
        Of the model: see `severities`.
    """
    if isinstance(task, RegressionTask):
        return _measured(task, evidence)
    if isinstance(task, BinaryTask):
        return _detected(task, evidence, rule, model_name)
    return _graded(task, evidence, rule, logit_scale, model_name)


def _measured(task: RegressionTask, evidence: Evidence) -> TaskResult:
    said = regression_estimates(evidence.frames, evidence.found, torch.tensor(task.filled_values()))
    value = median_of(said.clips, evidence.used)
    clips = evidence.answers(said.clips, spreads=spreads_of(evidence.frames, said.frames))
    if (why := why_not_reported(task, value)) is not None:
        return abstained(task, why, method=ZERO_SHOT_METHOD, clips=clips)
    spread = spread_of(evidence.frames, said.frames, evidence.used)
    return TaskResult(
        task_id=task.id, verdict=Verdict.MEASURED, value=value, spread=spread, method=ZERO_SHOT_METHOD, clips=clips
    )


def _detected(task: BinaryTask, evidence: Evidence, rule: DecisionRule, model_name: str) -> TaskResult:
    frames, used = evidence.frames, evidence.used
    said = binary_scores(frames, evidence.found)
    score, spread = mean_of(said.clips, used), spread_of(frames, said.frames, used)
    spreads = spreads_of(frames, said.frames)
    if rule.threshold is None:
        reason = _uncalibrated(Reason(ReasonKind.NO_THRESHOLD, model=model_name), rule)
        clips = evidence.answers(said.clips, spreads=spreads)
        return TaskResult(
            task_id=task.id,
            verdict=Verdict.UNCALIBRATED,
            score=score,
            spread=spread,
            reason=reason,
            method=ZERO_SHOT_METHOD,
            clips=clips,
        )
    of_frames, of_clips = said.frames > rule.threshold, said.clips > rule.threshold
    is_present = score > rule.threshold
    return TaskResult(
        task_id=task.id,
        verdict=Verdict.PRESENT if is_present else Verdict.ABSENT,
        score=score,
        threshold=rule.threshold,
        spread=spread,
        agreement=share_of(frames, of_frames == is_present, used),
        reason=rule.caveat,
        method=ZERO_SHOT_METHOD,
        clips=evidence.answers(said.clips, spreads=spreads, agreements=shares_of(frames, of_frames, of_clips)),
    )


def _graded(task: ClassTask, evidence: Evidence, rule: DecisionRule, logit_scale: float, model_name: str) -> TaskResult:
    frames, used = evidence.frames, evidence.used
    nearness = class_cosines(frames, evidence.found, [len(outcome.prompts) for outcome in task.classes])
    of_study = means_of(nearness.clips, used)
    if task.ordered:
        said = severities(frames, nearness, logit_scale)
        score = mean_of(said.clips, used)
    else:
        said = Said(frames=leads(nearness.frames), clips=leads(nearness.clips))
        score = float(leads(of_study))
    # argmax takes the first of classes that are equally near, as for views.
    answer, of = (
        int(of_study.argmax()),
        Said(frames=nearness.frames.argmax(dim=1), clips=nearness.clips.argmax(dim=1)),
    )
    verdict, reason = Verdict.CLASSIFIED, rule.caveat
    if task.ordered and rule.cut_points is not None:
        answer, of = _by_cut_points(said, score, rule.cut_points)
    elif task.ordered or rule.threshold is None:
        lacking = ReasonKind.NO_CUT_POINTS if task.ordered else ReasonKind.NO_SMALLEST_LEAD
        verdict, reason = Verdict.UNCALIBRATED, _uncalibrated(Reason(lacking, model=model_name), rule)
    elif score <= max(rule.threshold, 0.0):  # of two that are equally near, none is an answer
        verdict, reason = Verdict.ABSTAINED, _too_near(task, answer, score, rule.threshold)
    return TaskResult(
        task_id=task.id,
        verdict=verdict,
        score=score,
        threshold=rule.threshold,
        outcome=task.classes[answer].id,
        agreement=None if verdict is Verdict.ABSTAINED else share_of(frames, of.frames == answer, used),
        reason=reason,
        method=ZERO_SHOT_METHOD,
        clips=evidence.answers(
            said.clips,
            outcomes=[task.classes[number].id for number in of.clips.tolist()],
            agreements=shares_of(frames, of.frames, of.clips),
        ),
    )


def _by_cut_points(severity: Said, score: float, cut_points: Sequence[float]) -> tuple[int, Said]:
    """The class of the study, and of each frame and clip: how many cut points their severity exceeds."""
    points = torch.tensor(cut_points, dtype=torch.float64)

    def exceeded(severities: Tensor) -> Tensor:
        return (severities[..., None] > points).sum(dim=-1)

    of_study = int(exceeded(torch.tensor(score, dtype=torch.float64)))
    return of_study, Said(frames=exceeded(severity.frames), clips=exceeded(severity.clips))


def _too_near(task: ClassTask, answer: int, lead: float, needed: float) -> Reason:
    nearest = task.classes[answer]
    return Reason(
        ReasonKind.CLASSES_TOO_NEAR,
        outcome=Named("outcome", nearest.id, nearest.name, within=task.id),
        lead=lead,
        needed=needed,
    )


def _uncalibrated(why: Reason, rule: DecisionRule) -> Reason:
    return Reason(ReasonKind.TOGETHER, reasons=(why, *rule.not_used)) if rule.not_used else why
