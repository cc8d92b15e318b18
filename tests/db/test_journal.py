from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from config.sections.pipeline import PipelineSettings
from config.steps import Step
from db.journal import record_transition
from db.lifecycle.received import ReceivedInstance
from db.lifecycle.studies import register_instance, requeue
from db.reading.queries import study_detail
from db.session import Database
from db.states import ALLOWED, TRANSITIONS, StudyState
from db.tables.studies import Study
from db.working.leases import claim


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (StudyState.RECEIVING, StudyState.PREPARED),
        (StudyState.READY, StudyState.DELIVERED),
        (StudyState.SCORED, StudyState.SKIPPED),
        (StudyState.DELIVERED, StudyState.FAILED),
        (None, StudyState.READY),
    ],
)
def test_what_the_table_of_transitions_does_not_have_does_not_happen(
    registry: Database, ready_study: int, now: datetime, before: StudyState | None, after: StudyState
) -> None:
    with pytest.raises(ValueError, match=f"cannot go from {before} to {after}"), registry.write() as session:
        study = session.get_one(Study, ready_study)
        study.state = after
        record_transition(session, study, before=before, at=now)
    with registry.read() as session:
        assert session.get_one(Study, ready_study).state == StudyState.READY


def test_every_state_can_be_reached_and_left() -> None:
    assert {after for followers in ALLOWED.values() for after in followers} == set(StudyState)
    assert {state for state in ALLOWED if state is not None} == set(StudyState)
    for step in TRANSITIONS.values():
        assert step.after in ALLOWED[step.before]


def test_an_attempt_that_a_late_instance_or_a_person_breaks_off_has_its_row(
    registry: Database,
    ready_study: int,
    pipeline: PipelineSettings,
    now: datetime,
    received: Callable[..., ReceivedInstance],
) -> None:
    later = now + timedelta(seconds=2)
    for break_off in ("requeue", "late instance"):
        with registry.write() as session:
            assert claim(session, ready_study, Step.PREPARE, owner="w", now=now, pipeline=pipeline)
        with registry.write() as session:
            if break_off == "requeue":
                requeue(session, "1.2.1", now=later)
            else:
                register_instance(session, received(at=later), timedelta(seconds=30))
        with registry.read() as session:
            row = study_detail(session, "1.2.1").journal[-1]
        assert (row.step, row.attempt, row.duration_ms) == ("prepare", 1, 2000), break_off
        assert row.host
