"""From the settings to a model that is ready to score."""

from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import resolve_name

from config.catalogue import Catalogue
from config.errors import ModelPackError
from config.logs import Event, emit
from config.settings import Settings
from worker.echoclip.pack import ModelPack, load_pack
from worker.echoclip.untrained import make_untrained_pack
from worker.models import PackLoader, StudyModel, Surroundings
from worker.pixels.profiles import SIDE
from worker.study_scoring import Scorer
from worker.views import view_gate

OPEN_CLIP = "open-clip"


def load_scorer(settings: Settings, catalogue: Catalogue) -> Scorer:
    """The model that scores, with its view gate; and beside it the one for retrieval, where that is another.

    Raises
    ------
    ConfigurationError, ModelPackError
        As `load_model`.
    """
    model = load_model(settings, catalogue)
    retrieval = load_retrieval_model(settings, catalogue)
    if retrieval is not None and retrieval.embedder == model.embedder:
        retrieval = None
    return Scorer(model=model, gate=view_gate(settings.gate, model), retrieval=retrieval)


def load_model(settings: Settings, catalogue: Catalogue) -> StudyModel:
    """The model of the configured pack; without one, an UNTRAINED model that is made on the spot.

    Raises
    ------
    ConfigurationError
        The device is not there, or a calibration is not valid.
    ModelPackError
        The pack is missing, incomplete, not what its manifest says, or for pictures of another size.
    """
    return _loaded(Path(settings.model.pack) if settings.model.pack else _untrained_pack(settings), settings, catalogue)


def load_retrieval_model(settings: Settings, catalogue: Catalogue) -> StudyModel | None:
    """The model whose embeddings are kept for search; None where no other than the scoring one is configured.

    Raises
    ------
    ConfigurationError, ModelPackError
        As `load_model`.
    """
    folder = settings.model.retrieval_pack
    return _loaded(Path(folder), settings, catalogue) if folder else None


def load_scoring_pack(folder: Path) -> ModelPack:
    """A pack whose model takes what `prepare` makes.

    Raises
    ------
    ModelPackError
        As `load_pack`; or the model is for pictures of another size.
    """
    pack = load_pack(folder)
    _require_size(folder, pack.image_size)
    return pack


def _loaded(folder: Path, settings: Settings, catalogue: Catalogue) -> StudyModel:
    pack = load_pack(folder)
    surroundings = Surroundings(settings=settings, catalogue=catalogue, cache=settings.data_dir / "cache")
    model = _loader(getattr(pack, "kind", OPEN_CLIP))(pack, surroundings)
    _require_size(folder, model.image_size)
    emit(Event.MODEL_LOADED, model=model.identity.name, label=model.identity.label)
    return model


def _loader(kind: str) -> PackLoader:
    installed = {entry.name: entry.value for entry in entry_points(group="echoworker.pack_kinds")}
    loader: PackLoader = resolve_name(installed.get(kind, "worker.echoclip.model:load"))
    return loader


def _require_size(folder: Path, size: int) -> None:
    if size != SIDE:
        raise ModelPackError(
            f"model pack {folder}: its model takes pictures of {size} x {size}; "
            f"clips are prepared as {SIDE} x {SIDE}, and other sizes are not supported yet"
        )


def _untrained_pack(settings: Settings) -> Path:
    folder = settings.packs_dir / "untrained-demo"
    return folder if folder.exists() else make_untrained_pack(folder)
