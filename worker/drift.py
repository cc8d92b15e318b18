"""Are the answers still distributed as they were? By task, for all studies, for each scanner, and for each sender.

Population stability index (PSI): over bins, the sum of (recent - reference) * ln(recent / reference), of shares. By
custom (Siddiqi, Credit Risk Scorecards, 2006) below 0.1 is no change and above 0.25 a large one. That custom ignores
how many there are: without any change, PSI is distributed as (1/N + 1/M) chi-squared, with one degree of freedom less
than there are bins (Yurdakul and Naranjo, Statistical Properties of the Population Stability Index, Journal of Risk
Model Validation 14(4), 2020). So a difference has to be beyond the threshold and beyond chance, and chance is shared
among all comparisons of a night (Bonferroni).
"""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from config.errors import UnreadableInstanceError
from config.logs import Event, emit, place_of
from config.sections.monitoring import DriftSettings
from db.monitoring.drift import (
    WatchedAnswer,
    WatchedStudy,
    note_device,
    record_drift,
    studies_without_device,
    watched_answers,
    watched_scorer,
    watched_studies,
)
from db.results.runs import Verdict
from db.tables.monitoring import DriftRow
from dicom_node.archive.answers import text_of
from dicom_node.header import read_attributes
from worker.context import WorkerContext
from worker.nightly import once_a_day

DUTY = "drift"
BINS = 10
"""Of numbers: tenths of the reference."""
FALSE_ALARMS_A_NIGHT = 0.01
"""Of all comparisons together, without any drift."""
REFERENCE_TIMES = 3
HEADERS_S = 5.0
"""Of opening headers each time that beat wakes, as the reaper waits behind it: the first night has many to open."""
AT_ONCE = 200
"""Headers between two transactions."""
Counts = npt.NDArray[np.intp]
Key = tuple[str, str, str, str]
"""Grouping, name, task, measure."""


@dataclass
class Sample:
    """The answers of both times."""

    reference: list[float | str]
    recent: list[float | str]


def look_for_drift_if_due(context: WorkerContext, *, now: datetime) -> None:
    """Once a day, where the settings name a time for it."""

    def work() -> bool:
        if not find_devices(context, now=now, within_s=HEADERS_S):
            return False
        look_for_drift(context, now=now)
        return True

    if at := context.settings.monitoring.drift.at:
        once_a_day(context, DUTY, at, work, now=now)


def look_for_drift(context: WorkerContext, *, now: datetime) -> list[DriftRow]:
    """Compare, write down, and give what was compared.

    Raises
    ------
    SQLAlchemyError
        The registry is away.
    SpoolAwayError
        The spool is not there.
    """
    wanted = context.settings.monitoring.drift
    recent_since, since = _since(wanted, now)
    find_devices(context, now=now)
    samples: dict[Key, Sample] = {}
    with context.database.read() as session:
        scorer = watched_scorer(session)
        if scorer is not None:
            studies = {study.study_id: study for study in watched_studies(session, scorer, since=since)}
            samples = collect(studies, watched_answers(session, scorer, since=since), recent_since=recent_since)
    today = now.astimezone().date()
    rows = [DriftRow(looked_on=today, **row) for row in compared(samples, wanted)]
    with context.database.write() as session:
        record_drift(session, today, rows)
    if drifted := sum(row.has_drifted for row in rows):
        emit(Event.DRIFT_FOUND, count=drifted)
    return rows


def _since(wanted: DriftSettings, now: datetime) -> tuple[datetime, datetime]:
    """From when on studies are recent, and from when on they are the reference."""
    recent_since = now - timedelta(days=wanted.recent_days)
    return recent_since, recent_since - timedelta(days=wanted.reference_days)


def collect(
    studies: dict[int, WatchedStudy], answers: Iterable[WatchedAnswer], *, recent_since: datetime
) -> dict[Key, Sample]:
    """Answers by what they are compared within."""
    samples: dict[Key, Sample] = defaultdict(lambda: Sample([], []))
    for answer in answers:
        study = studies.get(answer.study_id)
        if study is None:
            continue
        for grouping, name in (("all", ""), ("device", study.device), ("sender", study.sender)):
            if not name and grouping != "all":
                continue
            for measure, value in _measures(answer):
                sample = samples[grouping, name, answer.task_id, measure]
                (sample.recent if study.came_at >= recent_since else sample.reference).append(value)
    return dict(samples)


