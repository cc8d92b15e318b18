"""What a model is to learn from a clip: its losses, of frames and sentences that are embedded together.

Each kind of question is trained as it will be asked (worker.echoclip.zero_shot):

- A measurement is ranked over all filled prompts, frame by frame, and the frames of a whole beat are averaged. So a
  frame's similarities are to have one peak, and the peaks are to average to the truth; where a frame's own peak lies is
  its own affair.
- A class is the nearest of its alternatives: cross entropy over them, on the mean cosine of a clip.
- A finding is the mean cosine with its prompts: cross entropy of true and false, for each sentence by itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.phantom.captions import Answer, Sentence

WIDTHS = {"lvef": 10.0, "pa_pressure": 10.0}
"""Of the peak that the similarities of a frame are to have over the values: a standard deviation, in their unit."""
STEPS = {"lvef": 2, "pa_pressure": 3}
"""Every which value is compared in one step; from which on changes from step to step."""
SPREADS = {"lvef": 18.0, "pa_pressure": 15.0}
"""About the standard deviations over synthetic hearts, in their unit."""
AGREEMENT = 0.25
"""How far the frames of a clip are drawn to its truth, each by itself: 0 not at all, 1 only that."""
WEIGHTS = {"lvef": 2.0, "pa_pressure": 0.7, "found": 4.0, "view": 0.7}
"""Of the parts of the loss; of any other 0.4."""
MARGIN_OF_VALUES = 3.0
"""No peak is asked for nearer to the first and the last value than this."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is true of N clips."""

    measured: Mapping[str, Tensor]
    """float32 [N] each, NaN where a clip does not tell."""
    chosen: Mapping[str, Tensor]
    """int64 [N] each: the number of the alternative, -1 where a clip does not tell."""
    found: Tensor
    """float32 [N, F]: whether each of the sentences about findings is true, NaN where a clip does not tell."""

    def of(self, clips: Tensor) -> "Truth":
        """That of these clips, int64 [B]."""
        return Truth(
            measured={about: values[clips] for about, values in self.measured.items()},
            chosen={about: numbers[clips] for about, numbers in self.chosen.items()},
            found=self.found[clips],
        )


