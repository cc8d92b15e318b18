"""Which model answers a search, and what tells its embeddings from those of another."""

from dataclasses import dataclass
from pathlib import Path

from config.errors import SearchError
from config.settings import Settings
from db.runs import ModelIdentity
from worker.echoclip.digests import embedder_of
from worker.packs.active import PackUse, chosen_folder
from worker.packs.folder import look_into_pack
from worker.packs.installed import UNTRAINED_FOLDER, resolve_base


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
        None is active, and nothing was scored yet, even by the UNTRAINED model.
    """
    for_retrieval = chosen_folder(settings, PackUse.RETRIEVAL)
    chosen = for_retrieval or chosen_folder(settings, PackUse.SCORING)
    folder = chosen or settings.packs_dir / UNTRAINED_FOLDER
    if chosen is None and not folder.is_dir():
        raise SearchError("no model pack is active, and no study has been scored yet: there is nothing to search")
    pack = look_into_pack(folder)
    while pack.manifest.base is not None:  # a head on another pack's embeddings reads no text itself
        pack = resolve_base(pack, settings.packs_dir)
    return RetrievalPack(
        folder=pack.folder,
        identity=pack.identity,
        embedder=embedder_of(pack),
        is_for_retrieval=for_retrieval is not None,
    )
