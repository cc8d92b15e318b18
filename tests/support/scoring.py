"""Clips of which a test has the frames, scored by themselves: embedded and answered at once, without the pipeline."""

from collections.abc import Mapping

from worker.models import Frames
from worker.study_scoring import ClipToJudge, Scorer, StudyScore


def score_of(scorer: Scorer, clips: Mapping[str, Frames]) -> StudyScore:
    """What a scorer says of one study whose instances have these frames, by SOP Instance UID."""
    embedded = zip(clips, scorer.model.embed(list(clips.values())), strict=True)
    return scorer.answer([ClipToJudge(sop_instance_uid=uid, embeddings=embeddings) for uid, embeddings in embedded])
