"""The scoring of one study, on one screen: frame embeddings of its clips -> view gate -> every task of the catalogue.

Of the model it knows what `worker.models.StudyModel` says, and no more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from config.reasons import counted
from db.results.runs import JudgedClip, TaskResult
from worker.abstaining import NO_CLIP
from worker.models import EmbeddedClip, StudyModel, answers_together
from worker.views import ViewGate

FRAMES_TOGETHER = 16_384
"""Of several studies; with 700 prompts their cosines are some 90 MB in double precision."""


@dataclass(frozen=True, kw_only=True)
class ClipToJudge:
    """One instance as the model sees it, before the view gate."""

    sop_instance_uid: str
    embeddings: Tensor
    """float32 [T, D], L2-normalised."""
    preprocessing_profile: str | None = None


@dataclass(frozen=True, kw_only=True)
class StudyScore:
    """What the model says of one study."""

    results: tuple[TaskResult, ...]
    """One for each task of the catalogue, in its order."""
    clips: tuple[JudgedClip, ...]
    """All that were handed in, in their order; the results come from those that are not left out."""
    why_unanswered: str | None
    """Set when no clip is left, so that every task is ABSTAINED."""


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """The model that scores, and the gate in front of it."""

    model: StudyModel
    gate: ViewGate
    retrieval: StudyModel | None = None
    """A second model, which answers nothing here: its embeddings are kept for search."""

    def leaving_nothing_out(self) -> "Scorer":
        """The same, with a gate that says what it sees and lets every clip pass."""
        return replace(self, gate=replace(self.gate, leaves_out=False))

    def answer(self, clips: Sequence[ClipToJudge]) -> StudyScore:
        """Answer every task of the catalogue for one study, from the clips that show a heart.

        They were embedded before: just now, or long ago.
        """
        return self.answer_together([clips])[0]

    def answer_together(self, studies: Sequence[Sequence[ClipToJudge]]) -> list[StudyScore]:
        """The same of many studies at once; each is answered as if it were alone."""
        return [score for some in _in_portions(studies) for score in self._answer_together(some)]

    def _answer_together(self, studies: Sequence[Sequence[ClipToJudge]]) -> list[StudyScore]:
        every = [(clip.sop_instance_uid, clip.embeddings) for clips in studies for clip in clips]
        calls = iter(self.gate.judge_together(every))
        judged = [tuple(next(calls) for _ in clips) for clips in studies]
        shown = [self._shown(clips, of_study) for clips, of_study in zip(studies, judged, strict=True)]
        answers = answers_together(self.model, shown)
        return [
            _score(results, of_study, is_answered=bool(clips))
            for results, of_study, clips in zip(answers, judged, shown, strict=True)
        ]

    def _shown(self, clips: Sequence[ClipToJudge], judged: Sequence[JudgedClip]) -> list[EmbeddedClip]:
        return [
            EmbeddedClip(
                sop_instance_uid=clip.sop_instance_uid,
                embeddings=clip.embeddings,
                view=self.gate.restricting(call),
                preprocessing_profile=clip.preprocessing_profile,
            )
            for clip, call in zip(clips, judged, strict=True)
            if call.skip_reason is None
        ]


def _in_portions(studies: Sequence[Sequence[ClipToJudge]]) -> Iterator[list[Sequence[ClipToJudge]]]:
    """Studies of together no more than `FRAMES_TOGETHER`; one that has more by itself stands alone."""
    portion: list[Sequence[ClipToJudge]] = []
    frames = 0
    for clips in studies:
        count = sum(len(clip.embeddings) for clip in clips)
        if portion and frames + count > FRAMES_TOGETHER:
            yield portion
            portion, frames = [], 0
        portion.append(clips)
        frames += count
    if portion:
        yield portion


def _score(results: tuple[TaskResult, ...], judged: tuple[JudgedClip, ...], *, is_answered: bool) -> StudyScore:
    if is_answered:
        return StudyScore(results=results, clips=judged, why_unanswered=None)
    left_out = [clip.skip_reason for clip in judged if clip.skip_reason is not None]
    reason = f"{NO_CLIP}: {counted(left_out)}" if left_out else NO_CLIP
    unanswered = tuple(replace(result, reason=reason) for result in results)
    return StudyScore(results=unanswered, clips=judged, why_unanswered=reason)
