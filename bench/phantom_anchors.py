"""Where sentences lie before a text tower knows them: places that learn, one for each answer.

At first image and text tower embed everything alike, and each waits for the other: with sentences alone, 500 steps
taught neither anything. So pictures first learn against anchors, and the text tower to put each sentence where its
answer's anchor is; later pictures and sentences learn against each other, as they will be used.

The answers of one question that have an order lie on an arc, in their order: what is between two answers, is so in the
picture as well, and a frame that is ranked over all of them has one peak.
"""

from collections.abc import Mapping, Sequence
from math import pi

import torch
from torch import Tensor, nn
from torch.nn import functional

from worker.phantom.captions import VIEW, Answer, Sentence

HALF_ARC = pi / 3
"""From the middle of an arc to its first and its last answer."""


class Anchors(nn.Module):
    """A place for each answer to each question, shared by all sentences that say it."""

    def __init__(self, sentences: Sequence[Sentence], width: int) -> None:
        super().__init__()
        answers: dict[str, list[Answer]] = {}
        for sentence in sentences:
            known = answers.setdefault(sentence.about, [])
            if sentence.answer not in known:
                known.append(sentence.answer)
        arcs = [about for about, known in answers.items() if _have_an_order(about, known)]
        alone = [(about, answer) for about, known in answers.items() if about not in arcs for answer in known]
        self._arc_of = {about: number for number, about in enumerate(arcs)}
        self._alone_of = {key: number for number, key in enumerate(alone)}
        self._part = {about: _parts(answers[about]) for about in arcs}
        self._keys = [(sentence.about, sentence.answer) for sentence in sentences]
        self.arcs = nn.Parameter(torch.randn(len(arcs), 2, width) / width**0.5)
        self.alone = nn.Parameter(torch.randn(len(alone), width) / width**0.5)

    def forward(self, indices: Sequence[int]) -> Tensor:
        """The anchors of these sentences: float32 [S, D], of length 1."""
        middle = functional.normalize(self.arcs[:, 0], dim=-1)
        aside = self.arcs[:, 1] - (self.arcs[:, 1] * middle).sum(dim=-1, keepdim=True) * middle
        aside = functional.normalize(aside, dim=-1)
        alone = functional.normalize(self.alone, dim=-1)
        places = []
        for about, answer in (self._keys[index] for index in indices):
            if about in self._arc_of:
                arc, angle = self._arc_of[about], torch.tensor(self._part[about][answer] * HALF_ARC)
                places.append(torch.cos(angle) * middle[arc] + torch.sin(angle) * aside[arc])
            else:
                places.append(alone[self._alone_of[about, answer]])
        return torch.stack(places)


def _have_an_order(about: str, answers: Sequence[Answer]) -> bool:
    return about != VIEW and not isinstance(answers[0], bool)


def _parts(answers: Sequence[Answer]) -> Mapping[Answer, float]:
    """Of an arc, -1 to 1, for each answer in its order."""
    last = len(answers) - 1
    return {answer: 2 * number / last - 1 for number, answer in enumerate(answers)}
