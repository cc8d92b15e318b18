"""All that can be told of a pack before it is used: digests, kind, base, tensors, and each of its optional files."""

import json
from pathlib import Path

from tokenizers import Tokenizer

from config.errors import ModelPackError
from worker.packs.folder import ModelPack, load_pack
from worker.packs.installed import resolve_base
from worker.packs.kinds import require_kind
from worker.packs.manifest import MANIFEST, OPEN_CLIP, VOCABULARY, WEIGHTS, WORDPIECE, read
from worker.packs.weights import architecture, check_weights


def check_pack(folder: Path, packs_dir: Path) -> ModelPack:
    """Check everything; a pack that goes through here can be loaded.

    Raises
    ------
    ModelPackError
        Something is missing, damaged or does not fit; the message says what.
    """
    pack = load_pack(folder)
    require_kind(pack)
    if pack.manifest.base is not None:
        resolve_base(pack, packs_dir)
    if pack.manifest.kind == OPEN_CLIP:
        check_weights(folder / WEIGHTS, architecture(folder))
    _ = pack.published_prompts
    if pack.vocabulary_folder is not None:
        _check_vocabulary(pack.vocabulary_folder)
    if pack.calibration_file is not None:
        _check_calibration(pack.calibration_file)
    return pack


def stray_files(pack: ModelPack) -> list[str]:
    """The files that lie in its folder and that the manifest does not name: nothing reads them."""
    known = {*pack.manifest.files, MANIFEST, "accepted.json"}
    return sorted(path.name for path in pack.folder.iterdir() if path.name not in known)


def _check_vocabulary(folder: Path) -> None:
    file = folder / VOCABULARY
    try:
        phrases = read(file).decode().splitlines()
    except UnicodeDecodeError as error:
        raise ModelPackError(f"{file}: is not UTF-8") from error
    if not any(phrase.strip() for phrase in phrases):
        raise ModelPackError(f"{file}: has no phrases")
    try:
        Tokenizer.from_file(str(folder / WORDPIECE))
    except Exception as error:  # the library raises no other type
        raise ModelPackError(f"{folder / WORDPIECE}: no tokenizer that the library tokenizers can read") from error


def _check_calibration(file: Path) -> None:
    try:
        json.loads(read(file))
    except ValueError as error:
        raise ModelPackError(f"{file}: is not JSON") from error
