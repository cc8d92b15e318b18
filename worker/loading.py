"""From the settings to a model that is ready to score."""

from pathlib import Path

from config.catalogue import Catalogue
from config.errors import EchoWorkerError, ModelPackError
from config.logs import Event, emit, place_of
from config.settings import Settings
from worker.models import StudyModel, Surroundings
from worker.packs import kinds
from worker.packs.active import PackUse, chosen_folder, scoring_folder
from worker.packs.folder import ModelPack, load_pack
from worker.pixels.profiles import SIDE
from worker.study_scoring import Scorer
from worker.views import view_gate


def load_scorer(settings: Settings, catalogue: Catalogue, *, device: str = "") -> Scorer:
    """The model that scores, with its view gate; and beside it the one for retrieval, where that is another.

    Where the one for retrieval cannot be loaded, an event says so, and studies are scored without it. `device`: as
    `Surroundings` have it.

    Raises
    ------
    ConfigurationError, ModelPackError
        As `load_model`.
    """
    model = load_model_of(scoring_folder(settings), settings, catalogue, device=device)
    retrieval = _retrieval_model_beside(model, settings, catalogue, device)
    return Scorer(model=model, gate=view_gate(settings.gate, model), retrieval=retrieval)


def _retrieval_model_beside(
    model: StudyModel, settings: Settings, catalogue: Catalogue, device: str
) -> StudyModel | None:
    try:
        retrieval = load_retrieval_model(settings, catalogue, device=device)
    except EchoWorkerError as error:
        emit(Event.SEARCH_WITHOUT_MODEL, reason=str(error))
        return None
    except Exception as error:  # noqa: BLE001  a pack's own loader, or no memory for two: answers do not need it
        emit(Event.SEARCH_WITHOUT_MODEL, error=place_of(error))
        return None
    return None if retrieval is None or retrieval.embedder == model.embedder else retrieval


def load_model(settings: Settings, catalogue: Catalogue) -> StudyModel:
    """The model of the pack that was chosen; without one, the bundled DEMO model.

    Raises
    ------
    ConfigurationError
        The device is not there, or a calibration is not valid.
    ModelPackError
        The pack is missing, incomplete, not what its manifest says, or for pictures of another size.
    """
    return load_model_of(scoring_folder(settings), settings, catalogue)


def load_retrieval_model(settings: Settings, catalogue: Catalogue, *, device: str = "") -> StudyModel | None:
    """The model whose embeddings are kept for search; None where no other than the scoring one was chosen.

    Raises
    ------
    ConfigurationError, ModelPackError
        As `load_model`.
    """
    folder = chosen_folder(settings, PackUse.RETRIEVAL)
    return None if folder is None else load_model_of(folder, settings, catalogue, device=device)


def load_model_of(folder: Path, settings: Settings, catalogue: Catalogue, *, device: str = "") -> StudyModel:
    """The model of the pack in this folder, whatever its kind; it takes what `prepare` makes.

    Raises
    ------
    ConfigurationError, ModelPackError
        As `load_model`.
    """
    cache = settings.data_dir / "cache"
    surroundings = Surroundings(settings=settings, catalogue=catalogue, cache=cache, device=device)
    model = kinds.load_model(load_pack(folder), surroundings)
    require_size(folder, model.image_size)
    emit(Event.MODEL_LOADED, model=model.identity.name, label=model.identity.label)
    return model


def load_scoring_pack(folder: Path) -> ModelPack:
    """A pack of kind open-clip whose model takes what `prepare` makes; the model itself is not loaded.

    Raises
    ------
    ModelPackError
        As `load_pack`; or the model is for pictures of another size.
    """
    pack = load_pack(folder)
    require_size(folder, pack.image_size)
    return pack


def require_size(folder: Path, size: int) -> None:
    """The model of this pack takes pictures of the edge, in pixels, that `prepare` makes, or of a whole part of it.

    Raises
    ------
    ModelPackError
        They are of another size.
    """
    if SIDE % size:
        raise ModelPackError(
            f"model pack {folder}: its model takes pictures of {size} x {size}; clips are prepared as {SIDE} x {SIDE}, "
            "which are averaged down to whole parts of that and to no other size"
        )
