"""Whose answers are watched for drift: those of the scorer whose results are current, and of no other."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from db.lifecycle.received import ReceivedInstance
from db.lifecycle.studies import register_instance
from db.monitoring.drift import last_drift, record_drift, watched_answers, watched_scorer, watched_studies
from db.monitoring.figures import read_figures
from db.rescoring.rescored import append_runs_beside
from db.results.recording import append_run
from db.results.runs import Run, TaskResult, Verdict
from db.session import Database
from db.tables.monitoring import DriftRow
from db.tables.studies import Study
from tests.support.reported import QUIET, run_of

ANSWER = TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=55.0)


def scored(registry: Database, instance: ReceivedInstance, run: Run) -> int:
    with registry.write() as session:
        register_instance(session, instance, QUIET)
        uid = instance.study_instance_uid
        number = session.scalars(select(Study.id).where(Study.study_instance_uid == uid)).one()
        append_run(session, study_id=number, run=replace(run, results=(ANSWER,)), units={"lvef": "%"})
    return number


def test_a_shadow_that_scores_beside_is_not_watched(
    registry: Database, received: Callable[..., ReceivedInstance], now: datetime
) -> None:
    number = scored(registry, received("1.2.1", at=now), run_of("1.2.1", "current", now))
    shadow = run_of("1.2.1", "shadow", now)
    shadow = replace(shadow, model=replace(shadow.model, name="shadow", digest="f" * 64), results=(ANSWER,))
    with registry.write() as session:
        append_runs_beside(session, [(number, shadow)], {"lvef": "%"})
    with registry.read() as session:
        scorer = watched_scorer(session)
        assert scorer is not None
        assert scorer.model_digest == "0" * 64
        model = read_figures(session, now=now).model
        assert model is not None
        assert model.name == "m"


@pytest.mark.parametrize(
    "changed",
    [{"catalogue_digest": "c" * 64}, {"view_gate": "by words"}, {"preprocessing_profile": "another-1"}],
    ids=lambda changed: next(iter(changed)),
)
def test_another_catalogue_view_gate_or_preprocessing_begins_the_watch_anew(
    registry: Database, received: Callable[..., ReceivedInstance], now: datetime, changed: dict[str, Any]
) -> None:
    scored(registry, received("1.2.1", at=now), run_of("1.2.1", "before", now))
    newer = scored(registry, received("1.2.2", at=now), replace(run_of("1.2.2", "since", now), **changed))
    since = now - timedelta(days=1)
    with registry.read() as session:
        scorer = watched_scorer(session)
        assert scorer is not None
        assert [study.study_id for study in watched_studies(session, scorer, since=since)] == [newer]
        assert [answer.study_id for answer in watched_answers(session, scorer, since=since)] == [newer]


def test_a_look_that_has_nothing_to_compare_ends_the_drift_of_the_night_before(
    registry: Database, now: datetime
) -> None:
    numbers = {"reference": 90, "recent": 30, "stability_index": 1.0, "alarm_limit": 0.25, "has_drifted": True}
    key = {"grouping": "all", "name": "", "task_id": "lvef", "measure": "number"}
    nights = [[DriftRow(looked_on=now.date(), **key, **numbers)], []]
    for back, rows in enumerate(nights):
        with registry.write() as session:
            record_drift(session, now.date() + timedelta(days=back), rows)
        with registry.read() as session:
            assert len(last_drift(session)) == len(rows)
            figures = read_figures(session, now=now)
            assert figures.drifted == ({"all": 1} if rows else {})
            assert figures.heartbeats == {}
