"""The zero-shot definitions in plain Python and float64, from docs/model-card.md; it shares no code with ours."""

import math
from collections.abc import Sequence

import numpy as np

Vector = Sequence[float]
Clip = Sequence[Vector]


def unit_vectors(count: int, seed: int, width: int = 8) -> list[list[float]]:
    vectors = np.random.default_rng(seed).normal(size=(count, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32).tolist()


def cosine(one: Vector, other: Vector) -> float:
    """Of float32 vectors, correctly rounded to float32: two prompts that differ by less are equally near."""
    return float(np.float32(math.fsum(a * b for a, b in zip(one, other, strict=True))))


def mean(numbers: Sequence[float]) -> float:
    return math.fsum(numbers) / len(numbers)


def lower_median(numbers: Sequence[float]) -> float:
    return sorted(numbers)[(len(numbers) - 1) // 2]


def estimate(frames: Clip, prompts: Sequence[Vector], values: Sequence[int]) -> float:
    lists = []
    for frame in frames:
        ranked = sorted(range(len(prompts)), key=lambda p: -cosine(frame, prompts[p]))
        lists.append([values[p] for p in ranked])
    averaged = [mean([one[rank] for one in lists]) for rank in range(len(prompts))]
    return lower_median(averaged[: int(len(averaged) * 0.2)])


def score(frames: Clip, prompts: Sequence[Vector]) -> float:
    return mean([cosine(frame, prompt) for frame in frames for prompt in prompts])


def severity(frame: Vector, classes: Sequence[Sequence[Vector]], logit_scale: float) -> float:
    near = [logit_scale * score([frame], prompts) for prompts in classes]
    weights = [math.exp(one - max(near)) for one in near]
    return math.fsum(number * weight for number, weight in enumerate(weights)) / math.fsum(weights)


def nearest(frames: Clip, classes: Sequence[Sequence[Vector]]) -> int:
    near = [score(frames, prompts) for prompts in classes]
    return near.index(max(near))


def spread(clips: Sequence[Sequence[float]]) -> float:
    """The standard deviation of what each frame says, every clip weighing the same."""
    centre = mean([mean(clip) for clip in clips])
    return math.sqrt(mean([mean([(one - centre) ** 2 for one in clip]) for clip in clips]))


def share(clips: Sequence[Sequence[bool]]) -> float:
    return mean([mean([float(one) for one in clip]) for clip in clips])
