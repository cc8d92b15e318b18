"""What reports say of phantoms, against what is true of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.phantom_report import Told, class_number
from config.catalogue import Catalogue
from config.clinical_tasks import BinaryTask, ClassTask, RegressionTask
from db.results.runs import Verdict
from dicom_node.report.codes import PRESENCE
from worker.calibration.metrics import agreement_metrics, area_under_curve
from worker.phantom.captions import LEAD_TASKS
from worker.phantom.heart import Device
from worker.phantom.truth import HeartTruth, StudyTruth

MEASURED, GRADED = ("lvef", "pa_pressure"), ("lv_size", "rv_size", "la_size", "ra_size")
FOUND = (*LEAD_TASKS, Device.TAVR, Device.MITRACLIP, Device.IMPELLA)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One study, and what its report says by the id of the task."""

    truth: StudyTruth
    told: Mapping[str, Told]


def measured(heart: HeartTruth, task_id: str) -> float:
    """The number that a regression is to find."""
    return float({"lvef": heart.ejection_fraction, "pa_pressure": heart.pa_pressure}[task_id])


def has_finding(heart: HeartTruth, task_id: str) -> bool:
    """Whether the device that a binary task asks for is there."""
    return (Device.PACEMAKER if task_id in LEAD_TASKS else Device(task_id)) in heart.devices


def auc(scores: Sequence[float], truth: Sequence[bool]) -> float:
    """How often a study with the finding scores above one without it."""
    weights = np.ones((1, len(truth)))
    return float(area_under_curve(weights, np.asarray(scores, np.float64), np.asarray(truth, bool))[0])


def so_far(cases: Sequence[Case]) -> str:
    """The ejection fraction's error, for whoever waits for all of them."""
    errors = [
        t.number - measured(case.truth.heart, "lvef") for case in cases if (t := case.told["lvef"]).number is not None
    ]
    return f"ejection fraction {np.abs(errors).mean():.2f} points off" if errors else "nothing answered"


def print_figures(cases: Sequence[Case], catalogue: Catalogue) -> None:
    """All of them, a line for each task."""
    for task in catalogue.tasks:
        told = [(case.truth.heart, case.told[task.id]) for case in cases]
        match task:
            case RegressionTask() if task.id in MEASURED:
                _print_measured(
                    task, [(measured(h, task.id), t.number) for h, t in told if t.number is not None], len(told)
                )
            case BinaryTask() if task.id in FOUND:
                _print_found(task, [(has_finding(heart, task.id), said) for heart, said in told])
            case ClassTask() if task.id in GRADED:
                ids = [outcome.id for outcome in task.classes]
                _print_graded(task, [(ids.index(getattr(heart, task.id)), class_number(task, t)) for heart, t in told])
            case _:
                pass


def _print_measured(task: RegressionTask, pairs: Sequence[tuple[float, float]], asked: int) -> None:
    truth, said = (np.array(column, np.float64) for column in zip(*pairs, strict=True))
    metrics = {name: float(v[0]) for name, v in agreement_metrics(np.ones((1, len(truth))), truth, said).items()}
    print(
        f"{task.id:18} mean absolute error {metrics['mean absolute error']:.2f} {task.unit.value}, "
        f"correlation {metrics['correlation']:.3f}, bias {metrics['bias']:+.2f} "
        f"({metrics['lower limit of agreement']:+.1f} to {metrics['upper limit of agreement']:+.1f}), "
        f"{len(truth)} of {asked} answered"
    )


def _print_found(task: BinaryTask, told: Sequence[tuple[bool, Told]]) -> None:
    answered = [(there, said) for there, said in told if said.number is not None]
    if not answered:
        print(f"{task.id:18} no similarity in any report: uncalibrated, or no view that may answer")
        return
    there = np.array([there for there, _ in answered])
    present = PRESENCE[Verdict.PRESENT]
    called = np.array([said.code == (present.value, present.scheme_designator) for _, said in answered])
    area = auc([said.number or 0.0 for _, said in answered], there.tolist())
    sensitivity, specificity = called[there].mean(), 1 - called[~there].mean()
    print(
        f"{task.id:18} AUC {area:.3f}, sensitivity {sensitivity:.3f}, specificity {specificity:.3f}, "
        f"{there.sum()} of {len(answered)} have it, {len(answered)} of {len(told)} answered"
    )


def _print_graded(task: ClassTask, told: Sequence[tuple[int, int | None]]) -> None:
    pairs = np.array([(truth, said) for truth, said in told if said is not None])
    if not len(pairs):
        print(f"{task.id:18} no class in any report: uncalibrated, or no view that may answer")
        return
    apart = np.abs(pairs[:, 0] - pairs[:, 1])
    commonest = np.bincount(pairs[:, 0]).max() / len(pairs)
    print(
        f"{task.id:18} accuracy {(apart == 0).mean():.3f} (always the commonest: {commonest:.3f}), within one class "
        f"{(apart <= 1).mean():.3f}, {len(pairs)} of {len(told)} answered"
    )
