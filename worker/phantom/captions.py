"""What may be said of a synthetic clip, in sentences, and what is true of it.

The sentences are the prompts of a task catalogue, and further ones in a report's style that say the same, or the
opposite: a model that is trained with the prompts alone would know nothing else. A picture is spoken of, not a patient:
a lead that a view does not cut is not seen in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from config.catalogue import Catalogue
from config.clinical_tasks import PLACEHOLDER, BinaryTask, ClassTask, RegressionTask
from worker.phantom.acquisition import PhantomView
from worker.phantom.heart import Device, Heart

Answer = bool | int | float | str
"""Of a finding, whether it is seen; of a measurement, its value; of a class or a view, its id."""

VIEW = "view"
"""The question that every clip answers, beside the tasks of the catalogue."""
LV_FUNCTION = "lv_function"
"""Systolic function in words: no task of the catalogue, but what people search for."""
PAGE = "page"
"""The view of a clip that shows letters and no ultrasound."""

_FOUR, _FIVE, _TWO = (
    PhantomView.APICAL_FOUR_CHAMBER,
    PhantomView.APICAL_FIVE_CHAMBER,
    PhantomView.APICAL_TWO_CHAMBER,
)
_LONG, _SHORT, _BELOW = (
    PhantomView.PARASTERNAL_LONG_AXIS,
    PhantomView.PARASTERNAL_SHORT_AXIS,
    PhantomView.SUBCOSTAL,
)
SEEN_IN: Mapping[str, frozenset[PhantomView]] = {
    "lvef": frozenset({_FOUR, _FIVE, _TWO}),
    LV_FUNCTION: frozenset({_FOUR, _FIVE, _TWO}),
    "pa_pressure": frozenset({_FOUR, _FIVE, _SHORT, _BELOW}),
    "lv_size": frozenset({_FOUR, _FIVE, _TWO, _LONG, _SHORT}),
    "rv_size": frozenset({_FOUR, _FIVE, _LONG, _SHORT, _BELOW}),
    "la_size": frozenset({_FOUR, _FIVE, _TWO, _LONG}),
    "ra_size": frozenset({_FOUR, _FIVE, _BELOW}),
}
"""In which views of a synthetic heart there is enough of it to say."""
DRAWN_IN: Mapping[Device, frozenset[PhantomView]] = {
    Device.PACEMAKER: frozenset({_FOUR, _FIVE, _BELOW}),
    Device.TAVR: frozenset({_FIVE, _LONG}),
    Device.MITRACLIP: frozenset({_FOUR, _FIVE, _TWO, _LONG, _BELOW}),
    Device.IMPELLA: frozenset({_FOUR, _FIVE, _TWO, _LONG, _BELOW}),
}
"""In which views an implant is drawn, where there is one."""
LEAD_TASKS = ("pacemaker", "pacemaker_lead_rv", "pacemaker_lead_ra")
"""A synthetic pacemaker has one lead, which lies in the right atrium and in the right ventricle."""
NEVER_THERE = (
    "lvad_cannula",
    "aortic_prosthesis",
    "mitral_prosthesis",
    "mitral_ring",
    "tricuspid_prosthesis",
    "tricuspid_ring",
)
"""Findings of the catalogue that no synthetic heart has: their prompts are false of all of them."""
FUNCTION = ("severely reduced", "moderately reduced", "mildly reduced", "normal")
_FUNCTION_FROM = (30.0, 41.0, 52.0)
"""Ejection fractions from which it is moderately, mildly, not reduced (Lang et al. 2015, table 4, men)."""


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One statement about a clip."""

    text: str
    about: str
    """The id of a task of the catalogue, or `VIEW`, or `LV_FUNCTION`."""
    answer: Answer
    """What it says."""


