"""Which answer of a run is shown as a picture, and in which of its clips."""

from collections.abc import Callable, Sequence

from config.catalogue import Catalogue
from config.clinical_tasks import RegressionTask
from db.results.runs import ClipAnswer, TaskResult, Verdict


def headline(results: Sequence[TaskResult], catalogue: Catalogue) -> TaskResult | None:
    """The answer that a reader looks for first; None where nothing was decided.

    A device that is there, of several the one that is furthest above its threshold, and rather the device than a part
    of it that is asked about once it is there; without one the first measurement of the catalogue, which in the bundled
    one is the ejection fraction; without one the first class. That a finding is absent has no place in a picture.
    """
    present = [result for result in results if result.verdict is Verdict.PRESENT]
    whole = [result for result in present if (task := catalogue.task(result.task_id)) and task.asked_if is None]
    if present:
        return max(whole or present, key=lambda result: (result.score or 0.0) - (result.threshold or 0.0))
    for verdict in (Verdict.MEASURED, Verdict.CLASSIFIED):
        in_order = {task.id: number for number, task in enumerate(catalogue.tasks)}
        found = [result for result in results if result.verdict is verdict and result.task_id in in_order]
        if found:
            return min(found, key=lambda result: in_order[result.task_id])
    return None


def trend_task(results: Sequence[TaskResult], catalogue: Catalogue) -> RegressionTask | None:
    """The measurement that is shown over the years: the first of the catalogue that this run has an answer to."""
    measured = {result.task_id for result in results if result.verdict is Verdict.MEASURED}
    return next((t for t in catalogue.tasks if isinstance(t, RegressionTask) and t.id in measured), None)


def deciding_clip(result: TaskResult) -> ClipAnswer | None:
    """The clip that speaks most clearly for an answer; the first of several that are alike, None where none is named.

    Of a finding the one with the highest score, of an estimate the one nearest to it, of a class one that says the
    class, with the most of its frames agreeing.
    """
    rank: dict[Verdict, Callable[[ClipAnswer], tuple[float, ...]]] = {
        Verdict.PRESENT: lambda clip: (clip.value,),
        Verdict.MEASURED: lambda clip: (-abs(clip.value - (result.value or 0.0)),),
        Verdict.CLASSIFIED: lambda clip: (float(clip.outcome == result.outcome), clip.agreement or 0.0),
    }
    return max(result.clips, key=rank[result.verdict]) if result.clips and result.verdict in rank else None
