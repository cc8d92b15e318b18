"""The kind of pack "open-clip": EchoCLIP, and whatever open_clip builds, as a `StudyModel` that answers zero-shot."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from itertools import accumulate
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from config.calibration import load_calibration, site_calibration
from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask
from config.errors import ModelPackError
from db.results.runs import ZERO_SHOT_METHOD, ModelIdentity, TaskResult
from worker.abstaining import NO_CLIP, abstained, why_unanswered
from worker.aggregation import ClipFrames
from worker.echoclip.answering import Evidence, answer
from worker.echoclip.decisions import Asking, DecidingCalibration, DecisionRule, decision_rule
from worker.echoclip.digests import embedder_of, text_tower_of
from worker.echoclip.explained_prompts import prompts_to_explain
from worker.echoclip.grad_cam import ExplainedTowers, support_maps
from worker.echoclip.prompt_cache import EmbedTexts, PromptCache
from worker.echoclip.towers import Towers
from worker.echoclip.weights import logit_scale_of
from worker.echoclip.wording import worded
from worker.echoclip.zero_shot import cosines
from worker.models import EmbeddedClip, Frames, Maps, Surroundings, prepared_as
from worker.packs.folder import ModelPack
from worker.packs.published import PublishedTask
from worker.views import PromptViewClassifier, ViewClassifier

FILLS_A_GPU = 256
"""Frames at once: further waiting studies are taken along up to here."""


class FrameTower(Protocol):
    """As much of `Towers` as embeds clips; where it is as much as `ExplainedTowers` has, heat maps can be made."""

    def embed_clips(self, clips: Sequence[Tensor]) -> list[Tensor]:
        """uint8 [T, H, W, 3] each to float32 [T, D] each, L2-normalised."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A task as this model is asked it."""

    task: AnyTask
    """With the prompts that it is asked with."""
    asking: Asking
    prompts: slice
    """Which of the model's prompts are its own."""


class EchoClipModel:
    """A `StudyModel` that compares frames with the prompts of a task catalogue."""

    def __init__(
        self,
        frame_tower: FrameTower,
        embed_prompts: EmbedTexts,
        *,
        identity: ModelIdentity,
        embedder: str,
        catalogue: Catalogue,
        profile: str,
        image_size: int = 224,
        logit_scale: float = 100.0,
        frames_at_once: int = 1,
        view_margin: float = 0.0,
        published: Mapping[str, PublishedTask] | None = None,
        site_calibration: DecidingCalibration | None = None,
        pack_calibration: DecidingCalibration | None = None,
    ) -> None:
        """Put a model and a catalogue together. Prompts are embedded when they are first needed.

        Parameters
        ----------
        embed_prompts
            Texts to float32 [P, D], L2-normalised, of the text tower that belongs to `frame_tower`.
        profile
            The preprocessing of clips that do not say theirs.
        published
            The prompts that the model was published with, as `worded` takes them.
        site_calibration, pack_calibration
            What decides, the site's before that which came with the pack.

        Raises
        ------
        ModelPackError
            The published prompts do not fit the catalogue.
        """
        self.identity = identity
        self.embedder = embedder
        self.image_size = image_size
        self.frames_at_once = frames_at_once
        self._frame_tower = frame_tower
        self._embed_prompts = embed_prompts
        self._catalogue = catalogue
        self._profile = profile
        self._logit_scale = logit_scale
        self._view_margin = view_margin
        self._site_calibration = site_calibration
        self._calibrations = [found for found in (site_calibration, pack_calibration) if found is not None]
        self._asked = self._in_the_models_words(published)

    @cached_property
    def calibration_digest(self) -> str | None:
        """See `StudyModel`; what came with the pack is under the pack's own digest."""
        if self._site_calibration is None:
            return None
        # Clips that were prepared before the setting was changed are decided by it still.
        digest, profile = self._site_calibration.digest, self._site_calibration.preprocessing_profile
        decides = any(self._rule(asked, profile).calibration_digest == digest for asked in self._asked)
        return digest if decides else None

    def asked(self, task_id: str) -> Asked:
        """A task of the catalogue as this model is asked it."""
        return next(asked for asked in self._asked if asked.task.id == task_id)

    def wording_digest(self, task_id: str) -> str:
        """See `StudyModel`."""
        return self.asked(task_id).task.wording_digest()

    def embed(self, clips: Sequence[Frames]) -> list[Tensor]:
        """See `StudyModel`."""
        # A copy: the file behind a clip is mapped, and read-only.
        return self._frame_tower.embed_clips([torch.from_numpy(np.array(frames)) for frames in clips])

    def view_classifier(self) -> ViewClassifier | None:
        """See `StudyModel`: by the prompts of the catalogue's views."""
        views = self._catalogue.views
        return PromptViewClassifier(views, self._embed_prompts, margin=self._view_margin) if views else None

    def answer(self, clips: Sequence[EmbeddedClip]) -> tuple[TaskResult, ...]:
        """See `StudyModel`."""
        return self.answer_together([clips])[0]

    def answer_together(self, studies: Sequence[Sequence[EmbeddedClip]]) -> list[tuple[TaskResult, ...]]:
        """See `AnsweringTogether`: the frames of all studies are compared with the prompts at once."""
        answered: list[dict[str, TaskResult]] = [{} for _ in studies]
        prepared_alike: dict[str, list[int]] = defaultdict(list)
        for number, clips in enumerate(studies):
            if clips:
                prepared_alike[prepared_as(clips, self._profile)].append(number)
            else:
                answered[number] = {
                    asked.task.id: abstained(asked.task, NO_CLIP, method=ZERO_SHOT_METHOD) for asked in self._asked
                }
        for profile, numbers in prepared_alike.items():
            self._answer([studies[number] for number in numbers], profile, [answered[number] for number in numbers])
        return [tuple(results.values()) for results in answered]

    def _answer(
        self, studies: Sequence[Sequence[EmbeddedClip]], profile: str, answered: Sequence[dict[str, TaskResult]]
    ) -> None:
        """Answer studies with clips that were all prepared alike, each into its own results."""
        every = [clip for clips in studies for clip in clips]
        starts = list(accumulate((len(clips) for clips in studies), initial=0))
        frames = ClipFrames.of([clip.embeddings for clip in every])
        found, uids = cosines(frames.embeddings, self._prompts), [clip.sop_instance_uid for clip in every]
        for asked in self._asked:
            task, asked_of, used = asked.task, [], []
            for clips, start, results in zip(studies, starts, answered, strict=False):
                if (why := why_unanswered(task, clips, results, self._catalogue)) is not None:
                    results[task.id] = abstained(task, why, method=ZERO_SHOT_METHOD)
                    continue
                asked_of.append(results)
                used.append([start + place for place, clip in enumerate(clips) if clip.may_answer(task.views)])
            if not asked_of:
                continue
            evidence = Evidence(uids=uids, frames=frames, found=found[:, asked.prompts], used=used)
            rule, name = self._rule(asked, profile), self.identity.name
            found_out = answer(task, evidence, rule, logit_scale=self._logit_scale, model_name=name)
            for results, result in zip(asked_of, found_out, strict=True):
                results[task.id] = result

    def support(self, frames: Frames, result: TaskResult) -> Maps | None:
        """See `Explaining`: the maps of the prompts that stand for the answer."""
        prompts = prompts_to_explain(self.asked(result.task_id).task, result)
        return self.support_towards(frames, self._embed_prompts(prompts)) if prompts else None

    def support_towards(self, frames: Frames, targets: Tensor) -> Maps:
        """See `Explaining`."""
        if not isinstance(self._frame_tower, ExplainedTowers):
            raise ModelPackError(f"no heat map can be made of {self.identity.name}: its towers only embed")
        return support_maps(self._frame_tower, frames, targets)

    def _in_the_models_words(self, published: Mapping[str, PublishedTask] | None) -> list[Asked]:
        asked, start = [], 0
        for of_catalogue in self._catalogue.tasks:
            task, wording = worded(of_catalogue, published)
            asking = Asking(embedder=self.embedder, family=self.identity.family, wording=wording, profile=self._profile)
            stop = start + len(task.filled_prompts())
            asked.append(Asked(task=task, asking=asking, prompts=slice(start, stop)))
            start = stop
        return asked

    @cached_property
    def _prompts(self) -> Tensor:
        """float32 [P, D]: those of all tasks, one after the other. They, and those of the views, at one go."""
        of_tasks = [prompt for asked in self._asked for prompt in asked.task.filled_prompts()]
        of_views = [prompt for view in self._catalogue.views for prompt in view.prompts]
        return self._embed_prompts([*of_tasks, *of_views])[: len(of_tasks)]

    def _rule(self, asked: Asked, profile: str) -> DecisionRule:
        # Clips that were prepared before the profile was changed must not be judged by a calibration of the new one.
        return decision_rule(asked.task, replace(asked.asking, profile=profile), self._calibrations)


