"""The doctor's checks of model packs: those in use, and those that lie there."""

from pathlib import Path

from config.errors import ModelPackError
from config.labels import ModelLabel
from config.settings import Settings
from dicom_node.findings import Doubt, FaultError
from worker.packs.active import PackUse, chosen_folder
from worker.packs.folder import ModelPack, load_pack
from worker.packs.installed import SHORT_DIGEST, installed_packs, resolve_base
from worker.packs.kinds import require_kind
from worker.packs.licences import is_accepted
from worker.packs.manifest import OPEN_CLIP


def scoring_pack(settings: Settings) -> str:
    """The pack that scores."""
    folder = chosen_folder(settings, PackUse.SCORING)
    if folder is None:
        raise Doubt(
            "none chosen: the bundled DEMO model is used, which has seen no patient; echoworker packs import FOLDER, "
            "then packs activate"
        )
    pack = _usable(settings, folder)
    named = _named(pack)
    if pack.identity.label in (ModelLabel.UNTRAINED, ModelLabel.DEMO):
        raise Doubt(f"{named}: its numbers say nothing about a patient")
    return named if pack.identity.label is ModelLabel.CLINICAL else f"{named}: not for clinical use"


def retrieval_pack(settings: Settings) -> str:
    """The pack that searches and compares."""
    folder = chosen_folder(settings, PackUse.RETRIEVAL)
    if folder is None:
        return "none chosen: echoworker search and its like have no model"
    pack = _usable(settings, folder)
    if pack.lacks_vocabulary:
        raise FaultError(
            f"{_named(pack)}: has no vocabulary, without which it reads no text: import it once more with --also and "
            "the folder that has the vocabulary"
        )
    return _named(pack)


def packs_that_lie_there(settings: Settings) -> str:
    """All that are installed, used or not; their digests are checked by `packs verify`."""
    installed = installed_packs(settings.packs_dir)
    if broken := [each for each in installed if each.pack is None]:
        raise Doubt(f"{len(broken)} of {len(installed)} cannot be used: echoworker packs list says why")
    return f"{len(installed)}" if installed else "none"


def has_scoring_pack(settings: Settings) -> bool:
    """Whether one was chosen, good or not."""
    try:
        return chosen_folder(settings, PackUse.SCORING) is not None
    except ModelPackError:
        return True


def _usable(settings: Settings, folder: Path) -> ModelPack:
    pack = load_pack(folder)
    require_kind(pack)
    if pack.manifest.base is not None:
        resolve_base(pack, settings.packs_dir)
    if pack.manifest.kind == OPEN_CLIP:
        from worker.loading import require_size  # noqa: PLC0415  torch costs a second

        require_size(folder, pack.image_size)
    if not is_accepted(pack):
        raise Doubt(
            f"{_named(pack)}: nobody has accepted its licence here, {pack.manifest.licence.name!r}: "
            f"echoworker packs import {folder}"
        )
    return pack


def _named(pack: ModelPack) -> str:
    identity = pack.identity
    return f"{identity.name} {identity.version} ({identity.label}), {identity.digest[:SHORT_DIGEST]}"