_MORE_MEASURED = {
    "lvef": ("LVEF {value} %.",),
    "pa_pressure": ("PASP {value} mmHg.",),
}
_CHAMBERS = {
    "lv_size": "left ventricle",
    "rv_size": "right ventricle",
    "la_size": "left atrium",
    "ra_size": "right atrium",
}
_GRADES = {"normal": "not dilated", "mild": "mildly dilated", "moderate": "moderately dilated"}
_SEEN = {
    "pacemaker": ("Pacing lead in the right heart.", "A device lead crosses the tricuspid valve."),
    "tavr": ("Transcatheter valve in aortic position.", "Stent frame of a transcatheter valve in the aortic root."),
    "mitraclip": ("Clip on the mitral leaflets.", "State after edge-to-edge repair of the mitral valve."),
    "impella": ("Impella in the left ventricle.", "A ventricular assist pump crosses the aortic valve."),
}
_NOT_SEEN = {
    "pacemaker": ("No pacing lead is seen.", "The right heart is free of device leads."),
    "tavr": ("No aortic valve prosthesis is seen.", "The aortic root holds no stent."),
    "mitraclip": ("No clip is seen on the mitral valve.", "The mitral leaflets are free of clips."),
    "impella": ("No ventricular assist pump is seen.", "No pump lies in the left ventricle."),
}


def sentences(catalogue: Catalogue) -> tuple[Sentence, ...]:
    """All that can be said: the prompts of every task and view that a synthetic clip has an answer to, and more."""
    return (*_of_tasks(catalogue), *_of_views(catalogue), *_of_function())


def answers(view: PhantomView | str, heart: Heart | None) -> dict[str, Answer]:
    """What is true of a clip, by what it is about; a question that it does not answer is not there.

    Parameters
    ----------
    view
        What the clip shows, or `PAGE`.
    heart
        None where it shows none.
    """
    known: dict[str, Answer] = {VIEW: str(view)}
    if heart is None or view in (PhantomView.ABDOMEN, PAGE):
        return known
    of_heart: dict[str, Answer] = {
        "lvef": heart.ejection_fraction,
        LV_FUNCTION: FUNCTION[sum(heart.ejection_fraction >= step for step in _FUNCTION_FROM)],
        "pa_pressure": heart.pa_pressure,
        "lv_size": str(heart.lv_size),
        "rv_size": str(heart.rv_size),
        "la_size": str(heart.la_size),
        "ra_size": str(heart.ra_size),
    }
    known |= {about: answer for about, answer in of_heart.items() if view in SEEN_IN[about]}
    seen = {device: device in heart.devices and view in DRAWN_IN[device] for device in Device}
    known |= {str(device): is_seen for device, is_seen in seen.items()}
    known |= dict.fromkeys(LEAD_TASKS, seen[Device.PACEMAKER])
    known |= dict.fromkeys(NEVER_THERE, False)
    return known


def _of_tasks(catalogue: Catalogue) -> Iterator[Sentence]:
    for task in catalogue.tasks:
        match task:
            case RegressionTask() if task.id in SEEN_IN:
                templates = (*task.prompts, *_MORE_MEASURED.get(task.id, ()))
                for template in templates:
                    for value in task.values.numbers:
                        yield Sentence(text=template.replace(PLACEHOLDER, str(value)), about=task.id, answer=value)
            case ClassTask() if task.id in _CHAMBERS:
                yield from _of_sizes(task)
            case BinaryTask() if task.id in (*LEAD_TASKS, *Device, *NEVER_THERE):
                yield from _of_finding(task)
            case _:
                pass  # a synthetic heart has no answer to it


def _of_sizes(task: ClassTask) -> Iterator[Sentence]:
    chamber = _CHAMBERS[task.id]
    for outcome in task.classes:
        more = f"Dilation of the {chamber}: {_GRADES.get(outcome.id, 'severely dilated')}."
        for text in (*outcome.prompts, more):
            yield Sentence(text=text, about=task.id, answer=outcome.id)


def _of_finding(task: BinaryTask) -> Iterator[Sentence]:
    for text in (*task.prompts, *_SEEN.get(task.id, ())):
        yield Sentence(text=text, about=task.id, answer=True)
    for text in _NOT_SEEN.get(task.id, ()):
        yield Sentence(text=text, about=task.id, answer=False)


def _of_views(catalogue: Catalogue) -> Iterator[Sentence]:
    for view in catalogue.views:
        for text in (*view.prompts, f"This clip shows: {view.name}."):
            yield Sentence(text=text, about=VIEW, answer=view.id)


def _of_function() -> Iterator[Sentence]:
    for grade in FUNCTION:
        for text in (f"Systolic function of the left ventricle is {grade}.", f"LV function: {grade}."):
            yield Sentence(text=text, about=LV_FUNCTION, answer=grade)
