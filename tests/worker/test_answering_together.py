"""Many studies answered at once: each exactly as if it were alone."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from config.catalogue import Catalogue, load_catalogue
from config.labels import ModelLabel
from config.sections.scoring import GateSettings
from db.results.runs import ModelIdentity, Verdict
from tests.support.scored_archive import HashedTowers, Thresholds, direction
from worker import study_scoring
from worker.echoclip.model import EchoClipModel
from worker.models import EmbeddedClip
from worker.study_scoring import ClipToJudge, Scorer
from worker.views import view_gate

SITE = Thresholds("c" * 64, {"tavr": 0.0, "impella": 0.0, "mitraclip": 0.1, "impella_position": 0.05})


def scorer(catalogue: Catalogue) -> Scorer:
    towers = HashedTowers(allowed=False)
    model = EchoClipModel(
        towers,
        towers.embed_prompts,
        identity=ModelIdentity(name="Hashed", version="1", family="hashed", label=ModelLabel.RESEARCH, digest="0" * 64),
        embedder="e" * 64,
        catalogue=catalogue,
        profile="fast-1",
        site_calibration=SITE,
    )
    return Scorer(model=model, gate=view_gate(GateSettings(views="skip", view_margin=0.05), model))


def study(number: int, lengths: Sequence[int], profile: str = "fast-1") -> list[ClipToJudge]:
    """Clips of so many frames each, which show whatever they happen to."""
    return [
        ClipToJudge(
            sop_instance_uid=f"1.{number}.{clip}",
            embeddings=torch.stack([direction(f"{number} {clip} {frame}") for frame in range(length)]),
            preprocessing_profile=profile,
        )
        for clip, length in enumerate(lengths)
    ]


STUDIES = [
    study(1, [4]),
    study(2, [5, 1, 7]),
    [],
    study(3, [3, 3], "upstream-1"),
    study(4, [2, 6, 4, 4, 9]),
    [*study(5, [4]), *study(6, [4], "upstream-1")],
    study(7, [8]),
]


@pytest.mark.parametrize("frames_together", [16_384, 12])
def test_each_is_answered_as_if_it_were_alone(monkeypatch: pytest.MonkeyPatch, frames_together: int) -> None:
    monkeypatch.setattr(study_scoring, "FRAMES_TOGETHER", frames_together)
    scores = scorer(load_catalogue())
    together = scores.answer_together(STUDIES)
    assert together == [scores.answer(clips) for clips in STUDIES]
    verdicts = {result.verdict for score in together for result in score.results}
    assert verdicts >= set(Verdict) - {Verdict.CLASSIFIED}
    assert any(clip.skip_reason for score in together for clip in score.clips), "the gate leaves a clip out"
    assert {len(result.clips) for result in together[4].results} > {0, 1}, "views restrict who answers"


def test_a_model_that_answers_one_by_one_is_asked_so() -> None:
    of_catalogue = scorer(load_catalogue())

    class OneByOne:
        asked = 0

        def answer(self, clips: Sequence[EmbeddedClip]) -> object:
            self.asked += 1
            return of_catalogue.model.answer(clips)

    alone = OneByOne()
    other = replace(of_catalogue, model=alone)  # type: ignore[arg-type]
    assert other.answer_together(STUDIES) == of_catalogue.answer_together(STUDIES)
    assert alone.asked == len(STUDIES)
