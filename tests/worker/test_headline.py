"""Which answer is shown as a picture, and in which clip."""

import pytest

from config.catalogue import load_catalogue
from db.results.runs import ClipAnswer, TaskResult, Verdict
from worker.pictures.headline import deciding_clip, headline, trend_task

CATALOGUE = load_catalogue()
EJECTION = TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=50.0)
PRESSURE = TaskResult(task_id="pa_pressure", verdict=Verdict.MEASURED, value=30.0)
VALVE = TaskResult(task_id="tavr", verdict=Verdict.PRESENT, score=0.35, threshold=0.30)
CLIP_ON_VALVE = TaskResult(task_id="mitraclip", verdict=Verdict.PRESENT, score=0.36, threshold=0.34)
SIZE = TaskResult(task_id="lv_size", verdict=Verdict.CLASSIFIED, outcome="mild", score=1.0)
ABSENT = TaskResult(task_id="pacemaker", verdict=Verdict.ABSENT, score=0.1, threshold=0.3)
UNSAID = TaskResult(task_id="impella", verdict=Verdict.UNCALIBRATED, score=0.9)


def clips(**values: float) -> tuple[ClipAnswer, ...]:
    return tuple(ClipAnswer(sop_instance_uid=uid, value=value) for uid, value in values.items())


@pytest.mark.parametrize(
    ("results", "shown"),
    [
        ([PRESSURE, EJECTION, ABSENT], "lvef"),
        ([EJECTION, CLIP_ON_VALVE, VALVE], "tavr"),
        ([SIZE, PRESSURE], "pa_pressure"),
        ([SIZE, ABSENT, UNSAID], "lv_size"),
    ],
)
def test_a_device_comes_before_a_measurement_and_that_before_a_class(results: list[TaskResult], shown: str) -> None:
    found = headline(results, CATALOGUE)
    assert found is not None
    assert found.task_id == shown


def test_a_device_is_shown_rather_than_what_is_asked_of_it_once_it_is_there() -> None:
    part = next(task for task in CATALOGUE.tasks if task.asked_if is not None)
    above = TaskResult(task_id=str(part.asked_if), verdict=Verdict.PRESENT, score=0.31, threshold=0.30)
    below = TaskResult(task_id=part.id, verdict=Verdict.PRESENT, score=0.9, threshold=0.30)
    assert headline([below, above], CATALOGUE) == above


def test_what_is_absent_or_not_answered_is_not_shown() -> None:
    assert headline([ABSENT, UNSAID], CATALOGUE) is None


def test_the_clip_that_speaks_most_clearly_decides() -> None:
    def decided(result: TaskResult, *answers: ClipAnswer) -> str:
        clip = deciding_clip(TaskResult(**{**vars(result), "clips": answers}))
        assert clip is not None
        return clip.sop_instance_uid

    assert decided(VALVE, *clips(a=0.2, b=0.5, c=0.4)) == "b"
    assert decided(EJECTION, *clips(a=30.0, b=51.0, c=80.0)) == "b"
    graded = [
        ClipAnswer(sop_instance_uid="a", value=2.0, outcome="severe", agreement=1.0),
        ClipAnswer(sop_instance_uid="b", value=1.0, outcome="mild", agreement=0.6),
        ClipAnswer(sop_instance_uid="c", value=1.0, outcome="mild", agreement=0.9),
    ]
    assert decided(SIZE, *graded) == "c"
    assert deciding_clip(VALVE) is None


def test_the_first_measurement_of_the_catalogue_is_followed_over_the_years() -> None:
    task = trend_task([PRESSURE, EJECTION, VALVE], CATALOGUE)
    assert task is not None
    assert task.id == "lvef"
    assert trend_task([VALVE], CATALOGUE) is None
