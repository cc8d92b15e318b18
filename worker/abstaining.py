"""Why a task is not answered: the same rules, in the same words, whatever kind of model answers the others."""

from collections import Counter
from collections.abc import Mapping, Sequence

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, RegressionTask
from config.reasons import Named, Reason, ReasonKind
from db.results.runs import ClipAnswer, TaskResult, Verdict
from worker.models import EmbeddedClip

NO_CLIP = Reason(ReasonKind.NO_CLIP)


def why_unanswered(
    task: AnyTask, clips: Sequence[EmbeddedClip], results: Mapping[str, TaskResult], catalogue: Catalogue
) -> Reason | None:
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
    wanted = tuple(Named("view", view_id, view.name if view else view_id) for view_id, view in views.items())
    seen = Counter(Named("view", clip.view.view, clip.view.name) for clip in clips if clip.view is not None)
    counted = tuple(Reason(ReasonKind.COUNTED, count=count, what=view) for view, count in seen.most_common(5))
    return Reason(ReasonKind.NO_VIEW, views=wanted, seen=counted)


def why_not_asked(task: AnyTask, results: Mapping[str, TaskResult], catalogue: Catalogue) -> Reason | None:
    """Why a task is not asked that depends on a finding; None where it is."""
    if task.asked_if is None:
        return None
    above = results[task.asked_if]
    if above.verdict is Verdict.PRESENT:
        return None
    named = catalogue.task(task.asked_if)
    return Reason(
        ReasonKind.NOT_ASKED,
        task=Named("task", task.asked_if, named.name if named else task.asked_if),
        verdict=Named("verdict", above.verdict, above.verdict),
    )


def why_not_reported(task: RegressionTask, estimate: float) -> Reason | None:
    """Why an estimate is not reported; None where it is."""
    given = task.reportable
    if given is None or given.first <= estimate <= given.last:
        return None
    return Reason(
        ReasonKind.OUT_OF_RANGE,
        estimate=estimate,
        unit=task.unit.value,
        first=given.first,
        last=given.last,
    )


def abstained(task: AnyTask, reason: str, *, method: str, clips: tuple[ClipAnswer, ...] = ()) -> TaskResult:
    """No answer; what clips say by themselves may be kept."""
    return TaskResult(task_id=task.id, verdict=Verdict.ABSTAINED, reason=reason, method=method, clips=clips)
