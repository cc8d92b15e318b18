"""From the settings to a model that is ready to score."""

from pathlib import Path

from config.catalogue import Catalogue
from config.errors import ModelPackError
from config.logs import Event, emit
from config.settings import Settings
from worker.echoclip.towers import Towers
from worker.echoclip.untrained import make_untrained_pack
from worker.packs.active import PackUse, chosen_folder
from worker.packs.folder import ModelPack, load_pack
from worker.pixels.profiles import SIDE
from worker.study_scoring import Scorer
from worker.views import view_gate


def load_scorer(settings: Settings, catalogue: Catalogue) -> Scorer:
    """The model of the pack that was chosen; without one, an UNTRAINED model that is made on the spot.

    Raises
    ------
    ModelPackError
        The pack is missing, incomplete, not what its manifest says, or for pictures of another size.
    """
    pack = load_scoring_pack(chosen_folder(settings, PackUse.SCORING) or _untrained_pack(settings))
    towers = Towers(pack, device=settings.model.device, precision=settings.model.precision)
    emit(Event.MODEL_LOADED, model=pack.identity.name, label=pack.identity.label)
    gate = view_gate(settings.gate, pack.identity, catalogue.views, towers.embed_prompts)
    return Scorer(towers, pack.identity, catalogue, gate)


def load_scoring_pack(folder: Path) -> ModelPack:
    """A pack whose model takes what `prepare` makes.

    Raises
    ------
    ModelPackError
        As `load_pack`; or the model is for pictures of another size.
    """
    pack = load_pack(folder)
    if pack.image_size != SIDE:
        raise ModelPackError(
            f"model pack {folder}: its model takes pictures of {pack.image_size} x {pack.image_size}; "
            f"clips are prepared as {SIDE} x {SIDE}, and other sizes are not supported yet"
        )
    return pack


def _untrained_pack(settings: Settings) -> Path:
    folder = settings.packs_dir / "untrained-demo"
    return folder if folder.exists() else make_untrained_pack(folder)
