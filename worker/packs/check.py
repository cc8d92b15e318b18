"""All that can be told of a pack before it is used: digests, kind, base, tensors, and each of its optional files."""

from pathlib import Path

from config.calibration import load_calibration
from config.errors import ConfigurationError, ModelPackError
from worker.echoclip.template.vocabulary import TemplateVocabulary
from worker.packs.folder import ModelPack, load_pack
from worker.packs.installed import BUNDLED_PACK, resolve_base
from worker.packs.kinds import require_kind
from worker.packs.manifest import ACCEPTED, MANIFEST, OPEN_CLIP, VOCABULARY, WEIGHTS, read_manifest
from worker.packs.weights import Shapes, architecture, check_weights


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
        expected = architecture(folder)
        check_weights(folder / WEIGHTS, expected)
        _check_vocabulary(pack, expected)
        _require_demo_stays_demo(pack)
    _ = pack.published_prompts
    if pack.calibration_file is not None:
        _check_calibration(pack.calibration_file)
    return pack


def stray_files(pack: ModelPack) -> list[str]:
    """The files that lie in its folder and that the manifest does not name: nothing reads them."""
    known = {*pack.manifest.files, MANIFEST, ACCEPTED}
    return sorted(path.name for path in pack.folder.iterdir() if path.name not in known)


def _check_vocabulary(pack: ModelPack, expected: Shapes) -> None:
    """A text tower has a row for each of its tokens, and would end in an error at the first one without."""
    if pack.vocabulary_folder is None:
        return
    needed = TemplateVocabulary.read(pack.vocabulary_folder).end + 1
    has = next(shape[0] for name, shape in expected.items() if name.endswith("token_embedding.weight"))
    if needed > has:
        raise ModelPackError(
            f"{pack.folder / VOCABULARY}: makes {needed} tokens, and the text tower knows {has}: it is another model's"
        )


def _require_demo_stays_demo(pack: ModelPack) -> None:
    """Whatever a manifest calls it: the weights that come with this software know synthetic hearts alone."""
    label, bundled = pack.identity.label, read_manifest(BUNDLED_PACK)[0]
    if pack.manifest.files[WEIGHTS] == bundled.files[WEIGHTS] and label.trust > bundled.label.trust:
        raise ModelPackError(
            f"{pack.folder / MANIFEST}: label: its weights are those of the {bundled.label} model, not {label}"
        )


def _check_calibration(file: Path) -> None:
    try:
        load_calibration(file)
    except ConfigurationError as error:
        raise ModelPackError(f"model pack {file.parent}: {error}") from error
