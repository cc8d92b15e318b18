"""Which prompts stand for an answer: those that its heat maps are made for."""

from statistics import median_low

from config.clinical_tasks import PLACEHOLDER, AnyTask, BinaryTask, ClassTask, RegressionTask
from db.results.runs import TaskResult


def prompts_to_explain(task: AnyTask, result: TaskResult) -> list[str]:
    """The filled prompts that stand for an answer: `Towers.embed_prompts` of them is what `heat_maps` takes.

    Of a finding all of its prompts; of an estimate those filled with the value nearest to it, the lower of two (and
    where an estimate is not reported, of the median of its clips); of a class that class's own, also where it is only
    what the clips are most like. Empty where there is no answer to explain.

    Parameters
    ----------
    task
        With the prompts that the model was asked with (`worker.echoclip.wording.worded`).
    """
    match task:
        case BinaryTask():
            return [] if result.score is None else task.filled_prompts()
        case RegressionTask():
            estimate = estimate_of(result)
            if estimate is None:
                return []
            value = str(nearest_value(task, estimate))
            return [prompt.replace(PLACEHOLDER, value) for prompt in task.prompts]
        case ClassTask():
            outcome = task.outcome(result.outcome) if result.outcome is not None else None
            return [] if outcome is None else list(outcome.prompts)


def nearest_value(task: RegressionTask, estimate: float) -> int:
    """The value nearest to an estimate that the task has prompts for; of two the lower."""
    return min(task.values.numbers, key=lambda number: abs(number - estimate))


def estimate_of(result: TaskResult) -> float | None:
    """The estimate of a regression, also where it is not reported; None where there is none."""
    if result.value is not None:
        return result.value
    # The median of the clips, as a study's estimate is; of two in the middle the lower.
    return median_low(clip.value for clip in result.clips) if result.clips else None
