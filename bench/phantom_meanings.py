"""What a model is to learn from clips and from sentences, and by which losses.

The two towers meet in meanings: a direction of the shared space for each answer to each question, at right angles to
all that has nothing to do with it. They are drawn at random and stay where they are. A frame is drawn to the meanings
that are true of it; later each sentence to its own. So a few thousand clips and a few hundred sentences are enough,
where pairs of pictures and reports would have to be hundreds of times as many (and towers that both begin with nothing
wait for each other).

- The values of a measurement lie along an arc of a circle, evenly: whatever frame it is compared with, the similarity
  has one peak, and falls on both sides of it. The product reads the peak, frame by frame, and averages the frames of
  whole beats (worker.echoclip.zero_shot); so the peaks of a clip's frames are to average to the truth, and where a
  frame's own peak lies is its own affair. That is how single frames tell of motion: at end systole a cavity that is
  small for its muscle speaks for a high ejection fraction, at end diastole against it. (Drawn to the truth one by one,
  frames learn to guess from the shape that goes with it.)
- The grades of a class lie along an arc as well. The loss is the cross entropy over them, of a clip's mean cosines.
- A finding that is there and one that is not, and each view, have directions of their own. A finding is asked for by a
  threshold on its cosine: the loss is the cross entropy of true and false.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.phantom.captions import LEAD_TASKS, NEVER_THERE, VIEW, Answer, Sentence

HALF_ARC = math.pi / 3
"""From the middle of an arc to either end."""
UNIT = 9.0
"""The error, in percent or mmHg, from which on a measurement's loss grows in proportion to it, and no faster."""
MOMENT = "moment"
"""What is true of single frames (bench.phantom_moments)."""
HEIGHT = 0.1
"""How much a frame's similarity to the value at its own peak is to stand out from that to others."""
WEIGHTS = {"lvef": 4.0, "pa_pressure": 1.0, VIEW: 0.4, MOMENT: 2.0}
"""Of the parts of the loss: of any grade 0.4, of a finding 2.5, of one that never is there 0.05."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is true of N clips, by the question; NaN where a clip does not tell."""

    answers: Mapping[str, Tensor]
    """float32 [N] each: the value; the number of the alternative; whether a finding is there."""

    def of(self, clips: Tensor) -> "Truth":
        """That of these clips, int64 [B]."""
        return Truth(answers={about: values[clips] for about, values in self.answers.items()})


