"""The heat maps of one clip for one task of the catalogue: which prompts they are made for, and what they belong to."""

from dataclasses import dataclass, replace

from config.clinical_tasks import AnyTask, ClassTask, RegressionTask, Wording
from config.errors import ConfigurationError
from db.results.runs import ModelIdentity, TaskResult
from worker.echoclip.explained_prompts import prompts_to_explain
from worker.echoclip.grad_cam import on_one_scale, support_maps
from worker.echoclip.model import model_of
from worker.echoclip.towers import Towers
from worker.models import EmbeddedClip, Maps, StudyModel, Surroundings
from worker.packs.folder import ModelPack
from worker.pixels.clip import Clip


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Where in the frames of a clip a model finds what speaks for an answer, and the answer that it gives itself."""

    model: ModelIdentity
    task: AnyTask
    """With the prompts that the model is asked with."""
    wording: Wording | None
    """Whose words these are; None: a trained head answers, without any."""
    result: TaskResult
    """The model's answer from this clip alone."""
    explained: TaskResult
    """The answer that the maps are for: the model's, or another that was asked about."""
    prompts: tuple[str, ...]
    """Of that answer, as the text tower reads them; none where the maps are for a head's weights."""
    clip: Clip
    support: float
    """The largest value of all maps before they were scaled; 0: nothing in the clip speaks for the answer."""
    maps: Maps
    """float32 [T, S, S], 0..1 on one scale for the clip: 1 is `support`."""


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
    """Ask a task of one clip, and explain the answer, or another one.

    The task is asked whatever view the clip shows, and whatever was found before.

    Parameters
    ----------
    pack
        Of kind open-clip.
    value
        Regression: explain this number instead of the estimate.
    outcome
        Class: explain this class instead of the answer, by its id.

    Raises
    ------
    ConfigurationError
        The catalogue has no such task, or the task no such value or class.
    ModelPackError
        Its weights do not fit its configuration, or its image tower has no convolutional stages.
    """
    alone = with_task_alone(surroundings, task_id)
    settings = surroundings.settings
    towers = Towers(pack, device=settings.model.device, precision=settings.model.precision)
    model = model_of(pack, towers, alone)
    asked = model.asked(task_id)
    require_choice(asked.task, value, outcome)
    explained = result = answer_of(model, clip)
    if value is not None:
        explained = replace(result, value=float(value))
    if outcome is not None:
        explained = replace(result, outcome=outcome)
    prompts = prompts_to_explain(asked.task, explained)
    support = support_maps(towers, clip.frames, towers.embed_prompts(prompts), is_blurred=is_blurred)
    return Explanation(
        model=model.identity,
        task=asked.task,
        wording=asked.asking.wording,
        result=result,
        explained=explained,
        prompts=tuple(prompts),
        clip=clip,
        support=float(support.max()),
        maps=on_one_scale(support),
    )


def with_task_alone(surroundings: Surroundings, task_id: str) -> Surroundings:
    """With a catalogue of this task alone, to be asked of any clip.

    Raises
    ------
    ConfigurationError
        The catalogue has no such task.
    """
    catalogue = surroundings.catalogue
    task = catalogue.task(task_id)
    if task is None:
        raise ConfigurationError(f"the catalogue has no task {task_id!r}: echoworker tasks list shows those it has")
    unconditional = task.model_copy(update={"asked_if": None, "views": ()})
    return replace(surroundings, catalogue=catalogue.model_copy(update={"tasks": (unconditional,), "views": ()}))


def answer_of(model: StudyModel, clip: Clip) -> TaskResult:
    """What a model answers from one clip to the only task of its catalogue."""
    (embeddings,) = model.embed([clip.frames])
    shown = EmbeddedClip(
        sop_instance_uid=clip.sop_instance_uid, embeddings=embeddings, preprocessing_profile=clip.profile
    )
    (result,) = model.answer([shown])
    return result


def require_choice(task: AnyTask, value: int | None, outcome: str | None) -> None:
    """The task has this value, or this class, where one is to be explained.

    Raises
    ------
    ConfigurationError
        It has not; the message says which it has.
    """
    if value is not None:
        if not isinstance(task, RegressionTask):
            raise ConfigurationError(f"task {task.id!r} is a {task.kind} and has no values to explain")
        if value not in task.values.numbers:
            raise ConfigurationError(
                f"task {task.id!r} has prompts for {task.values.first} to {task.values.last}, not for {value}"
            )
    if outcome is not None:
        if not isinstance(task, ClassTask):
            raise ConfigurationError(f"task {task.id!r} is a {task.kind} and has no classes to explain")
        if task.outcome(outcome) is None:
            raise ConfigurationError(
                f"task {task.id!r} has no class {outcome!r}, but {', '.join(each.id for each in task.classes)}"
            )
