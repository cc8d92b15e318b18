"""Which model answers a search, and what tells its embeddings from those of another."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from config.errors import SearchError
from config.settings import Settings
from db.runs import ModelIdentity
from worker.echoclip.pack import CONFIGURATION, MANIFEST, WEIGHTS, look_into_pack


@dataclass(frozen=True, kw_only=True)
class RetrievalPack:
    """The model pack that searches."""

    folder: Path
    identity: ModelIdentity
    embedder: str
    """SHA-256 of what decides its embeddings: only those of one embedder can be compared."""
    is_for_retrieval: bool
    """Chosen for it; otherwise it is the one that scores, for want of another."""


def retrieval_pack(settings: Settings) -> RetrievalPack:
    """The pack for retrieval, or without one the pack that scores. Looked into, not verified: this is quick.

    Raises
    ------
    ModelPackError
        The pack is missing or incomplete.
    SearchError
        None is configured, and nothing was scored yet, even by the UNTRAINED model.
    """
    chosen: str = getattr(settings.model, "retrieval_pack", "")
    folder = Path(chosen or settings.model.pack or settings.packs_dir / "untrained-demo")
    if not (chosen or settings.model.pack or folder.is_dir()):
        raise SearchError("no model pack is configured, and no study has been scored yet: there is nothing to search")
    identity = look_into_pack(folder)
    return RetrievalPack(folder=folder, identity=identity, embedder=_embedder(folder), is_for_retrieval=bool(chosen))


def _embedder(folder: Path) -> str:
    files = json.loads((folder / MANIFEST).read_bytes())["files"]
    return hashlib.sha256((files[CONFIGURATION] + files[WEIGHTS]).encode()).hexdigest()