def load(pack: ModelPack, surroundings: Surroundings) -> EchoClipModel:
    """The `PackLoader` of kind "open-clip".

    Raises
    ------
    ModelPackError
        The weights do not fit the configuration, or the published prompts do not fit the catalogue.
    ConfigurationError
        A calibration is not valid; or `cuda` was asked for and there is none.
    """
    settings = surroundings.settings
    device = surroundings.device or settings.model.device
    towers = Towers(pack, device=device, precision=settings.model.precision)
    return model_of(pack, towers, surroundings)


def model_of(pack: ModelPack, towers: Towers, surroundings: Surroundings) -> EchoClipModel:
    """The same, for who needs the towers of the pack as well.

    Raises
    ------
    ModelPackError, ConfigurationError
        As `load`.
    """
    settings = surroundings.settings
    prompts = PromptCache(
        surroundings.cache / "prompts",
        text_tower=_text_embedder(pack, towers),
        embed=towers.embed_prompts,
    )
    return EchoClipModel(
        towers,
        prompts,
        identity=pack.identity,
        embedder=embedder_of(pack),
        catalogue=surroundings.catalogue,
        profile=settings.pixels.profile,
        image_size=pack.image_size,
        logit_scale=logit_scale_of(pack),
        frames_at_once=frames_at_once(towers.device),
        view_margin=settings.gate.view_margin,
        published=pack.published_prompts,
        site_calibration=site_calibration(settings),
        pack_calibration=load_calibration(pack.calibration_file) if pack.calibration_file is not None else None,
    )


def frames_at_once(device: torch.device) -> int:
    """How many frames fill a device; a CPU is busy with one, and nothing is gained by making its studies wait."""
    return FILLS_A_GPU if device.type == "cuda" else 1


def _text_embedder(pack: ModelPack, towers: Towers) -> str:
    """What decides every bit of a prompt's embedding but for torch's own kernels, whose differences mean nothing."""
    parts = (text_tower_of(pack), str(towers.precision), towers.device.type, version("open_clip_torch"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
