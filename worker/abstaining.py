"""Why a task is not answered: the same rules, in the same words, whatever kind of model answers the others."""

from collections.abc import Mapping, Sequence

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, RegressionTask
from db.runs import ClipAnswer, TaskResult, Verdict
from worker.models import EmbeddedClip
from worker.views import counted

NO_CLIP = "no usable clip"


def why_unanswered(
    task: AnyTask, clips: Sequence[EmbeddedClip], results: Mapping[str, TaskResult], catalogue: Catalogue
) -> str | None:
    """Why a task cannot be answered from these clips; None where it can, from those that may answer it.

    Parameters
    ----------
    results
        By the id of the task: at least that of `task.asked_if`.
    catalogue
        What knows the names of tasks and views.
    """
    if not clips:
        return NO_CLIP
    if (why := why_not_asked(task, results, catalogue)) is not None:
        return why
    if any(clip.may_answer(task.views) for clip in clips):
        return None
    views = {view_id: catalogue.view(view_id) for view_id in task.views}
    wanted = ", ".join(view_id if view is None else view.name for view_id, view in views.items())
    seen = counted((clip.view.name for clip in clips if clip.view is not None), most=5)
    return f"no clip shows a view that may answer this: {wanted}; seen: {seen}"


def why_not_asked(task: AnyTask, results: Mapping[str, TaskResult], catalogue: Catalogue) -> str | None:
    """Why a task is not asked that depends on a finding; None where it is."""
    if task.asked_if is None:
        return None
    above = results[task.asked_if]
    if above.verdict is Verdict.PRESENT:
        return None
    named = catalogue.task(task.asked_if)
    return f"asked only where {named.name if named else task.asked_if} is PRESENT; it is {above.verdict}"


def why_not_reported(task: RegressionTask, estimate: float) -> str | None:
    """Why an estimate is not reported; None where it is."""
    given = task.reportable
    if given is None or given.first <= estimate <= given.last:
        return None
    return (
        f"the estimate, {estimate:.3g} {task.unit.value}, is outside of {given.first} to {given.last}, which is what "
        "can be reported"
    )


def abstained(task: AnyTask, reason: str, *, method: str, clips: tuple[ClipAnswer, ...] = ()) -> TaskResult:
    """No answer; what clips say by themselves may be kept."""
    return TaskResult(task_id=task.id, verdict=Verdict.ABSTAINED, reason=reason, method=method, clips=clips)
