"""What a report says in words; a reader who knows nothing of the model must not be misled by it."""

from collections import Counter

from config.catalogue import Catalogue
from config.labels import ModelLabel
from db.runs import Run, Verdict
from dicom_node.report.answers import brief, in_reading_order

LIMITS_OF_USE: dict[ModelLabel, str] = {
    ModelLabel.UNTRAINED: (
        "NOT FOR CLINICAL USE. Made by an UNTRAINED model with random weights: the numbers mean nothing "
        "and only show that the connection works."
    ),
    ModelLabel.DEMO: (
        "NOT FOR CLINICAL USE. Made by a DEMO model trained on synthetic hearts alone: the numbers say nothing "
        "about a patient."
    ),
    ModelLabel.RESEARCH: (
        "RESEARCH USE ONLY. Made by a model that is not cleared as a medical device and not validated for this site."
    ),
    ModelLabel.CLINICAL: "Made by a model that this site has validated, on its own responsibility.",
}
"""What results of a model so labelled may be taken for; said with every one of them."""
_HOW_MADE = (
    "Computed without a human reader from the frames that are referenced. Cosine similarities are not probabilities. "
    "The published model was evaluated on apical four-chamber views; "
)
_VIEWS_UNJUDGED = "no check of the view was made."
_VIEWS_JUDGED = "the model itself named the view of each clip, which nobody has calibrated."


def series_description(label: ModelLabel) -> str:
    """At most 64 characters: many viewers show this line and no other."""
    use = "clinical" if label is ModelLabel.CLINICAL else "not for clinical use"
    return f"EchoWorker {label} model: {use}"


def limits_of_use(run: Run) -> str:
    """What these results may be taken for."""
    judged = any(clip.view for clip in run.clips)
    return f"{LIMITS_OF_USE[run.model.label]} {_HOW_MADE}{_VIEWS_JUDGED if judged else _VIEWS_UNJUDGED}"


def answers_in_short(run: Run, catalogue: Catalogue) -> str | None:
    """All that was answered, in one paragraph; None where nothing was."""
    answered = [
        f"{task.name}: {brief(result, task)}"
        for result in in_reading_order(run.results)
        if (task := catalogue.task(result.task_id)) and result.verdict not in (Verdict.ABSTAINED, Verdict.UNCALIBRATED)
    ]
    return f"{_warning(run.model.label)}Answers: {'; '.join(answered)}." if answered else None


def uncalibrated_in_short(run: Run, catalogue: Catalogue) -> str | None:
    """Which questions the model has no calibration for, in one paragraph; None where it has one for each."""
    names = [
        task.name
        for result in run.results
        if result.verdict is Verdict.UNCALIBRATED and (task := catalogue.task(result.task_id))
    ]
    if not names:
        return None
    return (
        f"Not calibrated, so that no answer can be given, neither that a finding is there nor that it is not "
        f"({len(names)}): {'; '.join(names)}."
    )


def views_seen(run: Run) -> str | None:
    """Which views the answers come from, as far as the model can tell; None where it was not asked."""
    calls = [clip.view for clip in run.clips if clip.view is not None]
    if not calls:
        return None
    doubts = {True: "", None: ", in doubt", False: ", no heart"}
    names = Counter(f"{call.name}{doubts[call.is_heart]}" for call in calls)
    return f"Views of the clips used, as the model sees them: {_counted(names)}."


def left_out(run: Run) -> str | None:
    """Which instances of the study gave no answer, and why; None where all did."""
    if not run.left_out:
        return None
    instances = len(run.clips) + len(run.left_out)
    reasons = Counter(clip.reason for clip in run.left_out)
    return f"Left out, {len(run.left_out)} of {instances} instances: {_counted(reasons)}."


def with_warning(text: str, label: ModelLabel) -> str:
    """A reader may copy one group out of its report: one of a model that knows no patients says so itself."""
    return _warning(label) + text


def _warning(label: ModelLabel) -> str:
    return f"{label} MODEL, NOT FOR CLINICAL USE. " if label in (ModelLabel.UNTRAINED, ModelLabel.DEMO) else ""


def _counted(said: Counter[str]) -> str:
    """The commonest first; what is as common, in the order in which it came."""
    return "; ".join(f"{text} ({count})" for text, count in said.most_common())
