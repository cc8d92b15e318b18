"""Quality: how long studies take, what is answered and what is not, drift, calibration, and agreement of packs."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from markupsafe import Markup
from starlette.responses import Response

from config.calibration import Calibration, site_calibration
from config.clinical_tasks import BinaryTask, RegressionTask
from config.errors import ConfigurationError
from config.reasons import ReasonKind
from dashboard.access.people import Viewer
from dashboard.charts import MOST_SERIES, Series, bar_chart, legend, line_chart
from dashboard.day_range import AskedDays
from dashboard.installation import Here, Installation
from dashboard.rendering import page
from db.monitoring.drift import drift_history, last_drift, watched_scorer
from db.monitoring.figures import last_model
from db.monitoring.quality import AnswersOfDay, Days, TurnaroundOfDay, answers_of_tasks, daily_answers, turnaround
from db.rescoring.rescored import last_agreement

router = APIRouter()
HISTORY = timedelta(days=90)


@router.get("/quality")
def quality(request: Request, here: Here, person: Viewer, days: AskedDays) -> Response:
    """How long studies take, and what becomes of the questions."""
    with here.database.read() as session:
        of_days, answers = turnaround(session, days), answers_of_tasks(session, days)
    binary = {task.id for task in here.catalogue.tasks if isinstance(task, BinaryTask)}
    return page(
        request,
        "quality.html",
        person,
        days=days,
        turnaround=[each for each in of_days if each.studies],
        charts=_turnaround_charts(of_days),
        answers=answers,
        prevalence=[each for each in answers if each.task_id in binary and each.prevalence is not None],
        names=_names(here),
        reasons={kind.name: (kind.name.lower().replace("_", " "), kind.value) for kind in ReasonKind},
    )


@router.get("/quality/drift")
def drift(
    request: Request,
    here: Here,
    person: Viewer,
    days: AskedDays,
    task: Annotated[str, Query(max_length=32)] = "",
    by: Annotated[str, Query(pattern="^(device|sender)$")] = "device",
    every: bool = False,
) -> Response:
    """Whether answers are still distributed as they were: by the last night's look, and one task day by day."""
    chosen = next((each for each in here.catalogue.tasks if each.id == task), here.catalogue.tasks[0])
    with here.database.read() as session:
        rows, model, scorer = last_drift(session), last_model(session), watched_scorer(session)
        history = drift_history(session, since=here.now().date() - HISTORY)
        answers = [] if scorer is None else daily_answers(session, scorer, chosen.id, days, by_sender=by == "sender")
    shown = [row for row in rows if every or row.has_drifted]
    unit = chosen.unit.value if isinstance(chosen, RegressionTask) else ""
    labels = [f"{looked_on:%m-%d}" for looked_on, _ in history]
    return page(
        request,
        "quality_drift.html",
        person,
        days=days,
        rows=shown,
        compared=len(rows),
        looked_on=rows[0].looked_on if rows else None,
        nights=bar_chart("Comparisons that drifted, by night", labels, [count for _, count in history], unit=""),
        history=history,
        model=model,
        tasks=here.catalogue.tasks,
        chosen=chosen,
        unit=unit,
        by=by,
        every=every,
        answers=answers,
        chart=_medians(f"{chosen.name}: median by day", answers, days, unit),
        key=legend(_busiest(answers)),
        names=_names(here),
    )


@router.get("/quality/calibration")
def calibration(request: Request, here: Here, person: Viewer) -> Response:
    """What is calibrated here and by what figures, and how far a shadow agrees with the model that scores."""
    active: Calibration | None = None
    fault = ""
    try:
        active = site_calibration(here.settings)
    except ConfigurationError as error:
        fault = str(error)
    with here.database.read() as session:
        model, shadow = last_model(session), last_agreement(session)
    calibrated = {each.task_id for each in active.tasks} if active else set()
    return page(
        request,
        "quality_calibration.html",
        person,
        active=active,
        fault=fault,
        model=model,
        shadow=shadow,
        covered=[task for task in here.catalogue.tasks if task.id in calibrated],
        uncovered=[task for task in here.catalogue.tasks if task.id not in calibrated],
        names=_names(here),
    )


def _names(here: Installation) -> dict[str, str]:
    return {task.id: task.name for task in here.catalogue.tasks}


def _turnaround_charts(of_days: list[TurnaroundOfDay]) -> list[tuple[str, Markup, Markup]]:
    """Of each chart its heading, itself, and its legend."""
    labels = [f"{each.day:%m-%d}" for each in of_days]
    titles = {"processing_s": "From quiet to reported", "total_s": "From the last instance to delivered"}
    charts = []
    for name, title in titles.items():
        spreads = [getattr(each, name) for each in of_days]
        series = [
            Series(name=words, values=[getattr(spread, quantile) / 60 if spread else None for spread in spreads])
            for quantile, words in (("median", "median"), ("p90", "90th percentile"))
        ]
        chart = line_chart(f"{title}, minutes by day", labels, series, unit="min", from_zero=True)
        charts.append((title, chart, legend([one.name for one in series])))
    return charts


def _busiest(answers: list[AnswersOfDay]) -> list[str]:
    """The scanners or senders with the most studies: as many as a chart has lines for."""
    studies: dict[str, int] = {}
    for each in answers:
        studies[each.name] = studies.get(each.name, 0) + each.studies
    return sorted(studies, key=lambda name: (-studies[name], name))[:MOST_SERIES]


def _medians(title: str, answers: list[AnswersOfDay], days: Days, unit: str) -> Markup:
    found = {(each.name, each.day): each.numbers.median for each in answers if each.numbers}
    series = [Series(name=name, values=[found.get((name, day)) for day in days.each]) for name in _busiest(answers)]
    return line_chart(title, [f"{day:%m-%d}" for day in days.each], series, unit=unit, from_zero=False)
