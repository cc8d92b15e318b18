"""What the report may claim of a task: honest on noise, and silent where cases are too few."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from config.catalogue import Catalogue, load_catalogue
from config.errors import CalibrationError
from tests.support.labelled import CATALOGUE
from worker.calibration.drawing import draw
from worker.calibration.judging import judge
from worker.calibration.report import report
from worker.calibration.resampling import Groups
from worker.calibration.scored import ScoredCase, TaskCases, UnansweredCase
from worker.calibration.thresholds import ThresholdRule


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    file = tmp_path_factory.mktemp("catalogue") / "tasks.toml"
    file.write_text(CATALOGUE)
    return load_catalogue(file)


def cases_of(
    catalogue: Catalogue,
    task_id: str,
    truths: np.ndarray,
    scores: np.ndarray,
    *,
    outcomes: np.ndarray | None = None,
    patients: int = 0,
    unanswered: int = 0,
) -> TaskCases:
    task = catalogue.task(task_id)
    assert task is not None
    scored = tuple(
        ScoredCase(
            study_instance_uid=f"1.2.{number}",
            group=f"P{number % patients}" if patients else f"P{number}",
            truth=float(truth),
            score=float(score),
            outcome=None if outcomes is None else int(outcomes[number]),
        )
        for number, (truth, score) in enumerate(zip(truths, scores, strict=True))
    )
    nothing = tuple(UnansweredCase(study_instance_uid=f"1.9.{n}", reason="not scored here") for n in range(unanswered))
    return TaskCases(task=task, wording_digest="b" * 64, scored=scored, unanswered=nothing)


def two_kinds(number: int, apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truths = np.arange(number) % 2
    return truths, generator.normal(size=number) + apart * truths


def test_a_good_score_gives_a_threshold_and_what_it_is_worth(catalogue: Catalogue) -> None:
    found = judge(cases_of(catalogue, "device", *two_kinds(200, 3)), ThresholdRule(), source="cases.csv")
    made = found.calibration
    assert made is not None
    assert made.threshold == pytest.approx(1.5, abs=0.6)
    assert (made.rule, made.at_least, made.cut_points) == ("f1", None, None)
    assert made.cases_of == {"absent": 100, "present": 100}
    assert (made.cases, made.patients, made.prompts_digest) == (200, 200, "b" * 64)
    assert "highest F1 on 200 cases of 200 patients; cases.csv" in made.origin
    assert made.metrics["AUC"].value == pytest.approx(0.983, abs=0.02)  # of two normal distributions 3 deviations apart
    for metric in made.metrics.values():
        assert metric.low <= metric.value <= metric.high
    assert found.warnings == ()
    question = found.questions[0]
    assert question.threshold.low <= made.threshold <= question.threshold.high
    assert question.reliability.brier.value < question.reliability.brier_of_the_share / 2


def test_a_threshold_by_sensitivity_reaches_it(catalogue: Catalogue) -> None:
    rule = ThresholdRule(name="sensitivity", at_least=0.9)
    found = judge(cases_of(catalogue, "device", *two_kinds(200, 2)), rule, source="cases.csv")
    assert found.calibration is not None
    assert (found.calibration.rule, found.calibration.at_least) == ("sensitivity", 0.9)
    assert 0.9 <= found.apparent["sensitivity"].value < 0.92
    assert found.apparent["specificity"].value < 1


def test_on_noise_the_cross_validated_figures_do_not_flatter(catalogue: Catalogue) -> None:
    """Youden's index of a useless score is 0; on the cases that it was chosen on, a threshold looks better."""
    apparent, validated = [], []
    for seed in range(5):
        found = judge(cases_of(catalogue, "device", *two_kinds(60, 0, seed)), ThresholdRule(), source="cases.csv")
        apparent.append(found.apparent["sensitivity"].value + found.apparent["specificity"].value - 1)
        validated.append(found.cross_validated["sensitivity"].value + found.cross_validated["specificity"].value - 1)
        assert "present: the AUC may be 0.5, as of a score that tells nothing" in found.warnings
    assert np.mean(validated) < 0.05
    assert np.mean(apparent) > np.mean(validated) + 0.05


def test_the_patients_of_a_fold_are_not_those_that_its_threshold_was_chosen_on() -> None:
    truths, patients = np.arange(200) % 2, np.array([str(number % 40) for number in range(200)])
    for splits in Groups(patients.tolist()).folds(truths):
        assert sorted(case for _, test in splits for case in test) == list(range(200))
        for train, test in splits:
            assert not set(patients[train]) & set(patients[test])
            assert 0.3 < truths[test].mean() < 0.7