class Lessons(nn.Module):
    """All sentences, by the kind of question that they answer."""

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        super().__init__()
        self.sentences = tuple(sentences)
        self._measured: dict[str, list[list[int]]] = {}
        """By what it is about, by style: the sentence of each value, ascending."""
        self._chosen: dict[str, list[list[int]]] = {}
        """By what it is about, by style: the sentence of each alternative."""
        self.alternatives: dict[str, list[str]] = {}
        self._found: list[int] = []
        for index, sentence in enumerate(self.sentences):
            if isinstance(sentence.answer, bool):
                self._found.append(index)
            elif isinstance(sentence.answer, str):
                known = self.alternatives.setdefault(sentence.about, [])
                if sentence.answer not in known:
                    known.append(sentence.answer)
        for index, sentence in enumerate(self.sentences):
            if isinstance(sentence.answer, bool):
                continue
            of_kind = self._chosen if isinstance(sentence.answer, str) else self._measured
            styles = of_kind.setdefault(sentence.about, [])
            while len(styles) <= sentence.style:
                styles.append([])
            styles[sentence.style].append(index)
        self.found_from = nn.Parameter(torch.zeros(len(self._found)))
        """The cosine above which a sentence is true, for each; needed to learn, and not kept."""

    def truth(self, answers: Sequence[Mapping[str, Answer]]) -> Truth:
        """What is true of these clips."""
        measured = {
            about: torch.tensor([float(known.get(about, np.nan)) for known in answers]) for about in self._measured
        }
        chosen = {
            about: torch.tensor([alternatives.index(str(known[about])) if about in known else -1 for known in answers])
            for about, alternatives in self.alternatives.items()
        }
        found = [[self._is_true(known, index) for index in self._found] for known in answers]
        return Truth(measured=measured, chosen=chosen, found=torch.tensor(found))

    def _is_true(self, known: Mapping[str, Answer], index: int) -> float:
        sentence = self.sentences[index]
        return float(known[sentence.about] == sentence.answer) if sentence.about in known else float("nan")

    def losses(
        self,
        frames: Tensor,
        truth: Truth,
        embed: Callable[[Sequence[int]], Tensor],
        logit_scale: Tensor,
        random: np.random.Generator,
    ) -> dict[str, Tensor]:
        """The parts of the loss, before their weights.

        Parameters
        ----------
        frames
            float32 [B, T, D], of length 1: frames of B clips, evenly over a beat.
        embed
            Embeds the sentences of these numbers: float32 [S, D], of length 1.
        """
        ranked = {about: self._ranked(about, random) for about in self._measured}
        needed = [index for groups in ranked.values() for group in groups for index in group]
        needed += [index for styles in self._chosen.values() for style in styles for index in style]
        needed += self._found
        place = {index: number for number, index in enumerate(needed)}
        cosines = frames @ embed(needed).T

        def of(indices: Sequence[int]) -> Tensor:
            return cosines[..., [place[index] for index in indices]]

        losses = {}
        for about, groups in ranked.items():
            losses[about] = self._of_measurement(about, groups, truth.measured[about], of, logit_scale)
        for about, styles in self._chosen.items():
            losses[about] = _of_choice([logit_scale * of(style) for style in styles], truth.chosen[about])
        logits = logit_scale * (of(self._found).mean(dim=1) - self.found_from)
        told = ~truth.found.isnan()
        losses["found"] = functional.binary_cross_entropy_with_logits(logits[told], truth.found[told])
        return losses

    def _ranked(self, about: str, random: np.random.Generator) -> list[list[int]]:
        """The sentences that are compared with each other in this step: all prompts together, any other style alone."""
        step = STEPS.get(about, 1)
        groups: list[list[int]] = [[]]
        for style in self._measured[about]:
            some = style[int(random.integers(step)) :: step]
            if self.sentences[style[0]].is_prompt:
                groups[0] += some
            else:
                groups.append(some)
        return groups

    def _of_measurement(
        self,
        about: str,
        groups: Sequence[Sequence[int]],
        truth: Tensor,
        of: Callable[[Sequence[int]], Tensor],
        logit_scale: Tensor,
    ) -> Tensor:
        told = ~truth.isnan()
        if not told.any():
            return truth.new_zeros(())
        wanted = truth[told, None]
        loss = truth.new_zeros(())
        where: Tensor | None = None
        for group in groups:
            values = torch.tensor([float(self.sentences[index].answer) for index in group])
            logits = (logit_scale * of(group))[told]
            if where is None:
                said = torch.softmax(logits, dim=-1) @ values
                # What is asked for in the end: the mean over the beat.
                of_beat, true = said.mean(dim=1) / SPREADS[about], wanted[:, 0] / SPREADS[about]
                loss = loss + functional.smooth_l1_loss(of_beat, true)
                said = said.detach()
                # The frames keep their differences, and move together until their mean is right.
                together = said + wanted - said.mean(dim=1, keepdim=True)
                where = (1 - AGREEMENT) * together + AGREEMENT * wanted
                where = where.clamp(float(values.min()) + MARGIN_OF_VALUES, float(values.max()) - MARGIN_OF_VALUES)
            peak = torch.softmax(-((values - where[..., None]) ** 2) / (2 * WIDTHS[about] ** 2), dim=-1)
            loss = loss + functional.cross_entropy(logits.flatten(0, 1), peak.flatten(0, 1)) / len(groups)
            # Less what the best answer would cost.
            loss = loss + (peak * (peak + 1e-9).log()).sum(dim=-1).mean() / len(groups)
        return loss


def _of_choice(styles: Sequence[Tensor], truth: Tensor) -> Tensor:
    """Each style by itself, on the mean of a clip's frames; and their mean, frame by frame. Logits [B, T, K] each."""
    told = truth >= 0
    if not told.any():
        return truth.new_zeros((), dtype=torch.float32)
    wanted = truth[told]
    of_styles = [functional.cross_entropy(logits[told].mean(dim=1), wanted) for logits in styles]
    together = torch.stack([logits[told] for logits in styles]).mean(dim=0)
    number = together.shape[1]
    of_frames = functional.cross_entropy(together.flatten(0, 1), wanted.repeat_interleave(number))
    return torch.stack(of_styles).mean() + 0.5 * of_frames


def weighted(losses: Mapping[str, Tensor]) -> Tensor:
    """The parts of the loss together."""
    return torch.stack([WEIGHTS.get(about, 0.4) * loss for about, loss in losses.items()]).sum()
