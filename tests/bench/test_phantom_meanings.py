"""What the DEMO model learns: a place for each answer, and small losses for a clip that lies in the true ones."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from bench.phantom_meanings import Meanings
from bench.phantom_model import WIDTH
from config.catalogue import load_catalogue
from tests.support.phantoms import is_true
from worker.phantom.acquisition import PhantomView
from worker.phantom.captions import LEAD_TASKS, Answer, answers, sentences
from worker.phantom.heart import Device, sample_heart

SENTENCES = sentences(load_catalogue())
FRAMES = 4


@pytest.fixture(scope="module")
def meanings() -> Meanings:
    return Meanings(SENTENCES, WIDTH, seed=1)


def seen(ejection_fraction: float, *devices: Device) -> dict[str, Answer]:
    heart = sample_heart(np.random.default_rng(3), ejection_fraction=ejection_fraction, devices=devices)
    return answers(PhantomView.APICAL_FOUR_CHAMBER, heart)


def in_true_places(meanings: Meanings, known: dict[str, Answer]) -> Tensor:
    """Frames of a clip that lies in the middle of all that is true of it: [1, T, D]."""
    true = [number for number, sentence in enumerate(SENTENCES) if is_true(sentence, known)]
    places = torch.unique(meanings.of_sentences[true], dim=0).sum(dim=0)
    return functional.normalize(places, dim=0).expand(1, FRAMES, WIDTH)


def test_sentences_of_one_answer_share_a_place_and_those_of_other_questions_are_at_right_angles(
    meanings: Meanings,
) -> None:
    alike = meanings.of_sentences @ meanings.of_sentences.T
    asked = ["a lead" if sentence.about in LEAD_TASKS else sentence.about for sentence in SENTENCES]
    answered = [(about, sentence.answer) for about, sentence in zip(asked, SENTENCES, strict=True)]
    of_one_question, of_one_answer = (
        torch.tensor([[one == other for other in each] for one in each]) for each in (asked, answered)
    )
    assert alike[~of_one_question].abs().max() < 1e-5
    assert alike[of_one_answer].min() > 0.9999
    assert alike[of_one_question & ~of_one_answer].max() < 0.9999


@pytest.mark.parametrize(("about", "value"), [("lvef", 0), ("lvef", 37), ("lvef", 100), ("pa_pressure", 55)])
def test_what_lies_where_a_value_does_has_its_peak_there(meanings: Meanings, about: str, value: int) -> None:
    (place,) = {
        tuple(meanings.of_sentences[number].tolist())
        for number, sentence in enumerate(SENTENCES)
        if (sentence.about, sentence.answer) == (about, value)
    }
    assert float(meanings.peaks(about, torch.tensor(place))) == pytest.approx(value, abs=1e-3)


def test_every_loss_is_smaller_for_the_clip_that_was_seen_than_for_its_opposite(meanings: Meanings) -> None:
    known = seen(60.0, Device.PACEMAKER, Device.MITRACLIP)
    opposite = known | seen(20.0, Device.IMPELLA) | {"view": "abdomen"}
    frames, scale = in_true_places(meanings, known), torch.tensor(20.0)
    right = meanings.losses(frames, meanings.truth([known]), scale)
    wrong = meanings.losses(frames, meanings.truth([opposite]), scale)
    for about in ("lvef", "lv_function", "view", "pacemaker", "mitraclip", "impella"):
        assert right[about] < wrong[about], about
    assert float(right["lvef"]) < 0.3


def test_a_question_that_a_clip_does_not_answer_costs_nothing(meanings: Meanings) -> None:
    abdomen = answers(PhantomView.ABDOMEN, None)
    losses = meanings.losses(torch.zeros(1, FRAMES, WIDTH), meanings.truth([abdomen]), torch.tensor(20.0))
    assert set(losses) == {"view"}


def test_more_answers_than_directions_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit into 16 dimensions"):
        Meanings(SENTENCES, 16, seed=1)
