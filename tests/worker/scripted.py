"""A model whose calls are known in advance: it sees in each clip the views that a test tells it to."""

from collections.abc import Sequence

import torch
from torch import Tensor

from config.catalogue import Catalogue
from config.labels import ModelLabel
from config.sections.scoring import GateSettings
from db.results.runs import ModelIdentity
from worker.echoclip.model import EchoClipModel
from worker.study_scoring import Scorer
from worker.views import view_gate

Shown = dict[str, float]
"""View id -> the cosine of the clip's frames with that view's prompts; the squares add up to at most 1."""


class ScriptedTowers:
    """Each view has an axis of its own, and all tasks have one; a clip lies on the axes of what it shows."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._axes = {prompt: axis for axis, view in enumerate(catalogue.views) for prompt in view.prompts}
        self._numbers = {view.id: axis for axis, view in enumerate(catalogue.views)}
        self.shows: list[str | Shown] = []
        """What the next clips show, in the order in which they are scored; the last one goes on for ever."""

    def embed_prompts(self, prompts: Sequence[str]) -> Tensor:
        return torch.stack([self._axis(self._axes.get(prompt, len(self._numbers))) for prompt in prompts])

    def embed_frames(self, frames: Tensor) -> Tensor:
        shown = self.shows.pop(0) if len(self.shows) > 1 else self.shows[0]
        cosines = {shown: 1.0} if isinstance(shown, str) else shown
        embedding = sum((cosine * self._axis(self._numbers[view]) for view, cosine in cosines.items()), torch.zeros(()))
        # What is left of its length goes where no prompt is.
        embedding[-1] = max(0.0, 1 - sum(cosine**2 for cosine in cosines.values())) ** 0.5
        return embedding.expand(len(frames), -1)

    def embed_clips(self, clips: Sequence[Tensor]) -> list[Tensor]:
        return [self.embed_frames(frames) for frames in clips]

    def _axis(self, number: int) -> Tensor:
        return torch.eye(len(self._numbers) + 2)[number]


def scripted_model(
    towers: ScriptedTowers,
    catalogue: Catalogue,
    gate: GateSettings,
    *,
    label: ModelLabel = ModelLabel.RESEARCH,
    embedder: str = "e" * 64,
    frames_at_once: int = 1,
) -> EchoClipModel:
    return EchoClipModel(
        towers,
        towers.embed_prompts,
        identity=ModelIdentity(name="Scripted", version="1", family="scripted", label=label, digest="0" * 64),
        embedder=embedder,
        catalogue=catalogue,
        profile="fast-1",
        frames_at_once=frames_at_once,
        view_margin=gate.view_margin,
    )


def scripted_scorer(
    towers: ScriptedTowers,
    catalogue: Catalogue,
    gate: GateSettings,
    *,
    label: ModelLabel = ModelLabel.RESEARCH,
    embedder: str = "e" * 64,
    frames_at_once: int = 1,
) -> Scorer:
    """Another `embedder` is another model, which uses nothing that this one has kept."""
    model = scripted_model(towers, catalogue, gate, label=label, embedder=embedder, frames_at_once=frames_at_once)
    return Scorer(model=model, gate=view_gate(gate, model))