class Meanings(nn.Module):
    """A direction for each answer to each question, all of length 1."""

    def __init__(self, sentences: Sequence[Sentence], width: int, seed: int) -> None:
        """Draw them.

        Parameters
        ----------
        sentences
            With all questions and all answers.
        width
            Of the shared space.
        """
        super().__init__()
        known: dict[str, list[Answer]] = {}
        for sentence in sentences:
            answers = known.setdefault(_asked(sentence.about), [])
            if sentence.answer not in answers:
                answers.append(sentence.answer)
        self.answers: Mapping[str, Sequence[Answer]] = known
        """To each question, in their order."""
        needed = sum(2 if _ordered(about, answers) else len(answers) for about, answers in known.items())
        if needed > width:
            raise ValueError(f"{needed} directions at right angles do not fit into {width} dimensions")
        random = torch.linalg.qr(torch.randn(width, width, generator=torch.Generator().manual_seed(seed)))[0]
        self._planes: dict[str, Tensor] = {}
        """Of each arc: the directions of its middle and of its last answer's side, [2, D]."""
        self._directions: dict[str, Tensor] = {}
        """Of the answers to each question, [A, D]."""
        taken = 0
        for about, answers in known.items():
            needed = 2 if _ordered(about, answers) else len(answers)
            directions, taken = random[taken : taken + needed], taken + needed
            if _ordered(about, answers):
                self._planes[about] = directions
                angles = torch.linspace(-HALF_ARC, HALF_ARC, len(answers))[:, None]
                directions = torch.cos(angles) * directions[0] + torch.sin(angles) * directions[1]
            self._directions[about] = directions
        findings = {about: len(answers) for about, answers in known.items() if isinstance(answers[0], bool)}
        self.found_from = nn.ParameterDict({about: nn.Parameter(torch.zeros(n)) for about, n in findings.items()})
        """The cosine above which each statement is true; needed to learn, and not kept."""
        self.of_sentences = torch.stack(
            [self._directions[a][known[a].index(s.answer)] for s in sentences for a in [_asked(s.about)]]
        )
        """Where each sentence belongs: float32 [S, D]."""

    def peaks(self, about: str, frames: Tensor) -> Tensor:
        """The value that is most similar to each frame, between the values and beyond them: [...] of [..., D]."""
        first, last = float(self.answers[about][0]), float(self.answers[about][-1])
        middle, aside = (frames @ self._planes[about].T).unbind(-1)
        return (first + last) / 2 + torch.atan2(aside, middle) / HALF_ARC * (last - first) / 2

    def truth(self, answers: Sequence[Mapping[str, Answer]]) -> Truth:
        """What is true of these clips, as `worker.phantom.captions.answers` has it."""
        return Truth(
            answers={
                about: torch.tensor(
                    [self._number(about, known[about]) if about in known else math.nan for known in answers]
                )
                for about in self.answers
            }
        )

    def _number(self, about: str, answer: Answer) -> float:
        return float(self.answers[about].index(answer) if isinstance(answer, str) else answer)

    def losses(self, frames: Tensor, truth: Truth, logit_scale: Tensor) -> dict[str, Tensor]:
        """The parts of the loss, before their weights.

        Parameters
        ----------
        frames
            float32 [B, T, D], of length 1: frames of B clips, evenly over a beat.
        """
        losses = {}
        for about, answers in self.answers.items():
            told = ~truth.answers[about].isnan()
            if not told.any():
                continue
            seen, wanted = frames[told], truth.answers[about][told]
            if isinstance(answers[0], bool):
                losses[about] = self._of_finding(about, seen.mean(dim=1), wanted, logit_scale)
            elif isinstance(answers[0], str):
                logits = logit_scale * seen.mean(dim=1) @ self._directions[about].T
                losses[about] = functional.cross_entropy(logits, wanted.long())
            else:
                losses[about] = self._of_measurement(about, seen, wanted, logit_scale)
        return losses

    def _of_finding(self, about: str, clips: Tensor, is_there: Tensor, logit_scale: Tensor) -> Tensor:
        logits = logit_scale * (clips @ self._directions[about].T - self.found_from[about])
        said = torch.tensor([float(answer) for answer in self.answers[about]])
        is_true = (is_there[:, None] == said).float()
        return functional.binary_cross_entropy_with_logits(logits, is_true)

    def _of_measurement(self, about: str, frames: Tensor, truth: Tensor, logit_scale: Tensor) -> Tensor:
        peaks, wanted = self.peaks(about, frames) / UNIT, truth / UNIT
        together = functional.smooth_l1_loss(peaks.mean(dim=1), wanted)
        # A peak could be low as well. In few and rough steps, it is to be high.
        values = torch.tensor([float(value) for value in self.answers[about][::10]])
        near = torch.softmax(-((values - UNIT * peaks.detach()[..., None]) ** 2) / 200, dim=-1)
        logits = logit_scale * frames @ self._directions[about][::10].T
        height = functional.cross_entropy(logits.flatten(0, 1), near.flatten(0, 1))
        return together + HEIGHT * height


def weighted(losses: Mapping[str, Tensor]) -> Tensor:
    """The parts of the loss together."""
    return torch.stack([_weight(about) * loss for about, loss in losses.items()]).sum()


def _weight(about: str) -> float:
    if about in WEIGHTS:
        return WEIGHTS[about]
    if about in NEVER_THERE:
        return 0.05
    return 0.4 if about.endswith(("_size", "_function")) else 2.5


def _asked(about: str) -> str:
    """Questions about one and the same lead share their sentences, and so their meanings."""
    return LEAD_TASKS[0] if about in LEAD_TASKS else about


def _ordered(about: str, answers: Sequence[Answer]) -> bool:
    return about != VIEW and not isinstance(answers[0], bool)
