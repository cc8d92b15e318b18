"""The second kind of pack: a model of another pack, with a head of a site's own for one of the tasks.

It embeds as its base does, so that kept embeddings are shared; it answers its task by the head, and leaves all others,
and the views, to its base. It shows that another kind of model is a pack, and no change of the pipeline.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from config.calibration import Calibration, TaskCalibration, site_calibration
from config.catalogue import Catalogue
from config.clinical_tasks import BinaryTask, ClassTask, RegressionTask
from config.errors import ModelPackError
from config.reasons import Named, Reason, ReasonKind
from db.results.runs import LINEAR_PROBE_METHOD, ClipAnswer, ModelIdentity, TaskResult, Verdict
from worker.abstaining import abstained, why_not_asked, why_not_reported, why_unanswered
from worker.aggregation import ClipFrames, shares_of, spreads_of, study_shares_of, study_spreads_of
from worker.linear_probe.answering import Decider, Said
from worker.linear_probe.head import TrainedHead, read_head, study_digest
from worker.models import (
    EmbeddedClip,
    Explaining,
    Frames,
    Maps,
    StudyModel,
    Surroundings,
    TrainedOnCases,
    answers_together,
    prepared_as,
)
from worker.packs.folder import ModelPack
from worker.packs.installed import resolve_base
from worker.packs.kinds import load_model
from worker.views import ViewClassifier


def load(pack: ModelPack, surroundings: Surroundings) -> StudyModel:
    """The model of a pack of this kind: its base, of whatever kind, with its head.

    Raises
    ------
    ModelPackError
        The base is not installed, or does not fit the head; or the head is damaged.
    ConfigurationError
        The site's calibration is not valid.
    """
    settings, trained = surroundings.settings, read_head(pack.folder)
    of_base = replace(surroundings, catalogue=_asked_anyhow(surroundings.catalogue, trained.head.answers.task_id))
    return LinearProbe(
        load_model(resolve_base(pack, settings.packs_dir), of_base),
        trained,
        pack.identity,
        surroundings.catalogue,
        profile=settings.pixels.profile,
        calibration=site_calibration(settings),
    )


class LinearProbe:
    """A `StudyModel`: the base's, with the head's answer in place of the base's to one task."""

    def __init__(
        self,
        base: StudyModel,
        trained: TrainedHead,
        identity: ModelIdentity,
        catalogue: Catalogue,
        *,
        profile: str,
        calibration: Calibration | None = None,
    ) -> None:
        """Put a head on a model.

        Parameters
        ----------
        base
            Whose embeddings the head was trained on.
        identity
            Of the pack of the head.
        profile
            Of the frames of clips that do not say theirs. What was made with another, the head itself or a calibration
            of it, decides nothing of them.
        calibration
            The site's; where it has the task, it is stronger than the head's own threshold.

        Raises
        ------
        ModelPackError
            The head is of another embedder, or the catalogue's task is another than it was trained for.
        """
        head, training = trained.head, trained.description.training
        if training.embedder != base.embedder:
            raise ModelPackError(
                f"the head of {identity.name} was trained on embeddings of {training.base_name}, and not on those of "
                f"{base.identity.name}: train it again"
            )
        self.identity = identity
        self._base = base
        self._head = head
        self._trained_on = frozenset(training.studies)
        self._catalogue = catalogue
        asked = head.require_task(catalogue.task(head.answers.task_id))
        self._task = asked.model_copy(update={"views": head.answers.views})  # whose clips it was trained on
        self._trained = trained
        self._profile = profile
        self._calibration = calibration
        holds = calibration is not None and self._calibrated_for(calibration.preprocessing_profile) is not None
        self._decided_by = calibration.digest if calibration is not None and holds else None

    @property
    def embedder(self) -> str:
        """See `StudyModel`: the base's, whose kept embeddings serve both."""
        return self._base.embedder

    @property
    def image_size(self) -> int:
        """See `StudyModel`."""
        return self._base.image_size

    @property
    def frames_at_once(self) -> int:
        """See `StudyModel`."""
        return self._base.frames_at_once

    @property
    def calibration_digest(self) -> str | None:
        """See `StudyModel`."""
        return self._decided_by or self._base.calibration_digest

    def wording_digest(self, task_id: str) -> str:
        """See `StudyModel`."""
        return self._head.digest if task_id == self._task.id else self._base.wording_digest(task_id)

    def was_trained_on(self, study_instance_uid: str, task_id: str) -> bool:
        """See `TrainedOnCases`."""
        if task_id == self._task.id:
            return study_digest(study_instance_uid) in self._trained_on
        return isinstance(self._base, TrainedOnCases) and self._base.was_trained_on(study_instance_uid, task_id)

    def embed(self, clips: Sequence[Frames]) -> list[Tensor]:
        """See `StudyModel`."""
        return self._base.embed(clips)

    def view_classifier(self) -> ViewClassifier | None:
        """See `StudyModel`."""
        return self._base.view_classifier()

    def answer(self, clips: Sequence[EmbeddedClip]) -> tuple[TaskResult, ...]:
        """See `StudyModel`."""
        return self._with_mine(clips, self._base.answer(clips))

    def answer_together(self, studies: Sequence[Sequence[EmbeddedClip]]) -> list[tuple[TaskResult, ...]]:
        """See `AnsweringTogether`: the base's answers together, the head's study by study."""
        of_base = answers_together(self._base, studies)
        return [self._with_mine(clips, results) for clips, results in zip(studies, of_base, strict=True)]

    def _with_mine(self, clips: Sequence[EmbeddedClip], results: tuple[TaskResult, ...]) -> tuple[TaskResult, ...]:
        mine = self._answer(clips, {result.task_id: result for result in results})
        given = {mine.task_id: mine}  # the head's, and what is another because of it
        for result in results:
            if (below := self._below(given, result)) is not None:
                given[result.task_id] = below
        return tuple(given.get(result.task_id, result) for result in results)

    def support(self, frames: Frames, result: TaskResult) -> Maps | None:
        """See `Explaining`: of its own task by the head's weights, in the image tower of the base."""
        if not isinstance(self._base, Explaining):
            return None
        if result.task_id != self._task.id:
            return self._base.support(frames, result)
        return self.support_towards(frames, self._head.direction(result.outcome)[None])

    def support_towards(self, frames: Frames, targets: Tensor) -> Maps:
        """See `Explaining`."""
        if not isinstance(self._base, Explaining):
            raise ModelPackError(f"no heat map can be made of a head on {self._base.identity.name}")
        return self._base.support_towards(frames, targets)

    def _below(self, given: Mapping[str, TaskResult], result: TaskResult) -> TaskResult | None:
        """That a task is asked only where one of these is PRESENT, which is not; None: the base's answer holds."""
        task = self._catalogue.task(result.task_id)
        why = why_not_asked(task, given, self._catalogue) if task is not None and task.asked_if in given else None
        return None if task is None or why is None else abstained(task, why, method=LINEAR_PROBE_METHOD)

    def _calibrated_for(self, profile: str) -> TaskCalibration | None:
        made_with = {"embedder": self.embedder, "prompts_digest": self._head.digest, "profile": profile}
        return None if self._calibration is None else self._calibration.holding_for(self._task.id, **made_with)

    def _deciding(self, clips: Sequence[EmbeddedClip]) -> tuple[Decider, Reason | None]:
        """What decides of these clips; and why they are no frames that it may decide of, where they are none."""
        profile, made_for = prepared_as(clips, self._profile), self._trained.description.training.preprocessing_profile
        found = self._calibrated_for(profile)
        decider = _decider(self._trained, found)
        if found is not None or profile == made_for:
            return decider, None
        return replace(decider, threshold=None), Reason(ReasonKind.CALIBRATION_OF_OTHER_FRAMES, profile=made_for)

    def _answer(self, clips: Sequence[EmbeddedClip], others: dict[str, TaskResult]) -> TaskResult:
        task = self._task
        unanswered = why_unanswered(task, clips, others, self._catalogue)
        if unanswered is not None:
            return abstained(task, unanswered, method=LINEAR_PROBE_METHOD)
        used = [clip for clip in clips if clip.may_answer(task.views)]
        frames, all_of_them = ClipFrames.of([clip.embeddings for clip in used]), [range(len(used))]
        decider, not_of_these = self._deciding(clips)
        alone = decider.say(self._head(frames.embeddings))
        answers = self._clip_answers(used, frames, alone, decider)
        study = decider.study([clip.embeddings for clip in used])
        verdict, why = self._verdict(study, decider, not_of_these)
        is_number = isinstance(task, RegressionTask)
        if is_number and why is not None:
            return abstained(task, why, method=LINEAR_PROBE_METHOD, clips=answers)
        agree = decider.sides(alone) == decider.sides([study])
        return TaskResult(
            task_id=task.id,
            verdict=verdict,
            value=study.value if is_number else None,
            score=None if is_number else study.value,
            threshold=decider.threshold,
            outcome=self._class_id(study),
            spread=None if isinstance(task, ClassTask) else study_spreads_of(frames, _values(alone), all_of_them)[0],
            agreement=None if is_number or why is not None else study_shares_of(frames, agree, all_of_them)[0],
            reason=why,
            method=LINEAR_PROBE_METHOD,
            clips=answers,
        )

    def _clip_answers(
        self, used: Sequence[EmbeddedClip], frames: ClipFrames, alone: Sequence[Said], decider: Decider
    ) -> tuple[ClipAnswer, ...]:
        """What it says of each clip by itself, from what it says of each frame."""
        of_clips = [decider.study([clip.embeddings]) for clip in used]
        spreads = None if isinstance(self._task, ClassTask) else spreads_of(frames, _values(alone))
        shares = None
        if decider.threshold is not None or isinstance(self._task, ClassTask):
            shares = shares_of(frames, decider.sides(alone), decider.sides(of_clips))
        return tuple(
            ClipAnswer(
                sop_instance_uid=clip.sop_instance_uid,
                value=said.value,
                outcome=self._class_id(said),
                spread=None if spreads is None else float(spreads[number]),
                agreement=None if shares is None else float(shares[number]),
            )
            for number, (clip, said) in enumerate(zip(used, of_clips, strict=True))
        )

    def _verdict(self, study: Said, decider: Decider, not_of_these: Reason | None) -> tuple[Verdict, str | None]:
        """What comes of what the head says of the study; and why, where it is no answer."""
        task, threshold = self._task, decider.threshold
        if isinstance(task, RegressionTask):
            why = not_of_these or why_not_reported(task, study.value)
            return (Verdict.MEASURED if why is None else Verdict.ABSTAINED), why
        if not_of_these is not None:
            return Verdict.UNCALIBRATED, not_of_these
        if isinstance(task, BinaryTask):
            is_above = threshold is None or study.value > threshold
            return (Verdict.PRESENT if is_above else Verdict.ABSENT), None
        if threshold is None or study.value > threshold:
            return Verdict.CLASSIFIED, None
        likeliest = self._class_id(study) or ""
        return Verdict.ABSTAINED, Reason(
            ReasonKind.CLASS_TOO_UNSURE,
            outcome=Named("outcome", likeliest, likeliest, within=task.id),
            probability=study.value,
            needed=threshold,
        )

    def _class_id(self, said: Said) -> str | None:
        return None if said.outcome is None else self._head.answers.classes[said.outcome]


def _values(said: Sequence[Said]) -> Tensor:
    return torch.tensor([one.value for one in said], dtype=torch.float64)


def _asked_anyhow(catalogue: Catalogue, task_id: str) -> Catalogue:
    """For the base: whether a task below the head's is asked is for the head to say, not for the base's own answer."""
    tasks = tuple(
        task.model_copy(update={"asked_if": None}) if task.asked_if == task_id else task for task in catalogue.tasks
    )
    return catalogue.model_copy(update={"tasks": tasks})


def _decider(trained: TrainedHead, found: TaskCalibration | None) -> Decider:
    threshold = found.threshold if found and found.threshold is not None else trained.description.threshold
    cut_points = found.cut_points if found and found.cut_points else trained.description.cut_points
    return Decider(head=trained.head, threshold=threshold, cut_points=cut_points)
