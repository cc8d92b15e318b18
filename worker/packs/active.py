"""Which pack is in use: the one that the settings name, else the one that was activated (packs_dir/active.json).

    {"scoring": "echoclip-0123456789ab", "retrieval": "echoclip-r-ba9876543210"}

The names are those of folders in packs_dir.
"""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from config.errors import ModelPackError
from config.settings import Settings
from config.whole_files import write_durably
from worker.packs.folder import load_pack
from worker.packs.installed import BUNDLED_PACK, InstalledPack, builders_on, delete_folder, find_pack, resolve_base
from worker.packs.kinds import require_kind
from worker.packs.licences import is_accepted
from worker.packs.manifest import parsed, read

ACTIVE = "active.json"


class PackUse(StrEnum):
    """What a pack is used for."""

    SCORING = "scoring"
    RETRIEVAL = "retrieval"


class Active(BaseModel):
    """What was activated, by the names of folders."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scoring: str | None = None
    retrieval: str | None = None

    def uses(self, name: str) -> list[PackUse]:
        """What the pack of this folder name is active for."""
        return [use for use in PackUse if getattr(self, use) == name]


def read_active(packs_dir: Path) -> Active:
    """What was activated; nothing where there is no such file.

    Raises
    ------
    ModelPackError
        The file is damaged.
    """
    file = packs_dir / ACTIVE
    return parsed(Active, read(file), file) if file.exists() else Active()


def activate(packs_dir: Path, installed: InstalledPack, use: PackUse) -> None:
    """Make an installed pack the one that scores, or that retrieves, from the next study on.

    Raises
    ------
    ModelPackError
        It is damaged, its licence is not accepted, nothing here can load it, its base is not there, or it lacks the
        vocabulary that it needs for retrieval. What was active stays so.
    """
    pack = load_pack(installed.folder)
    if not is_accepted(pack):
        raise ModelPackError(
            f"model pack {installed.name}: its licence {pack.manifest.licence.name!r} has not been accepted here; "
            f"import it: echoworker packs import {installed.folder}"
        )
    require_kind(pack)
    if pack.manifest.base is not None:
        resolve_base(pack, packs_dir)
    if use is PackUse.RETRIEVAL and pack.lacks_vocabulary:
        raise ModelPackError(
            f"model pack {installed.name}: it has no vocabulary, without which it reads no text; import it once more "
            "with --also and the folder that has the vocabulary"
        )
    active = read_active(packs_dir).model_copy(update={use.value: installed.name})
    write_durably(packs_dir / ACTIVE, (active.model_dump_json(indent=1) + "\n").encode())


def remove(settings: Settings, installed: InstalledPack) -> None:
    """Remove an installed pack that nothing uses.

    Raises
    ------
    ModelPackError
        It is in use, or another pack builds on it.
    """
    for use in PackUse:
        chosen = chosen_folder(settings, use)
        if chosen is not None and chosen.resolve() == installed.folder.resolve():
            raise ModelPackError(f"model pack {installed.name}: it is in use for {use}; activate another one first")
    if (shadow := settings.rescore.shadow_pack) and _is_named(settings, shadow, installed):
        raise ModelPackError(f"model pack {installed.name}: it is in use as a shadow; name another rescore.shadow_pack")
    if installed.pack is not None and (builders := builders_on(installed.pack, settings.packs_dir)):
        raise ModelPackError(f"model pack {installed.name}: {', '.join(builders)} builds on it; remove that first")
    delete_folder(installed.folder)


def _is_named(settings: Settings, named: str, installed: InstalledPack) -> bool:
    try:
        return named_folder(settings, named).resolve() == installed.folder.resolve()
    except ModelPackError:  # what is not there is not this one
        return False


def chosen_folder(settings: Settings, use: PackUse) -> Path | None:
    """The folder of the pack in use; None where none was chosen: scoring then takes the bundled DEMO one.

    Raises
    ------
    ModelPackError
        The pack that the settings name, or that was activated, is not there.
    """
    named = settings.model.pack if use is PackUse.SCORING else settings.model.retrieval_pack
    if named:
        return named_folder(settings, named)
    active = read_active(settings.packs_dir)
    name = active.scoring if use is PackUse.SCORING else active.retrieval
    if name is None:
        return None
    folder = settings.packs_dir / name
    if not folder.is_dir():
        raise ModelPackError(
            f"model pack {name}: it is active for {use}, and not there any more; import it again, or activate "
            "another one: echoworker packs list"
        )
    return folder


def scoring_folder(settings: Settings) -> Path:
    """The folder of the pack that scores: the one that was chosen, else the bundled DEMO one.

    Raises
    ------
    ModelPackError
        The chosen one is not there.
    """
    return chosen_folder(settings, PackUse.SCORING) or BUNDLED_PACK


class ChosenPack:
    """The pack in use, for a process that goes on: looked up anew only when somebody has activated another one."""

    def __init__(self, settings: Settings, use: PackUse) -> None:
        self._settings = settings
        self._use = use
        self._seen: tuple[int, int, int] | str | None = "not looked at yet"
        self._folder: Path | None = None

    def folder(self) -> Path | None:
        """As `chosen_folder`; mostly the price of one `stat`.

        Raises
        ------
        ModelPackError
            As there, each time until it is mended.
        """
        seen = self._state()
        if seen != self._seen:
            self._folder = chosen_folder(self._settings, self._use)
            self._seen = seen
        return self._folder

    def _state(self) -> tuple[int, int, int] | None:
        try:
            found = (self._settings.packs_dir / ACTIVE).stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def named_folder(settings: Settings, named: str) -> Path:
    """A folder; or, where what is named has no path separator, the name of an installed pack before that of a folder.

    Raises
    ------
    ModelPackError
        There is no pack of this name, or more than one.
    """
    folder = Path(named)
    if folder.name == named:
        try:
            return find_pack(settings.packs_dir, named).folder
        except ModelPackError:
            if not folder.is_dir():
                raise
    return folder
