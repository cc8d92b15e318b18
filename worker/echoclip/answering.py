"""The answers to one task from the frames of studies: what each clip says, what those of a study say together, what
decides it.

Many studies at once, each answered as if it were alone: what frames and clips say is found for all of them in a few
operations, and what decides is asked of each study.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from config.clinical_tasks import AnyTask, BinaryTask, ClassTask, RegressionTask
from config.reasons import Named, Reason, ReasonKind
from db.results.runs import ZERO_SHOT_METHOD, ClipAnswer, TaskResult, Verdict
from worker.abstaining import abstained, why_not_reported
from worker.aggregation import (
    ClipFrames,
    Used,
    class_means_of,
    means_of,
    medians_of,
    of_frames,
    shares_of,
    spreads_of,
    study_shares_of,
    study_spreads_of,
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
    """What there is to answer a task from, of studies whose clips were prepared alike."""

    uids: Sequence[str]
    """The SOP Instance UID of each clip."""
    frames: ClipFrames
    found: Tensor
    """float32 [F, P]: the cosines of the frames with the task's filled prompts."""
    used: Used
    """Of each study that is answered the numbers of the clips that may answer this task."""

    def answers(
        self,
        values: Tensor,
        *,
        outcomes: Sequence[str] | None = None,
        spreads: Tensor | None = None,
        agreements: Tensor | None = None,
    ) -> list[tuple[ClipAnswer, ...]]:
        """Of each study one for each clip that is used; every argument has an entry for each clip."""
        # Lists at once: asking a tensor for one number after the other takes longer than finding them.
        of_values = values.tolist()
        of_spreads, of_agreements = (None if each is None else each.tolist() for each in (spreads, agreements))
        return [
            tuple(
                ClipAnswer(
                    sop_instance_uid=self.uids[clip],
                    value=of_values[clip],
                    outcome=None if outcomes is None else outcomes[clip],
                    spread=None if of_spreads is None else of_spreads[clip],
                    agreement=None if of_agreements is None else of_agreements[clip],
                )
                for clip in clips
            )
            for clips in self.used
        ]


