"""The pictures of a calibration: ROC curves, reliability, and for a number its scatter and Bland-Altman plot."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # a server has no screen; said before pyplot is there

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from config.clinical_tasks import RegressionTask
from worker.calibration.judging import Findings

_SQUARE = (5.5, 5.5)
_WIDE = (11.0, 5.5)
_SHOWN_DIGITS = 2


def draw(findings: Findings, folder: Path) -> list[Path]:
    """Write the pictures of one task into a folder; their paths. They show scores and counts, and no study.

    Raises
    ------
    OSError
        The disk does not take them.
    """
    task = findings.cases.task
    if isinstance(task, RegressionTask):
        return [_save(_agreement(findings, task), folder / f"{task.id}-agreement.png")]
    if not findings.questions:
        return []
    return [
        _save(_roc(findings), folder / f"{task.id}-roc.png"),
        _save(_reliability(findings), folder / f"{task.id}-reliability.png"),
    ]


def _roc(findings: Findings) -> Figure:
    figure, axes = _square(f"{findings.cases.task.name}: ROC", "1 - specificity", "sensitivity")
    for question in findings.questions:
        area = question.area_under_curve
        away, found, _ = roc_curve(question.truth, question.scores)
        (line,) = axes.plot(
            away, found, label=f"{question.name}: AUC {area.value:.2f} ({area.low:.2f} to {area.high:.2f})"
        )
        called = question.scores > question.threshold.value
        at = ((called & ~question.truth).sum() / (~question.truth).sum(), called[question.truth].mean())
        axes.plot(*at, "o", color=line.get_color(), label=f"threshold {question.threshold.value:.4g}")
    axes.legend(loc="lower right", fontsize="small")
    return figure


def _reliability(findings: Findings) -> Figure:
    figure, axes = _square(
        f"{findings.cases.task.name}: reliability",
        "probability by a logistic map, cross-validated",
        "share of positive cases",
    )
    for question in findings.questions:
        said, share, counts = zip(*question.reliability.bins, strict=True)
        label = (
            f"{question.name}: Brier score {question.reliability.brier.value:.3f}, {min(counts)} or more in each point"
        )
        axes.plot(said, share, "o-", label=label)
    axes.legend(loc="upper left", fontsize="small")
    return figure


def _square(title: str, across: str, up: str) -> tuple[Figure, Axes]:
    """Axes from 0 to 1 with the diagonal."""
    figure, axes = plt.subplots(figsize=_SQUARE, layout="constrained")
    axes.plot([0, 1], [0, 1], ":", color="grey")
    axes.set(title=title, xlabel=across, ylabel=up, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.title.set_fontsize("medium")
    return figure, axes


def _agreement(findings: Findings, task: RegressionTask) -> Figure:
    truth, estimate = findings.cases.truths, findings.cases.scores
    unit = task.unit.meaning
    figure, (scatter, bland_altman) = plt.subplots(ncols=2, figsize=_WIDE, layout="constrained")
    ends = [min(truth.min(), estimate.min()), max(truth.max(), estimate.max())]
    scatter.plot(ends, ends, ":", color="grey")
    scatter.plot(truth, estimate, "o", alpha=0.5)
    scatter.set(title=task.name, xlabel=f"truth ({unit})", ylabel=f"estimate ({unit})", aspect="equal")
    bland_altman.plot((truth + estimate) / 2, estimate - truth, "o", alpha=0.5)
    for name in ("bias", "lower limit of agreement", "upper limit of agreement"):
        metric = findings.apparent[name]
        bland_altman.axhline(metric.value, linestyle="--", color="grey")
        bland_altman.axhspan(metric.low, metric.high, color="grey", alpha=0.15)
        bland_altman.annotate(
            f"{name} {metric.value:.{_SHOWN_DIGITS}f}", (0.01, metric.value), xycoords=("axes fraction", "data")
        )
    bland_altman.set(title="Bland-Altman", xlabel=f"mean ({unit})", ylabel=f"estimate - truth ({unit})")
    return figure


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path
