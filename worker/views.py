"""What a clip shows, and whether it is a heart: the view gate in front of the scoring.

A zero-shot model answers every question about every picture. Asked for the ejection fraction of a liver, it gives a
number; so clips in which it sees no heart are left out, with the reason. No threshold for this has been published: what
decides is a margin that nobody has calibrated (`config.sections.scoring.GateSettings`, docs/model-card.md).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor

from config.catalogue import View
from config.labels import ModelLabel
from config.reasons import Named, Reason, ReasonKind
from config.sections.scoring import GateSettings
from db.results.runs import JudgedClip, Run, ViewCall
from worker.echoclip.zero_shot import cosines

if TYPE_CHECKING:
    from worker.models import StudyModel

_NOT_JUDGED = "not judged: "
EmbedPrompts = Callable[[Sequence[str]], Tensor]


class ViewClassifier(Protocol):
    """Says which view a clip shows, from its frames as the model of the pack embeds them.

    The prompts of the catalogue make one. A pack whose model was trained together with a classifier may bring its own:
    its views need not be those of the catalogue, nor its scores cosines, and when a clip is surely no heart is for it
    alone to say.
    """

    @property
    def method(self) -> str:
        """How it decides, with all that decides it: part of the provenance of a run; at most 48 characters."""

    def call(self, frames: Tensor) -> ViewCall:
        """The view of a clip with these frame embeddings: float32 [T, D], T >= 1, L2-normalised."""


@runtime_checkable
class CallingTogether(Protocol):
    """A `ViewClassifier` that judges many clips faster than one after the other."""

    def call_together(self, clips: Sequence[Tensor]) -> list[ViewCall]:
        """Of each clip what `call` says of it alone."""


class PromptViewClassifier:
    """Takes the view whose prompts have the highest mean cosine with the frames."""

    def __init__(self, views: Sequence[View], embed_prompts: EmbedPrompts, *, margin: float) -> None:
        """Embed the prompts once.

        Parameters
        ----------
        views
            At least one of the heart and one of something else, as a catalogue holds them.
        embed_prompts
            Texts to embeddings: float32 [P, D], L2-normalised, of the model that embeds the frames.
        margin
            By how much, as a cosine, the nearest view that is no heart must beat the nearest that is one, before a clip
            counts as no heart.
        """
        self._views = tuple(views)
        self._prompts = embed_prompts([prompt for view in views for prompt in view.prompts])
        self._margin = margin

    @property
    def method(self) -> str:
        """See `ViewClassifier`; the prompts themselves are in the catalogue, which has a digest of its own."""
        return f"prompts, margin {self._margin:g}"

    def call(self, frames: Tensor) -> ViewCall:
        """See `ViewClassifier`. Of views that are equally near, the first of the catalogue."""
        return self.call_together([frames])[0]

    def call_together(self, clips: Sequence[Tensor]) -> list[ViewCall]:
        """See `CallingTogether`: the frames of all clips are compared with the prompts at once."""
        if not clips:
            return []
        found = cosines(torch.cat(list(clips)), self._prompts)
        return [self._call(of_clip) for of_clip in found.split([len(frames) for frames in clips])]

    def _call(self, found: Tensor) -> ViewCall:
        of_prompts = found.to(torch.float64).mean(dim=0)
        of_views = of_prompts.split([len(view.prompts) for view in self._views])
        scored = [(float(of_view.mean()), view) for of_view, view in zip(of_views, self._views, strict=True)]
        score, view = max(scored, key=lambda pair: pair[0])
        margin = score - max(other for other, of in scored if of.heart != view.heart)
        is_surely_none = not view.heart and margin >= self._margin
        is_heart = view.heart or (False if is_surely_none else None)
        return ViewCall(view=view.id, name=view.name, is_heart=is_heart, score=score, margin=margin)


@dataclass(frozen=True, kw_only=True)
class ViewGate:
    """Judges clips, and says which of them are left out."""

    classifier: ViewClassifier | None = None
    leaves_out: bool = False
    """Whether a clip without a heart is left out, or only noted."""
    not_judged: str | None = None
    """Without a classifier: why there is none."""

    @property
    def provenance(self) -> str:
        """How the gate works, for the run: at most 64 characters."""
        if self.classifier is None:
            return f"{_NOT_JUDGED}{self.not_judged}"
        return f"{'skip' if self.leaves_out else 'note'}: {self.classifier.method}"

    def restricting(self, judged: JudgedClip) -> ViewCall | None:
        """The view by which a judged clip may answer some tasks and not others; None: it may answer them all.

        Only a gate that leaves clips out restricts the others, and only by a view of the heart that is not in doubt.
        """
        is_sure = judged.call is not None and judged.call.is_heart is True
        return judged.call if self.leaves_out and is_sure else None

    def judge(self, sop_instance_uid: str, frames: Tensor) -> JudgedClip:
        """What becomes of a clip with these frame embeddings: float32 [T, D], L2-normalised."""
        return self.judge_together([(sop_instance_uid, frames)])[0]

    def judge_together(self, clips: Sequence[tuple[str, Tensor]]) -> list[JudgedClip]:
        """The same of many clips, of any studies: SOP Instance UID and frame embeddings of each."""
        if self.classifier is None:
            return [JudgedClip(sop_instance_uid=uid, note=self.provenance) for uid, _ in clips]
        if isinstance(self.classifier, CallingTogether):
            calls = self.classifier.call_together([frames for _, frames in clips])
        else:
            calls = [self.classifier.call(frames) for _, frames in clips]
        return [self._judged(uid, call) for (uid, _), call in zip(clips, calls, strict=True)]

    def _judged(self, sop_instance_uid: str, call: ViewCall) -> JudgedClip:
        said = _said_of(call)
        if call.is_heart is False and self.leaves_out:
            return JudgedClip(sop_instance_uid=sop_instance_uid, call=call, skip_reason=said)
        return JudgedClip(sop_instance_uid=sop_instance_uid, call=call, note=said)


def _said_of(call: ViewCall) -> str | None:
    return {
        True: None,
        None: f"the model is not sure to see a heart: most like {call.name}",
        False: Reason(ReasonKind.NO_HEART, view=Named("view", call.view, call.name)),
    }[call.is_heart]


def judged_in(run: Run) -> tuple[JudgedClip, ...]:
    """What the view gate made of the clips of a run, as the run has kept it."""
    not_judged = run.view_gate if run.view_gate and run.view_gate.startswith(_NOT_JUDGED) else None
    scored = tuple(
        JudgedClip(
            sop_instance_uid=clip.sop_instance_uid,
            call=clip.view,
            note=not_judged if clip.view is None else _said_of(clip.view),
        )
        for clip in run.clips
    )
    left_out = tuple(
        JudgedClip(sop_instance_uid=clip.sop_instance_uid, call=clip.view, skip_reason=clip.reason)
        for clip in run.left_out
        if clip.view is not None  # the others were left out by `prepare`
    )
    return scored + left_out


def view_gate(settings: GateSettings, model: "StudyModel") -> ViewGate:
    """The gate for this model; one that judges nothing where a judgement would mean nothing, or is not wanted."""
    if settings.views == "off":
        return ViewGate(not_judged="gate.views is off")
    if model.identity.label is ModelLabel.UNTRAINED:
        return ViewGate(not_judged="untrained model")
    classifier = model.view_classifier()
    if classifier is None:
        return ViewGate(not_judged="the model judges no views")
    return ViewGate(classifier=classifier, leaves_out=settings.views == "skip")
