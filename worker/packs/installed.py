"""The packs of an installation: packs_dir/<name>-<first twelve digits of its digest>/."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from config.errors import ModelPackError
from config.whole_files import sync, unfinished_name
from worker.packs.folder import ModelPack, load_pack, look_into_pack
from worker.packs.licences import is_accepted
from worker.packs.manifest import Manifest

SHORT_DIGEST = 12
BUNDLED_PACK = Path(__file__).parents[1] / "phantom" / "demo_pack"
"""The DEMO model that comes with this software, trained on synthetic hearts (docs/phantom.md): used while no pack is
active."""


@dataclass(frozen=True, kw_only=True)
class InstalledPack:
    """A folder of the installation, whole or not."""

    folder: Path
    pack: ModelPack | None
    """None: it cannot be used."""
    fault: str | None
    """Why not."""

    @property
    def name(self) -> str:
        """The name by which there is only this one."""
        return self.folder.name

    @property
    def accepted(self) -> bool:
        """Whether its licence was accepted here."""
        return self.pack is not None and is_accepted(self.pack)

    @property
    def size_bytes(self) -> int:
        """What it takes of the disk."""
        return sum(file.stat().st_size for file in self.folder.iterdir() if file.is_file())


def slug(name: str) -> str:
    """A name in lower-case letters, digits and hyphens, as it stands in names of folders."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "pack"


def folder_name(manifest: Manifest, digest: str) -> str:
    """What a pack's folder is called where it is installed."""
    return f"{slug(manifest.name)}-{digest[:SHORT_DIGEST]}"


def installed_packs(packs_dir: Path) -> list[InstalledPack]:
    """All of them by name, those that cannot be used as well; digests are not checked here."""
    if not packs_dir.is_dir():
        return []
    folders = sorted(path for path in packs_dir.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [_looked_at(folder) for folder in folders]


def find_pack(packs_dir: Path, wanted: str) -> InstalledPack:
    """The installed pack of this name: that of its folder, or the manifest's, or the beginning of its digest.

    Raises
    ------
    ModelPackError
        There is none, or more than one.
    """
    installed = installed_packs(packs_dir)
    if exactly := [each for each in installed if each.name == wanted]:
        return exactly[0]
    found = [each for each in installed if each.pack is not None and _is_called(each.pack, wanted)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(each.name for each in found or installed)
    if found:
        raise ModelPackError(f"model pack {wanted!r}: {len(found)} are installed: say which: {names}")
    raise ModelPackError(
        f"model pack {wanted!r}: none of this name is installed (there are: {names or 'none'}); "
        "echoworker packs import FOLDER installs one"
    )


def resolve_base(pack: ModelPack, packs_dir: Path) -> ModelPack:
    """The installed pack that this one builds on, verified.

    Raises
    ------
    ModelPackError
        It is not installed, or another version of it is, or it is damaged; or the pack claims to be trusted further
        than its base; or it has no base.
    """
    base = pack.manifest.base
    if base is None:
        raise ModelPackError(f"model pack {pack.folder}: its manifest names no base")
    described = f"model pack {pack.folder}: it builds on {base.name} {base.digest[:SHORT_DIGEST]}"
    usable = [each.pack for each in installed_packs(packs_dir) if each.pack is not None]
    its = next((each for each in usable if each.identity.digest == base.digest), None)
    if its is None:
        others = [each.folder.name for each in usable if each.identity.name == base.name]
        have = f"only another of that name is installed ({', '.join(others)})" if others else "which is not installed"
        raise ModelPackError(f"{described}: {have}; install that very pack: echoworker packs import FOLDER")
    if pack.identity.label.trust > its.identity.label.trust:
        raise ModelPackError(
            f"{described}, which is labelled {its.identity.label}: "
            f"a pack on it cannot be labelled {pack.identity.label}"
        )
    return load_pack(its.folder)


def builders_on(pack: ModelPack, packs_dir: Path) -> list[str]:
    """The names of the installed packs that build on this one."""
    return [
        each.name
        for each in installed_packs(packs_dir)
        if each.pack is not None
        and each.pack.manifest.base is not None
        and each.pack.manifest.base.digest == pack.identity.digest
    ]


def delete_folder(folder: Path) -> None:
    """Remove a pack from the installation, at once for whoever looks.

    Raises
    ------
    OSError
        It cannot be removed.
    """
    going = folder.rename(unfinished_name(folder))
    sync(folder.parent)
    shutil.rmtree(going)


def _looked_at(folder: Path) -> InstalledPack:
    try:
        return InstalledPack(folder=folder, pack=look_into_pack(folder), fault=None)
    except ModelPackError as error:
        return InstalledPack(folder=folder, pack=None, fault=str(error))


def _is_called(pack: ModelPack, wanted: str) -> bool:
    by_digest = len(wanted) >= SHORT_DIGEST and pack.identity.digest.startswith(wanted)
    return by_digest or wanted.lower() in (pack.identity.name.lower(), slug(pack.identity.name))
