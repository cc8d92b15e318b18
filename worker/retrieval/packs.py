"""Which model answers a search, and what tells its embeddings from those of another."""

from dataclasses import dataclass
from pathlib import Path

from config.errors import SearchError
from config.settings import Settings
from db.results.runs import ModelIdentity
from worker.echoclip.digests import embedder_of, text_tower_of
from worker.packs.active import PackUse, chosen_folder, scoring_folder
from worker.packs.folder import ModelPack, look_into_pack
from worker.packs.installed import resolve_base
from worker.packs.manifest import OPEN_CLIP


@dataclass(frozen=True, kw_only=True)
class RetrievalPack:
    """The model pack that searches."""

    folder: Path
    identity: ModelIdentity
    embedder: str
    """SHA-256 of what decides its embeddings: only those of one embedder can be compared."""
    towers: str
    """SHA-256 of what decides its embeddings of texts as well."""
    is_for_retrieval: bool
    """Chosen for it; otherwise it is the one that scores, for want of another."""


def retrieval_pack(settings: Settings) -> RetrievalPack:
    """The pack for retrieval, or without one the pack that scores. Looked into, not verified: this is quick.

    Raises
    ------
    ModelPackError
        The pack is missing or incomplete.
    SearchError
        It has no text tower.
    """
    chosen = chosen_folder(settings, PackUse.RETRIEVAL)
    pack = _with_towers(look_into_pack(chosen or scoring_folder(settings)), settings)
    return RetrievalPack(
        folder=pack.folder,
        identity=pack.identity,
        embedder=embedder_of(pack),
        towers=text_tower_of(pack),
        is_for_retrieval=chosen is not None,
    )


def index_folder(settings: Settings, embedder: str) -> Path:
    """Where the indexes of what this embedder has made lie: cache/retrieval/<first 16 of the embedder>."""
    return settings.data_dir / "cache" / "retrieval" / embedder[:16]


def _with_towers(pack: ModelPack, settings: Settings) -> ModelPack:
    """The pack that has the towers: a trained head has those of its base."""
    if pack.manifest.kind == OPEN_CLIP:
        return pack
    if pack.manifest.base is None:
        raise SearchError(f"model pack {pack.folder}: kind {pack.manifest.kind} has no text tower to search with")
    return _with_towers(resolve_base(pack, settings.packs_dir), settings)
