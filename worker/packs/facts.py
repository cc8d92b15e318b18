"""The installed packs as facts, for people and for programs."""

from pathlib import Path
from typing import Any

from config.errors import ModelPackError
from config.settings import Settings
from worker.packs.active import PackUse, chosen_folder
from worker.packs.installed import InstalledPack, installed_packs
from worker.packs.manifest import CALIBRATION, PROMPTS, RULES

Facts = dict[str, Any]


def pack_facts(settings: Settings) -> list[Facts]:
    """One for each installed pack, by name: plain values. `fault` says why it cannot be used; otherwise None."""
    in_use = {use: _chosen(settings, use) for use in PackUse}
    return [
        _facts(installed, [use for use, folder in in_use.items() if folder == installed.folder])
        for installed in installed_packs(settings.packs_dir)
    ]


def _chosen(settings: Settings, use: PackUse) -> Path | None:
    try:
        return chosen_folder(settings, use)
    except ModelPackError:  # it is not among those that are here, which are to be listed all the same
        return None


def _facts(installed: InstalledPack, used_for: list[PackUse]) -> Facts:
    pack = installed.pack
    known: Facts = dict.fromkeys(("name", "version", "kind", "family", "label", "digest", "licence", "base"))
    if pack is not None:
        identity, manifest = pack.identity, pack.manifest
        known |= {"name": identity.name, "version": identity.version, "kind": manifest.kind}
        known |= {"family": identity.family, "label": identity.label.value, "digest": identity.digest}
        known |= {"licence": manifest.licence.name, "base": manifest.base.model_dump() if manifest.base else None}
    return {
        "pack": installed.name,
        **known,
        "size_bytes": installed.size_bytes,
        "licence_accepted": installed.accepted,
        "used_for": [use.value for use in used_for],
        "brings": _brings(installed),
        "fault": installed.fault,
    }


def _brings(installed: InstalledPack) -> list[str]:
    pack = installed.pack
    if pack is None:
        return []
    parts = {
        "prompts": pack.file(PROMPTS),
        "vocabulary": pack.vocabulary_folder,
        "vocabulary rules": pack.file(RULES),
        "calibration": pack.file(CALIBRATION),
    }
    return [name for name, file in parts.items() if file is not None]
