"""The algorithms, published and our own, against a reference in plain Python that shares no code with ours."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.support import zero_shot_reference as reference
from tests.support.zero_shot_reference import unit_vectors
from worker.aggregation import ClipFrames
from worker.echoclip.zero_shot import (
    Said,
    binary_scores,
    class_cosines,
    cosines,
    regression_estimates,
    severities,
)

SEEDS = st.integers(0, 2**32 - 1)
LENGTHS = st.lists(st.integers(1, 20), min_size=1, max_size=6)
"""How many frames the clips of a study have."""


def study(lengths: list[int], seed: int) -> list[list[list[float]]]:
    return [unit_vectors(length, seed + number) for number, length in enumerate(lengths)]


def frames_of(clips: list[list[list[float]]]) -> ClipFrames:
    return ClipFrames.of([torch.tensor(clip) for clip in clips])


def measure(clips: list[list[list[float]]], prompts: list[list[float]], values: list[int]) -> Said:
    frames = frames_of(clips)
    return regression_estimates(frames, cosines(frames.embeddings, torch.tensor(prompts)), torch.tensor(values))


def detect(clips: list[list[list[float]]], prompts: list[list[float]]) -> Said:
    frames = frames_of(clips)
    return binary_scores(frames, cosines(frames.embeddings, torch.tensor(prompts)))


def grade(clips: list[list[list[float]]], classes: list[list[list[float]]], scale: float) -> tuple[Said, Said]:
    frames = frames_of(clips)
    prompts = torch.tensor([prompt for prompts in classes for prompt in prompts])
    near = class_cosines(frames, cosines(frames.embeddings, prompts), [len(prompts) for prompts in classes])
    return near, severities(frames, near, scale)


@settings(deadline=None, max_examples=40)
@given(lengths=LENGTHS, templates=st.integers(1, 3), last=st.integers(9, 100), seed=SEEDS)
def test_estimates_are_the_references(lengths: list[int], templates: int, last: int, seed: int) -> None:
    values = [*range(last + 1)] * templates
    clips, prompts = study(lengths, seed), unit_vectors(len(values), seed + 99)
    said = measure(clips, prompts, values)
    assert said.clips.tolist() == pytest.approx([reference.estimate(c, prompts, values) for c in clips], abs=1e-9)
    alone = [reference.estimate([frame], prompts, values) for clip in clips for frame in clip]
    assert said.frames.tolist() == pytest.approx(alone, abs=1e-9)


@settings(deadline=None)
@given(lengths=LENGTHS, prompts=st.integers(1, 5), seed=SEEDS)
def test_scores_are_the_mean_of_all_cosines(lengths: list[int], prompts: int, seed: int) -> None:
    clips, vectors = study(lengths, seed), unit_vectors(prompts, seed + 99)
    said = detect(clips, vectors)
    assert said.clips.tolist() == pytest.approx([reference.score(clip, vectors) for clip in clips], abs=1e-12)
    alone = [reference.score([frame], vectors) for clip in clips for frame in clip]
    assert said.frames.tolist() == pytest.approx(alone, abs=1e-12)


@settings(deadline=None)
@given(
    lengths=LENGTHS,
    prompts=st.lists(st.integers(1, 4), min_size=2, max_size=5),
    scale=st.floats(1, 100),
    seed=SEEDS,
)
def test_classes_and_severities_are_the_references(
    lengths: list[int], prompts: list[int], scale: float, seed: int
) -> None:
    clips = study(lengths, seed)
    classes = [unit_vectors(count, seed + 99 + number) for number, count in enumerate(prompts)]
    near, severity = grade(clips, classes, scale)
    for clip, found, severe in zip(clips, near.clips.tolist(), severity.clips.tolist(), strict=True):
        assert found == pytest.approx([reference.score(clip, of_class) for of_class in classes], abs=1e-12)
        alone = [reference.severity(frame, classes, scale) for frame in clip]
        assert severe == pytest.approx(reference.mean(alone), abs=1e-9)
        assert 0 <= severe <= len(classes) - 1


@settings(deadline=None, max_examples=40)
@given(lengths=LENGTHS, seed=SEEDS, order=st.randoms(use_true_random=False))
def test_neither_the_order_of_clips_nor_that_of_frames_matters_nor_what_else_is_in_the_batch(
    lengths: list[int], seed: int, order: st.DataObject
) -> None:
    values = [*range(30)]
    clips, prompts = study(lengths, seed), unit_vectors(30, seed + 99)
    classes = [prompts[:7], prompts[7:10], prompts[10:]]
    numbers = [*range(len(clips))]
    order.shuffle(numbers)  # type: ignore[attr-defined]
    shuffled = [order.sample(clips[number], len(clips[number])) for number in numbers]  # type: ignore[attr-defined]
    together = measure(clips, prompts, values), detect(clips, prompts), *grade(clips, classes, 80)
    mixed = measure(shuffled, prompts, values), detect(shuffled, prompts), *grade(shuffled, classes, 80)
    for one, other in zip(together, mixed, strict=True):
        torch.testing.assert_close(other.clips, one.clips[numbers], atol=1e-12, rtol=0)
    for number, clip in enumerate(clips):  # by itself, bit for bit
        alone = measure([clip], prompts, values), detect([clip], prompts), *grade([clip], classes, 80)
        for one, other in zip(together, alone, strict=True):
            assert torch.equal(other.clips[0], one.clips[number])


@settings(deadline=None)
@given(length=st.integers(2, 20), cut=st.floats(0, 1), seed=SEEDS)
def test_a_clip_cut_in_two_scores_the_mean_of_its_parts_weighted_by_their_frames(
    length: int, cut: float, seed: int
) -> None:
    (clip,) = study([length], seed)
    at = min(length - 1, max(1, round(cut * length)))
    prompts = unit_vectors(4, seed + 99)
    classes = [prompts[:1], prompts[1:]]
    for whole, parts in (
        (detect([clip], prompts), detect([clip[:at], clip[at:]], prompts)),
        *zip(grade([clip], classes, 80), grade([clip[:at], clip[at:]], classes, 80), strict=True),
    ):
        weighted = (parts.clips[0] * at + parts.clips[1] * (length - at)) / length
        torch.testing.assert_close(weighted, whole.clips[0], atol=1e-12, rtol=0)
        assert torch.equal(parts.frames, whole.frames)


@settings(deadline=None)
@given(lengths=LENGTHS, seed=SEEDS)
def test_a_prompt_twice_changes_no_binary_score_where_all_are_and_no_class_whose_others_are(
    lengths: list[int], seed: int
) -> None:
    clips, prompts = study(lengths, seed), unit_vectors(5, seed + 99)
    torch.testing.assert_close(detect(clips, prompts * 2).clips, detect(clips, prompts).clips, atol=1e-12, rtol=0)
    near, severe = grade(clips, [prompts[:2], prompts[2:]], 80)
    twice, severe_twice = grade(clips, [prompts[:2] * 2, prompts[2:]], 80)
    torch.testing.assert_close(twice.clips, near.clips, atol=1e-12, rtol=0)
    torch.testing.assert_close(severe_twice.clips, severe.clips, atol=1e-9, rtol=0)
    assert torch.equal(twice.clips.argmax(dim=1), near.clips.argmax(dim=1))


def test_a_prompt_twice_does_weigh_more_where_it_stands_beside_others() -> None:
    clips = [[[1.0, 0.0]]]
    near, far = [1.0, 0.0], [0.0, 1.0]
    assert detect(clips, [near, far]).clips.tolist() == [0.5]
    assert detect(clips, [near, near, far]).clips.tolist() == pytest.approx([2 / 3])


def test_each_prompt_of_a_regression_twice_moves_nothing_where_they_are_a_multiple_of_five() -> None:
    prompts, values = unit_vectors(40, 3), [*range(40)]
    clips = study([5, 3], 7)
    doubled = [prompt for prompt in prompts for _ in range(2)], [value for value in values for _ in range(2)]
    best, doubled_best = measure(clips, prompts, values), measure(clips, *doubled)
    # Each rank is there twice: the first fifth holds the same averages, and so has the same lower median.
    assert torch.equal(doubled_best.clips, best.clips)
    assert torch.equal(doubled_best.frames, best.frames)


def test_of_an_even_number_the_lower_middle_value_is_the_median() -> None:
    # Ten prompts: a fifth of them is two, 40 and 60 by rank; torch's median of two is the lower.
    angles = torch.linspace(0, 1, 10)
    prompts = torch.stack([angles.cos(), angles.sin()], dim=1).tolist()
    assert measure([[[1.0, 0.0]]], prompts, [60, 40, *range(8)]).clips.tolist() == [40]


def test_equal_cosines_keep_the_order_of_the_prompts() -> None:
    # The same prompt in fifty columns: a product in float32 need not give all of them the same bits.
    frames, prompt = unit_vectors(3, 11, width=512), unit_vectors(1, 12, width=512)
    assert measure([frames], prompt * 50, [*range(50)]).clips.tolist() == [4]  # of 0..9, the lower middle


def test_it_is_rankings_that_are_averaged_and_not_similarities() -> None:
    # One frame sure of 80, two frames faintly for 20: averaged cosines would say 80.
    prompts = torch.eye(5).tolist()
    sure, faint = [0.9, 0.0, 0.1, 0.1, 0.1], [0.0, 0.2, 0.1, 0.1, 0.1]
    found = measure([[sure, faint, faint]], prompts, [80, 20, 50, 50, 50])
    assert found.clips.tolist() == pytest.approx([(80 + 20 + 20) / 3])
    assert found.frames.tolist() == [80, 20, 20]


def test_cosines_are_rounded_correctly_whatever_the_size_of_the_batch() -> None:
    frames, prompts = unit_vectors(64, 5, width=512), unit_vectors(33, 6, width=512)
    found = cosines(torch.tensor(frames), torch.tensor(prompts))
    exact = torch.tensor([[reference.cosine(frame, prompt) for prompt in prompts] for frame in frames])
    assert torch.equal(found, exact)
    alone: Tensor = cosines(torch.tensor(frames[17:18]), torch.tensor(prompts[3:5]))
    assert torch.equal(alone, found[17:18, 3:5])