def _measures(answer: WatchedAnswer) -> Iterator[tuple[str, float | str]]:
    has_abstained = answer.verdict == Verdict.ABSTAINED
    yield "answered", "no" if has_abstained else "yes"
    if has_abstained:
        return
    if answer.outcome is not None:
        yield "outcome", answer.outcome
    if answer.number is not None:
        yield "number", answer.number


def compared(samples: dict[Key, Sample], wanted: DriftSettings) -> list[dict[str, object]]:
    """What there is enough of, each with its index and its limit: the columns of `drift`."""
    enough = {
        key: sample
        for key, sample in samples.items()
        if len(sample.recent) >= wanted.minimum_studies
        and len(sample.reference) >= REFERENCE_TIMES * wanted.minimum_studies
    }
    rows: list[dict[str, object]] = []
    for (grouping, name, task_id, measure), sample in sorted(enough.items()):
        reference, recent = binned(sample, is_number=measure == "number")
        if len(reference) < 2:  # all alike, then and now
            continue
        index = stability_index(reference, recent)
        limit = max(wanted.threshold, chance_limit(reference, recent, comparisons=len(enough)))
        sizes = {"reference": len(sample.reference), "recent": len(sample.recent)}
        key = {"grouping": grouping, "name": name[:160], "task_id": task_id, "measure": measure}
        rows.append({**key, **sizes, "stability_index": index, "alarm_limit": limit, "has_drifted": index > limit})
    return rows


def binned(sample: Sample, *, is_number: bool) -> tuple[Counts, Counts]:
    """How many of each time [B] are in each bin: a tenth of the reference's numbers, or an outcome."""
    if is_number:
        reference, recent = np.asarray(sample.reference, np.float64), np.asarray(sample.recent, np.float64)
        edges = np.unique(np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1]))
        bins = len(edges) + 1
        counts = [np.bincount(np.searchsorted(edges, part), minlength=bins) for part in (reference, recent)]
    else:
        then, now = Counter(sample.reference), Counter(sample.recent)
        outcomes = sorted({*then, *now}, key=str)
        counts = [np.asarray([part[outcome] for outcome in outcomes], np.intp) for part in (then, now)]
    return counts[0], counts[1]


def stability_index(reference: Counts, recent: Counts) -> float:
    """PSI of counts [B], half an answer added to each bin, so that an empty one has a logarithm."""
    shares = [(counts + 0.5) / (counts.sum() + 0.5 * len(counts)) for counts in (reference, recent)]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


def chance_limit(reference: Counts, recent: Counts, *, comparisons: int) -> float:
    """What PSI stays below without any drift, but for `FALSE_ALARMS_A_NIGHT` shared among so many comparisons."""
    scale = 1 / reference.sum() + 1 / recent.sum()
    return float(scale * chi2.isf(FALSE_ALARMS_A_NIGHT / max(comparisons, 1), len(reference) - 1))


def find_devices(context: WorkerContext, *, now: datetime, within_s: float = math.inf) -> bool:
    """Of studies whose header nobody has looked at, that of one instance each; whether there was time for all.

    Raises
    ------
    SQLAlchemyError
        The registry is away.
    SpoolAwayError
        The spool is not there.
    """
    context.require_spool()
    _, since = _since(context.settings.monitoring.drift, now)
    until = time.monotonic() + within_s
    while True:
        with context.database.read() as session:
            lacking = studies_without_device(session, since=since, limit=AT_ONCE)
        named: dict[int, Sequence[str]] = {}
        for number, path in lacking:
            if time.monotonic() > until:
                break
            if (said := _device(context, path)) is not None:
                named[number] = said
        with context.database.write() as session:
            for number, said in sorted(named.items()):
                note_device(session, number, manufacturer=said[0], model=said[1], station=said[2])
        if lacking and time.monotonic() > until:
            return False
        if len(lacking) < AT_ONCE or not named:
            return True


def _device(context: WorkerContext, spool_path: str) -> Sequence[str] | None:
    """Manufacturer, model and station; of a file that is gone or damaged, nothing; None where the disk does not say."""
    keywords = ("Manufacturer", "ManufacturerModelName", "StationName")
    try:
        header = read_attributes(context.spool.with_header(spool_path), keywords)
    except (FileNotFoundError, UnreadableInstanceError):
        return ("", "", "")
    except OSError as error:
        emit(Event.DUTY_FAILS, step=DUTY, error=place_of(error))
        return None
    return [text_of(header, keyword) for keyword in keywords]
