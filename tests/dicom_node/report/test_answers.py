"""One answer in words, as a cardiologist would read it."""

from dataclasses import replace

import pytest

from config.catalogue import load_catalogue
from config.clinical_tasks import AnyTask
from db.results.runs import ClipAnswer, TaskResult, Verdict
from dicom_node.report.answers import brief, confidence, explanation, in_reading_order, most_like
from dicom_node.report.codes import KINDS_OF_SCORE

NO_WITNESSES = "frames of one clip are no independent witnesses."


def task(task_id: str) -> AnyTask:
    found = load_catalogue().task(task_id)
    assert found is not None
    return found


def clips(*answers: tuple[float, str | None]) -> tuple[ClipAnswer, ...]:
    return tuple(ClipAnswer(sop_instance_uid="1.2", value=value, outcome=outcome) for value, outcome in answers)


MEASURED = TaskResult(
    task_id="lvef", verdict=Verdict.MEASURED, value=54.53, spread=4.04, clips=clips((54.53, None), (61.0, None))
)
PRESSURE = TaskResult(
    task_id="pa_pressure", verdict=Verdict.MEASURED, value=31.0, spread=6.0, clips=clips((31.0, None))
)
PRESENT = TaskResult(
    task_id="pacemaker", verdict=Verdict.PRESENT, score=0.31, threshold=0.298, spread=0.012, agreement=0.826,
    clips=clips((0.31, None)),
)  # fmt: skip
GRADED = TaskResult(
    task_id="mitral_regurgitation", verdict=Verdict.CLASSIFIED, outcome="moderate", score=1.83, agreement=1.0,
    clips=clips((1.6, "moderate"), (2.4, "severe")),
)  # fmt: skip
POSITION = TaskResult(
    task_id="impella_position", verdict=Verdict.CLASSIFIED, outcome="deep", score=0.3, clips=clips((0.3, "deep"))
)
LOOKS = TaskResult(
    task_id="lv_size", verdict=Verdict.UNCALIBRATED, outcome="mild", score=0.9, reason="no cut points", agreement=0.7
)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (
            MEASURED,
            "Median of the estimates of 2 clips, of two in the middle the lower: 54.5, 61.0 percent. The frames differ "
            f"by 4.0 points (standard deviation); {NO_WITNESSES}",
        ),
        (
            PRESSURE,
            "Estimate of the only clip: 31.0 mmHg. The frames differ by 6.0 mmHg (standard deviation); " + NO_WITNESSES,
        ),
        (
            PRESENT,
            "Similarity, clip by clip: 0.3100; the threshold is 0.298. 83 % of the frames, each alone, give this "
            f"answer; {NO_WITNESSES}",
        ),
        (
            replace(PRESENT, reason="the threshold was measured with other frames"),
            "Similarity, clip by clip: 0.3100; the threshold is 0.298. The threshold was measured with other frames. "
            f"83 % of the frames, each alone, give this answer; {NO_WITNESSES}",
        ),
        (
            GRADED,
            "1.8 on the scale from 0 (none) to 3 (severe). Clip by clip: moderate, severe. 100 % of the frames, each "
            f"alone, give this answer; {NO_WITNESSES}",
        ),
        (
            replace(POSITION, reason="the cut points were measured with other frames"),
            "Clip by clip: too deep in the left ventricle. The cut points were measured with other frames.",
        ),
        (POSITION, "Clip by clip: too deep in the left ventricle."),
        (
            LOOKS,
            "No class can be said: no cut points. The clips are most like mildly enlarged, 0.9 on the scale from 0 "
            "(normal) to 3 (severely enlarged): that is not calibrated, and no answer.",
        ),
        (
            TaskResult(task_id="tavr", verdict=Verdict.UNCALIBRATED, score=0.2, reason="no threshold"),
            "Neither present nor absent can be said: no threshold. Similarity 0.2000, which is not calibrated.",
        ),
        (
            TaskResult(task_id="lv_size", verdict=Verdict.ABSTAINED, reason="no clip of a view that may answer"),
            "Not answered: no clip of a view that may answer.",
        ),
    ],
    ids=[
        "estimate",
        "pressure",
        "finding",
        "finding of other frames",
        "grade",
        "position of other frames",
        "position",
        "looks",
        "uncalibrated",
        "abstained",
    ],
)
def test_how_an_answer_came_about_is_said_in_plain_words(result: TaskResult, said: str) -> None:
    assert explanation(result, task(result.task_id)) == said


def test_in_short_it_is_the_answer_with_its_unit() -> None:
    assert [brief(result, task(result.task_id)) for result in (MEASURED, PRESSURE, PRESENT, GRADED)] == [
        "54.5 %", "31.0 mmHg", "present", "moderate",
    ]  # fmt: skip


def test_what_was_not_worked_out_is_not_said() -> None:
    alone = TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=50.0, clips=clips((50.0, None)))
    assert confidence(alone, task("lvef")) is None
    assert explanation(alone, task("lvef")) == "Estimate of the only clip: 50.0 percent."


def test_only_a_class_is_like_something() -> None:
    assert most_like(LOOKS, task("lv_size")) == "most like mildly enlarged"
    assert most_like(MEASURED, task("lvef")) is None
    assert most_like(TaskResult(task_id="lv_size", verdict=Verdict.ABSTAINED), task("lv_size")) is None


def test_a_class_that_the_question_does_not_have_is_named_by_its_id() -> None:
    unknown = TaskResult(task_id="lv_size", verdict=Verdict.UNCALIBRATED, outcome="huge", reason="none")
    assert "most like huge" in explanation(unknown, task("lv_size"))


def test_answers_are_read_before_what_has_none() -> None:
    abstained = TaskResult(task_id="tavr", verdict=Verdict.ABSTAINED, reason="none")
    ordered = in_reading_order([LOOKS, MEASURED, abstained, PRESENT])
    assert ordered == [MEASURED, PRESENT, abstained, LOOKS]


@pytest.mark.parametrize(
    ("method", "word"),
    [("zero-shot", "Similarity"), (None, "Similarity"), ("linear probe", "Probability"), ("somebody's own", "Score")],
)
def test_a_findings_number_is_called_what_it_is(method: str | None, word: str) -> None:
    result = TaskResult(
        task_id="pacemaker", verdict=Verdict.PRESENT, score=0.9, threshold=0.5, method=method, clips=clips((0.9, None))
    )
    assert explanation(result, task("pacemaker")).startswith(f"{word}, clip by clip: 0.9000; the threshold is 0.5.")
    assert KINDS_OF_SCORE[result.score_kind].value == word.upper()
