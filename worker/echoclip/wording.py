"""Whose words the model is asked in: the catalogue's, or those that it was published with, where its pack has them.

A score and a threshold hold for the prompts that they were made with, so each task says whose they are (`Wording`).
"""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from config.clinical_tasks import PLACEHOLDER, AnyTask, BinaryTask, ClassTask, OutcomeClass, RegressionTask, Wording
from config.errors import ModelPackError
from worker.packs.published import NUMBER, PublishedTask


def worded(task: AnyTask, published: Mapping[str, PublishedTask] | None) -> tuple[AnyTask, Wording]:
    """A task with the prompts that the model was published with, and whose words it now has.

    The task says which ones they are: `published_as`, and `published_indices`, or `published_values` of its classes. A
    regression takes its values along with them. A class that they do not have keeps the prompts of the catalogue (of
    the sizes of a chamber, only the enlarged ones were published): that wording is "catalogue+pack", and no threshold
    that was made with either alone holds for it.

    Raises
    ------
    ModelPackError
        The published task is of another mode than this one, or does not have what this one names of it.
    """
    its = published.get(task.published_as) if published is not None and task.published_as is not None else None
    if its is None:
        return task, "catalogue"
    if (its.mode == "regression") != isinstance(task, RegressionTask):
        raise _misfit(task, f"is of mode {its.mode} there, and a {task.kind} here")
    try:
        match task:
            case RegressionTask():
                return _regression(task, its), "pack"
            case BinaryTask():
                prompts = _at(task, task.published_indices, its) or its.prompts
                return BinaryTask.model_validate({**dict(task), "prompts": prompts}), "pack"
            case ClassTask():
                return _classes(task, its)
    except ValidationError as error:
        # Not its own words: they quote a prompt, which may not be passed on.
        raise _misfit(task, "has prompts that such a task cannot have") from error


def _regression(task: RegressionTask, its: PublishedTask) -> RegressionTask:
    first, last = its.range or (0, 0)
    prompts = tuple(source.replace(NUMBER, PLACEHOLDER) for source in its.label_sources)
    return RegressionTask.model_validate({**dict(task), "prompts": prompts, "values": {"first": first, "last": last}})


def _classes(task: ClassTask, its: PublishedTask) -> tuple[ClassTask, Wording]:
    theirs = [_of_class(task, outcome, its) for outcome in task.classes]
    classes = tuple(
        outcome.model_copy(update={"prompts": prompts}) if prompts else outcome
        for outcome, prompts in zip(task.classes, theirs, strict=True)
    )
    wording: Wording = "pack" if all(theirs) else "catalogue+pack" if any(theirs) else "catalogue"
    return task.model_copy(update={"classes": classes}), wording


def _of_class(task: ClassTask, outcome: OutcomeClass, its: PublishedTask) -> tuple[str, ...]:
    """The published prompts of a class; none where it names none, or they do not have it."""
    if outcome.published_values:
        if its.values is None:
            raise _misfit(task, f"has no values there, but published_values of {outcome.id} name some")
        pairs = zip(its.prompts, its.values, strict=True)
        return tuple(prompt for prompt, value in pairs if value in outcome.published_values)
    return _at(task, outcome.published_indices, its)


def _at(task: AnyTask, indices: Sequence[int], its: PublishedTask) -> tuple[str, ...]:
    """The published prompts at these places, counted from 0."""
    if beyond := [index for index in indices if not 0 <= index < len(its.prompts)]:
        raise _misfit(task, f"has {len(its.prompts)} prompts there, and published_indices name number {beyond[0]}")
    return tuple(its.prompts[index] for index in indices)


def _misfit(task: AnyTask, why: str) -> ModelPackError:
    return ModelPackError(
        f"task {task.id!r} and the prompts of the model pack: {task.published_as} {why}; correct the task's "
        "published_as in the catalogue, or leave it out to ask in the catalogue's words"
    )
