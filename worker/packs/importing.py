"""A pack comes into the installation: made whole and checked beside the others, and only then given its name."""

import shutil
from pathlib import Path

from config.errors import ModelPackError
from config.whole_files import sync, unfinished_name
from worker.echoclip.template.rules import published_rules
from worker.packs.check import check_pack
from worker.packs.folder import ModelPack, load_pack, look_into_pack
from worker.packs.installed import delete_folder, folder_name, slug
from worker.packs.licences import Acceptance
from worker.packs.manifest import ACCEPTED, MANIFEST, WEIGHTS, digests, manifest_bytes
from worker.packs.source import Source, require_undamaged
from worker.packs.weights import architecture, install_weights


def import_pack(source: Source, packs_dir: Path, accepted: Acceptance) -> ModelPack:
    """Make a pack of a source whose terms were accepted, check all of it, and install it.

    Raises
    ------
    ModelPackError
        Something of it is missing, damaged or does not fit; nothing was installed.
    OSError
        The disk is full or failed; nothing was installed.
    """
    packs_dir.mkdir(parents=True, exist_ok=True)
    making = unfinished_name(packs_dir / slug(source.folder.name))
    making.mkdir()
    try:
        require_undamaged(source)
        _copy_files(source, making)
        if source.ready is not None and not source.is_changed:
            shutil.copyfile(source.folder / MANIFEST, making / MANIFEST)
        else:
            (making / MANIFEST).write_bytes(manifest_bytes(source.manifest_for(digests(making))))
        return install_pack(making, packs_dir, accepted)
    except ModelPackError as error:
        # Of the folder that the operator knows.
        raise ModelPackError(str(error).replace(str(making), str(source.folder))) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)


def install_pack(made: Path, packs_dir: Path, accepted: Acceptance) -> ModelPack:
    """Check a pack that lies ready in a folder of packs_dir's file system, and move it to its place there.

    Where the very same pack is installed already, that one stays, unless it is damaged.

    Raises
    ------
    ModelPackError
        Something of it is missing, damaged or does not fit; nothing was installed.
    OSError
        The disk is full or failed; nothing was installed.
    """
    pack = check_pack(made, packs_dir)
    (made / ACCEPTED).write_text(accepted.model_dump_json(indent=1) + "\n")
    for file in made.iterdir():
        sync(file)
    sync(made)
    place = packs_dir / folder_name(pack.manifest, pack.identity.digest)
    if place.exists() and not _is_whole(place):
        delete_folder(place)
    try:
        made.rename(place)
    except OSError:
        if not (place / MANIFEST).exists():
            raise  # not this pack, installed already: something else is in the way
        (made / ACCEPTED).replace(place / ACCEPTED)
    sync(packs_dir)
    return look_into_pack(place)


def _copy_files(source: Source, folder: Path) -> None:
    for name, file in source.files.items():
        if source.ready is not None or name != WEIGHTS:
            shutil.copyfile(file, folder / name)
    if source.rules_from is not None:
        published_rules(source.rules_from).write(folder)
    if source.ready is None:
        install_weights(source.files[WEIGHTS], folder, architecture(folder))


def _is_whole(place: Path) -> bool:
    try:
        load_pack(place)
    except ModelPackError:
        return False
    return True
