"""The heat maps of a clip by the model that scores, whatever kind of pack it is of."""

from collections.abc import Callable

from config.errors import ModelPackError
from config.settings import Settings
from worker.echoclip import explaining as by_prompts
from worker.echoclip.explaining import Explanation
from worker.linear_probe import explaining as by_weights
from worker.linear_probe.head import LINEAR_PROBE
from worker.loading import load_scoring_pack
from worker.models import Surroundings
from worker.packs.active import scoring_folder
from worker.packs.folder import ModelPack, load_pack, look_into_pack
from worker.packs.manifest import OPEN_CLIP
from worker.pixels.clip import Clip

_EXPLAINED_BY: dict[str, Callable[..., Explanation]] = {
    OPEN_CLIP: by_prompts.explain_clip,
    LINEAR_PROBE: by_weights.explain_clip,
}


def load_explainable_pack(settings: Settings) -> ModelPack:
    """The pack that scores.

    Raises
    ------
    ModelPackError
        As `load_scoring_pack`; or of its kind of model no heat maps can be made.
    """
    folder = scoring_folder(settings)
    kind = look_into_pack(folder).manifest.kind
    if kind not in _EXPLAINED_BY:
        raise ModelPackError(
            f"model pack {folder}: a model of kind {kind!r} has no heat maps, only those of kind "
            f"{' and '.join(map(repr, _EXPLAINED_BY))} have; name one of them in model.pack"
        )
    return load_scoring_pack(folder) if kind == OPEN_CLIP else load_pack(folder)


def explain_clip(
    pack: ModelPack,
    surroundings: Surroundings,
    clip: Clip,
    task_id: str,
    *,
    value: int | None = None,
    outcome: str | None = None,
    is_blurred: bool = False,
) -> Explanation:
    """Ask a task of one clip, and explain the answer, or another one: see the same for each kind of pack.

    Parameters
    ----------
    pack
        Of `load_explainable_pack`.

    Raises
    ------
    ConfigurationError, ModelPackError
        As there.
    """
    explained = _EXPLAINED_BY[pack.manifest.kind]
    return explained(pack, surroundings, clip, task_id, value=value, outcome=outcome, is_blurred=is_blurred)
