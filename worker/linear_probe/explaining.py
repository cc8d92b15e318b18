"""The heat maps of one clip for the answer of a trained head: what moves the embedding along the head's own weights.

A head's decision is the product of an embedding with its weights, as a cosine is that with a prompt's embedding: so the
weights, brought to length 1, take the prompt's place as the target of Grad-CAM, in the image tower of the base.
"""

from dataclasses import replace

from config.calibration import site_calibration
from config.errors import ConfigurationError, ModelPackError
from worker.echoclip import explaining as by_prompts
from worker.echoclip.explaining import Explanation
from worker.echoclip.grad_cam import on_one_scale, support_maps
from worker.echoclip.model import model_of
from worker.echoclip.towers import Towers
from worker.linear_probe.head import read_head
from worker.linear_probe.model import LinearProbe
from worker.loading import require_size
from worker.models import Surroundings
from worker.packs.folder import ModelPack
from worker.packs.installed import resolve_base
from worker.packs.manifest import OPEN_CLIP
from worker.pixels.clip import Clip


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
    """As `worker.echoclip.explaining.explain_clip`, of a pack of kind linear-probe; other tasks as its base has them.

    Raises
    ------
    ConfigurationError
        As there; or a value is to be explained, and a head has one direction for all of them.
    ModelPackError
        As there; or the base is not installed, or of a kind whose towers are not known here; or the head is damaged.
    """
    settings, trained = surroundings.settings, read_head(pack.folder)
    base = resolve_base(pack, settings.packs_dir)
    if base.manifest.kind != OPEN_CLIP:
        raise ModelPackError(
            f"model pack {pack.folder}: no heat map can be made of a head on a model of kind {base.manifest.kind!r}, "
            f"only of one on kind {OPEN_CLIP!r}"
        )
    require_size(base.folder, base.image_size)
    if task_id != trained.head.answers.task_id:
        of_base = by_prompts.explain_clip(
            base, surroundings, clip, task_id, value=value, outcome=outcome, is_blurred=is_blurred
        )
        return replace(of_base, model=pack.identity)
    alone = by_prompts.with_task_alone(surroundings, task_id)
    (task,) = alone.catalogue.tasks
    if value is not None:
        raise ConfigurationError(f"task {task_id!r} is answered by a trained head, which has no values to explain")
    by_prompts.require_choice(task, value, outcome)
    towers = Towers(base, device=settings.model.device, precision=settings.model.precision)
    model = LinearProbe(
        model_of(base, towers, alone),
        trained,
        pack.identity,
        alone.catalogue,
        profile=settings.pixels.profile,
        calibration=site_calibration(settings),
    )
    result = by_prompts.answer_of(model, clip)
    explained = result if outcome is None else replace(result, outcome=outcome)
    target = trained.head.direction(explained.outcome)[None]
    support = support_maps(towers, clip.frames, target, is_blurred=is_blurred)
    return Explanation(
        model=pack.identity,
        task=task,
        wording=None,
        result=result,
        explained=explained,
        prompts=(),
        clip=clip,
        support=float(support.max()),
        maps=on_one_scale(support),
    )
