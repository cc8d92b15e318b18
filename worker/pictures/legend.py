"""What is written on a picture that leaves: seen alone, it must say by itself what it is and what it is not."""

from dataclasses import dataclass

from config.clinical_tasks import AnyTask
from config.labels import ModelLabel
from config.languages import Language
from db.results.runs import Run, TaskResult
from dicom_node.report.answers import brief, confidence
from dicom_node.report.dating import in_words
from dicom_node.report.words import Words, capital
from worker.pictures.heat import Heat

WITHOUT_LETTERS = {Language.CHINESE}
"""Languages that the letters of pictures cannot write: their pictures speak English."""


@dataclass(frozen=True, kw_only=True)
class Legend:
    """The lines around the frames of a heat map."""

    answer: str
    """What was asked, and the answer with its value."""
    beside: str
    """How far the frames agree; empty where that was not worked out."""
    label: str
    is_meaningless: bool
    """Made by a model that knows no patients."""
    not_for_diagnosis: str
    limits: str
    looked: str
    """What the colours show."""
    weak: str
    strong: str
    made_by: str
    view: str
    """That the clip shows, as the model sees it; empty where it was not asked."""
    frames: tuple[str, ...]
    """Below each frame: its number in the clip, and its time."""


def legend_of(run: Run, result: TaskResult, task: AnyTask, heat: Heat, words: Words) -> Legend:
    """The lines for one answer of a run; nothing in them names the patient."""
    label = run.model.label
    return Legend(
        answer=words.say("form.named", name=words.task(task), answer=brief(result, task, words)),
        beside=capital(confidence(result, task, words) or ""),
        label=words.say("picture.label", label=label),
        is_meaningless=label in (ModelLabel.UNTRAINED, ModelLabel.DEMO),
        not_for_diagnosis=words.say("picture.not_for_diagnosis"),
        limits=words.say(f"limits.{label}"),
        looked=words.say("picture.looked"),
        weak=words.say("picture.weak"),
        strong=words.say("picture.strong"),
        made_by=made_by(run, words),
        view=_view(run, heat, words),
        frames=tuple(
            words.say("picture.frame", number=number, at=at)
            for number, at in zip(heat.frame_numbers, heat.frame_times_ms, strict=True)
        ),
    )


def _view(run: Run, heat: Heat, words: Words) -> str:
    call = next((clip.view for clip in run.clips if clip.sop_instance_uid == heat.sop_instance_uid), None)
    return "" if call is None else capital(words.view(call.view, call.name))


def made_by(run: Run, words: Words) -> str:
    """Software, model and time of a run."""
    return words.say(
        "picture.made_by",
        software=run.software_version,
        model=f"{run.model.name} {run.model.version}",
        digest=run.model.digest[:12],
        at=in_words(run.finished_at),
    )
