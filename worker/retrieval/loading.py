"""From the settings to a model that reads texts. It is all that search knows of a model."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from config.logs import Event, emit
from config.settings import Settings
from db.results.runs import ModelIdentity
from worker.echoclip.towers import Towers
from worker.loading import load_scoring_pack
from worker.retrieval.packs import retrieval_pack


class TextReader(Protocol):
    """A loaded model whose texts and clips have embeddings in one space."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model it is."""

    @property
    def embedder(self) -> str:
        """SHA-256 of what decides the embeddings of clips, as `StudyModel.embedder`."""

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """The embedding of each text: [N, D], of length 1."""

    def knows_nothing_of(self, text: str) -> bool:
        """Whether the embedding of this text is that of no text at all."""

    def doubt(self, text: str) -> str | None:
        """Why the embedding of this text may not say what the text says; None without a doubt. Quotes nothing of it."""


class OpenClipTextReader:
    """The text tower of an open-clip pack; EchoCLIP-R's reads whole reports."""

    def __init__(self, towers: Towers, identity: ModelIdentity, embedder: str) -> None:
        self.identity = identity
        self.embedder = embedder
        self._towers = towers

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """See `TextReader`."""
        return np.asarray(self._towers.embed_prompts(texts).numpy(), dtype=np.float32)

    def knows_nothing_of(self, text: str) -> bool:
        """See `TextReader`: no token is left of the text."""
        tokens, nothing = self._towers.tokenize([text, ""])
        return bool(tokens.equal(nothing))

    def doubt(self, text: str) -> str | None:
        """See `TextReader`: no token is left of the text, or it fills the context, so that its end may be cut off."""
        if self.knows_nothing_of(text):
            return "the model knows no word of this text"
        (tokens,) = self._towers.tokenize([text])
        if tokens[-1] != 0:
            return f"the text fills the model's {len(tokens)} tokens: what is beyond is not read"
        return None


def load_retrieval_model(settings: Settings, *, is_exact: bool = False) -> TextReader:
    """The model of `retrieval_pack`, verified and loaded; `is_exact`: its numbers are the same on every machine, or
    nearly, whatever the settings say of device and precision.

    Raises
    ------
    ModelPackError
        The pack is missing, incomplete, or not what its manifest says.
    SearchError
        As `retrieval_pack`.
    """
    chosen = retrieval_pack(settings)
    pack, model = load_scoring_pack(chosen.folder), settings.model
    towers = (
        Towers(pack, device="cpu", precision="float32")
        if is_exact
        else Towers(pack, device=model.device, precision=model.precision)
    )
    emit(Event.MODEL_LOADED, model=chosen.identity.name, label=chosen.identity.label)
    return OpenClipTextReader(towers, chosen.identity, chosen.embedder)