def answer(
    task: AnyTask, evidence: Evidence, rule: DecisionRule, *, logit_scale: float, model_name: str
) -> list[TaskResult]:
    """The zero-shot answers to a task, of whichever kind, one for each study.

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


def _measured(task: RegressionTask, evidence: Evidence) -> list[TaskResult]:
    frames, used = evidence.frames, evidence.used
    said = regression_estimates(frames, evidence.found, torch.tensor(task.filled_values()))
    values, spreads = medians_of(said.clips, used), study_spreads_of(frames, said.frames, used)
    answers = evidence.answers(said.clips, spreads=spreads_of(frames, said.frames))
    results = []
    for value, spread, clips in zip(values, spreads, answers, strict=True):
        if (why := why_not_reported(task, value)) is not None:
            results.append(abstained(task, why, method=ZERO_SHOT_METHOD, clips=clips))
            continue
        results.append(
            TaskResult(
                task_id=task.id,
                verdict=Verdict.MEASURED,
                value=value,
                spread=spread,
                method=ZERO_SHOT_METHOD,
                clips=clips,
            )
        )
    return results


def _detected(task: BinaryTask, evidence: Evidence, rule: DecisionRule, model_name: str) -> list[TaskResult]:
    frames, used = evidence.frames, evidence.used
    said = binary_scores(frames, evidence.found)
    scores, spreads = means_of(said.clips, used), study_spreads_of(frames, said.frames, used)
    of_clips = spreads_of(frames, said.frames)
    if rule.threshold is None:
        reason = _uncalibrated(Reason(ReasonKind.NO_THRESHOLD, model=model_name), rule)
        answers = evidence.answers(said.clips, spreads=of_clips)
        return [
            TaskResult(
                task_id=task.id,
                verdict=Verdict.UNCALIBRATED,
                score=score,
                spread=spread,
                reason=reason,
                method=ZERO_SHOT_METHOD,
                clips=clips,
            )
            for score, spread, clips in zip(scores, spreads, answers, strict=True)
        ]
    frames_above, clips_above = said.frames > rule.threshold, said.clips > rule.threshold
    is_present = [score > rule.threshold for score in scores]
    agree = study_shares_of(frames, frames_above == of_frames(frames, torch.tensor(is_present), used), used)
    answers = evidence.answers(said.clips, spreads=of_clips, agreements=shares_of(frames, frames_above, clips_above))
    return [
        TaskResult(
            task_id=task.id,
            verdict=Verdict.PRESENT if present else Verdict.ABSENT,
            score=score,
            threshold=rule.threshold,
            spread=spread,
            agreement=agreement,
            reason=rule.caveat,
            method=ZERO_SHOT_METHOD,
            clips=clips,
        )
        for present, score, spread, agreement, clips in zip(is_present, scores, spreads, agree, answers, strict=True)
    ]


def _graded(
    task: ClassTask, evidence: Evidence, rule: DecisionRule, logit_scale: float, model_name: str
) -> list[TaskResult]:
    frames, used = evidence.frames, evidence.used
    nearness = class_cosines(frames, evidence.found, [len(outcome.prompts) for outcome in task.classes])
    of_studies = class_means_of(nearness.clips, used)
    if task.ordered:
        said = severities(frames, nearness, logit_scale)
        scores = means_of(said.clips, used)
    else:
        said = Said(frames=leads(nearness.frames), clips=leads(nearness.clips))
        scores = leads(of_studies).tolist()
    # argmax takes the first of classes that are equally near, as for views.
    chosen = of_studies.argmax(dim=1)
    of = Said(frames=nearness.frames.argmax(dim=1), clips=nearness.clips.argmax(dim=1))
    if task.ordered and rule.cut_points is not None:
        chosen, of = _by_cut_points(said, scores, rule.cut_points)
    agree = study_shares_of(frames, of.frames == of_frames(frames, chosen, used), used)
    answers = evidence.answers(
        said.clips,
        outcomes=[task.classes[number].id for number in of.clips.tolist()],
        agreements=shares_of(frames, of.frames, of.clips),
    )
    results = []
    for number, score, agreement, clips in zip(chosen.tolist(), scores, agree, answers, strict=True):
        verdict, reason = _verdict_on(task, number, score, rule, model_name)
        results.append(
            TaskResult(
                task_id=task.id,
                verdict=verdict,
                score=score,
                threshold=rule.threshold,
                outcome=task.classes[number].id,
                agreement=None if verdict is Verdict.ABSTAINED else agreement,
                reason=reason,
                method=ZERO_SHOT_METHOD,
                clips=clips,
            )
        )
    return results


def _verdict_on(
    task: ClassTask, number: int, score: float, rule: DecisionRule, model_name: str
) -> tuple[Verdict, str | None]:
    """What comes of it that this class of a task is the nearest, or the one that cut points say."""
    if task.ordered and rule.cut_points is not None:
        return Verdict.CLASSIFIED, rule.caveat
    if task.ordered or rule.threshold is None:
        lacking = ReasonKind.NO_CUT_POINTS if task.ordered else ReasonKind.NO_SMALLEST_LEAD
        return Verdict.UNCALIBRATED, _uncalibrated(Reason(lacking, model=model_name), rule)
    if score <= max(rule.threshold, 0.0):  # of two that are equally near, none is an answer
        return Verdict.ABSTAINED, _too_near(task, number, score, rule.threshold)
    return Verdict.CLASSIFIED, rule.caveat


def _by_cut_points(severity: Said, scores: Sequence[float], cut_points: Sequence[float]) -> tuple[Tensor, Said]:
    """The class of each study, and of each frame and clip: how many cut points their severity exceeds."""
    points = torch.tensor(cut_points, dtype=torch.float64)

    def exceeded(severities: Tensor) -> Tensor:
        return (severities[..., None] > points).sum(dim=-1)

    of_studies = exceeded(torch.tensor(scores, dtype=torch.float64))
    return of_studies, Said(frames=exceeded(severity.frames), clips=exceeded(severity.clips))


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