def test_ordered_classes_get_cut_points(catalogue: Catalogue) -> None:
    truths = np.arange(150) % 3
    scores = truths + np.random.default_rng(0).normal(0, 0.3, 150)
    found = judge(cases_of(catalogue, "grade", truths, scores), ThresholdRule(), source="cases.csv")
    assert found.calibration is not None
    assert found.calibration.cut_points == pytest.approx((0.5, 1.5), abs=0.3)
    assert found.calibration.cases_of == {"none": 50, "mild": 50, "severe": 50}
    assert found.cross_validated["quadratic weighted kappa"].value > 0.8
    assert found.confusion is not None
    assert found.confusion.sum(axis=1).tolist() == [50, 50, 50]
    assert [question.name for question in found.questions] == ["worse than none", "worse than mild"]


def places(number: int, share_right: float, apart: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Cases of two classes: the nearest is right in this share of them, and leads by so much more where it is."""
    generator = np.random.default_rng(seed)
    truths = np.arange(number) % 2
    right = generator.random(number) < share_right
    leads = np.abs(generator.normal(0.01, 0.004, number)) + apart * right
    return {"truths": truths, "scores": leads, "outcomes": np.where(right, truths, 1 - truths)}


def test_classes_without_an_order_get_the_lead_above_which_the_nearest_is_to_be_believed(catalogue: Catalogue) -> None:
    given = places(200, 0.6, apart=0.03)
    found = judge(cases_of(catalogue, "place", **given), ThresholdRule(), source="cases.csv")
    made = found.calibration
    assert made is not None
    assert (made.rule, made.cut_points) == ("f1", None)
    assert made.threshold == pytest.approx(0.025, abs=0.008)
    assert made.cases_of == {"left": 100, "right": 100}
    assert made.metrics["accuracy"].value > 0.97
    assert made.metrics["share answered"].value == pytest.approx(0.6, abs=0.1)
    (question,) = found.questions
    assert question.name == "the nearest class is right"
    assert question.area_under_curve.value > 0.98
    table = found.confusion
    assert table is not None
    answered = given["scores"] > made.threshold
    assert table[:, 2].sum() == (~answered).sum()
    assert table[0, 0] + table[1, 1] == (answered & (given["truths"] == given["outcomes"])).sum()
    text = report([found], title="Calibration", facts={})
    assert "| truth \\ answer (apparent) | left | right | no answer |" in text


def test_a_lead_that_keeps_a_share_of_the_right_answers_can_be_asked_for(catalogue: Catalogue) -> None:
    given = places(200, 0.6, apart=0.005)
    found = judge(cases_of(catalogue, "place", **given), ThresholdRule(name="sensitivity", at_least=0.8), source="x")
    assert found.calibration is not None
    right = given["truths"] == given["outcomes"]
    kept = (given["scores"] > found.calibration.threshold)[right].mean()
    assert 0.8 <= kept < 0.82


def test_a_lead_that_tells_nothing_does_not_flatter(catalogue: Catalogue) -> None:
    """Of two classes the nearest one is right by chance in half: no lead makes that better."""
    for seed in range(3):
        found = judge(cases_of(catalogue, "place", **places(120, 0.5, 0.0, seed)), ThresholdRule(), source="x")
        assert found.cross_validated["accuracy"].value < 0.6
        assert "what is answered may be right no more often than by chance" in found.warnings
        assert "the nearest class is right: the AUC may be 0.5, as of a score that tells nothing" in found.warnings


def test_where_the_nearest_class_is_hardly_ever_wrong_every_one_is_an_answer(catalogue: Catalogue) -> None:
    truths = np.arange(40) % 2
    outcomes = np.where(np.arange(40) < 4, 1 - truths, truths)
    cases = cases_of(catalogue, "place", truths, np.ones(40), outcomes=outcomes)
    found = judge(cases, ThresholdRule(), source="cases.csv")
    assert found.calibration is not None
    assert found.calibration.threshold == 0
    assert "4 of 40 cases were wrong" in found.calibration.origin
    assert (found.cross_validated, found.questions) == ({}, ())
    assert found.apparent["accuracy"].value == pytest.approx(0.9)
    assert found.apparent["kappa"].value == pytest.approx(0.8)
    assert found.apparent["share answered"].value == 1


def test_where_the_nearest_class_is_hardly_ever_right_nothing_is_calibrated(catalogue: Catalogue) -> None:
    truths = np.arange(40) % 2
    outcomes = np.where(np.arange(40) < 4, truths, 1 - truths)
    cases = cases_of(catalogue, "place", truths, np.linspace(0, 1, 40), outcomes=outcomes)
    with pytest.raises(
        CalibrationError, match="place: 4 scored cases that are of the nearest class, of 4 patients: at least 10"
    ):
        judge(cases, ThresholdRule(), source="cases.csv")


def test_a_measurement_is_compared_with_the_truth_and_nothing_is_put_to_use(catalogue: Catalogue) -> None:
    truths = np.linspace(20, 70, 60)
    found = judge(cases_of(catalogue, "volume", truths, truths + 3), ThresholdRule(), source="cases.csv")
    assert found.calibration is None
    assert found.apparent["bias"].value == pytest.approx(3)
    assert found.apparent["mean absolute error"].value == pytest.approx(3)


@pytest.mark.parametrize(
    ("truths", "patients", "said"),
    [
        (
            [1] * 9 + [0] * 30,
            0,
            "device: 9 scored cases that are present, of 9 patients: at least 10, of 5 patients, are needed",
        ),
        ([1] * 30 + [0] * 9, 0, "device: 9 scored cases that are absent, of 9 patients: at least 10"),
        ([1] * 30, 0, "0 scored cases that are absent"),
        ([1, 0] * 20, 4, "20 scored cases that are absent, of 2 patients: at least 10, of 5 patients, are needed"),
    ],
)
def test_too_few_cases_give_no_threshold(catalogue: Catalogue, truths: list[int], patients: int, said: str) -> None:
    scores = np.random.default_rng(0).normal(size=len(truths))
    cases = cases_of(catalogue, "device", np.array(truths), scores, patients=patients, unanswered=3)
    with pytest.raises(CalibrationError, match=f"{said}.*without a score: 3 . not scored here"):
        judge(cases, ThresholdRule(), source="cases.csv")


@pytest.mark.parametrize(
    ("task_id", "cases", "patients", "said"),
    [
        ("volume", 40, 4, "volume: 40 cases with an estimate, of 4 patients: at least 10, of 5 patients, are needed"),
        ("volume", 9, 0, "volume: 9 cases with an estimate, of 9 patients: at least 10, of 5 patients, are needed"),
        ("place", 40, 4, "place: 40 scored cases that are of the nearest class, of 4 patients: at least 10, of 5"),
    ],
)
def test_what_has_no_threshold_needs_as_many_cases_and_patients(
    catalogue: Catalogue, task_id: str, cases: int, patients: int, said: str
) -> None:
    truths = np.arange(cases) % 2
    few = cases_of(catalogue, task_id, truths, truths + 0.5, outcomes=truths, patients=patients)
    with pytest.raises(CalibrationError, match=said):
        judge(few, ThresholdRule(), source="cases.csv")


def test_a_score_that_is_always_the_same_gives_no_threshold(catalogue: Catalogue) -> None:
    cases = cases_of(catalogue, "device", np.arange(40) % 2, np.full(40, 0.2))
    with pytest.raises(CalibrationError, match="device: all cases have the same score"):
        judge(cases, ThresholdRule(), source="cases.csv")


def test_few_cases_and_studies_without_a_score_are_said(catalogue: Catalogue) -> None:
    cases = cases_of(catalogue, "device", *two_kinds(60, 3), unanswered=2)
    warnings = judge(cases, ThresholdRule(), source="cases.csv").warnings
    assert "only 30 cases on one side: below 50, do not rely on it" in warnings
    assert "2 of 62 labelled studies have no score, and are in no figure" in warnings


@pytest.mark.parametrize(
    ("unknown", "said"), [(59, "the patient of 59 of 60 cases is not known"), (60, "no patient is known")]
)
def test_how_many_cases_are_of_no_known_patient_is_said(catalogue: Catalogue, unknown: int, said: str) -> None:
    cases = replace(cases_of(catalogue, "device", *two_kinds(60, 3)), of_no_patient=unknown)
    warnings = judge(cases, ThresholdRule(), source="cases.csv").warnings
    assert f"{said}: if one has several studies, every interval is too narrow" in warnings


def test_the_same_cases_give_the_same_report(catalogue: Catalogue) -> None:
    one, other = (
        judge(cases_of(catalogue, "device", *two_kinds(60, 1)), ThresholdRule(), source="x") for _ in range(2)
    )
    assert one.calibration == other.calibration


def test_report_and_pictures_say_it_to_people(catalogue: Catalogue, tmp_path: Path) -> None:
    device = judge(cases_of(catalogue, "device", *two_kinds(60, 3), unanswered=1), ThresholdRule(), source="cases.csv")
    truths = np.linspace(20, 70, 60)
    volume = judge(cases_of(catalogue, "volume", truths, truths + 3), ThresholdRule(), source="cases.csv")
    text = report([device, volume], title="Calibration", facts={"model": "Axis"}, notes=["1 lines were left out"])
    assert "| F1 |" in text
    assert "1.9.0 | not scored here" in text
    assert "bias (millilitre)" in text
    assert "not a probability" in text
    pictures = [*draw(device, tmp_path), *draw(volume, tmp_path)]
    assert [path.name for path in pictures] == ["device-roc.png", "device-reliability.png", "volume-agreement.png"]
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.name in text
