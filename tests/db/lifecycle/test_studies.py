import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select

from config.errors import RegistryError, StudyNotFoundError
from config.sections.pipeline import PipelineSettings
from config.steps import Step
from db.lifecycle.received import ReceivedInstance
from db.lifecycle.studies import (
    Registration,
    close_quiet_studies,
    close_study,
    identity_of,
    keep_open,
    register_instance,
    report_again,
    requeue,
)
from db.reading.queries import count_instances, study_detail
from db.results.recording import current_run
from db.results.reports import current_report
from db.session import Database
from db.states import StudyState
from db.tables.studies import Instance, PatientIdentity, Study
from db.working.leases import Fault, claim, fail_attempt
from tests.support.reported import reported

QUIET = timedelta(seconds=30)
Receive = Callable[..., ReceivedInstance]


def state_of(registry: Database, uid: str = "1.2.1") -> tuple[str, int]:
    with registry.read() as session:
        study = study_detail(session, uid).study
        return study.state, study.revision


def test_the_first_instance_opens_its_study(registry: Database, received: Receive) -> None:
    with registry.write() as session:
        assert register_instance(session, received(), QUIET) is Registration.ADDED
    assert state_of(registry) == (StudyState.RECEIVING, 1)


def test_an_instance_registered_again_changes_nothing(registry: Database, received: Receive, now: datetime) -> None:
    instance = received()
    with registry.write() as session:
        register_instance(session, instance, QUIET)
    with registry.write() as session:
        close_quiet_studies(session, now=now + QUIET)
    with registry.write() as session:
        assert register_instance(session, instance, QUIET) is Registration.KNOWN
    assert state_of(registry) == (StudyState.READY, 1)


def test_concurrent_registrations_make_one_study_one_patient_and_each_instance_once(
    registry: Database, received: Receive
) -> None:
    instances = [received() for _ in range(12)]
    start = threading.Barrier(4)
    errors: list[BaseException] = []

    def register_all() -> None:
        start.wait()
        try:
            for instance in instances:
                with registry.write() as session:
                    register_instance(session, instance, QUIET)
        except BaseException as error:  # noqa: BLE001  handed to the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=register_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with registry.read() as session:
        counts = [session.scalar(select(func.count()).select_from(t)) for t in (Study, PatientIdentity, Instance)]
    assert counts == [1, 1, 12]


def test_a_study_is_ready_when_nothing_came_for_the_quiet_period(
    registry: Database, received: Receive, now: datetime
) -> None:
    with registry.write() as session:
        register_instance(session, received(at=now), QUIET)
        register_instance(session, received(at=now + timedelta(seconds=20)), QUIET)
    for seconds, closed in ((31, []), (49, []), (50, ["1.2.1"]), (51, [])):
        with registry.write() as session:
            assert close_quiet_studies(session, now=now + timedelta(seconds=seconds)) == closed


def test_an_open_association_keeps_its_study_open(registry: Database, received: Receive, now: datetime) -> None:
    with registry.write() as session:
        register_instance(session, received(at=now), QUIET)
        keep_open(session, ["1.2.1"], quiet_at=now + timedelta(minutes=5))
        assert close_quiet_studies(session, now=now + timedelta(minutes=4)) == []
        assert close_quiet_studies(session, now=now + timedelta(minutes=6)) == ["1.2.1"]


def test_a_late_instance_reopens_the_study_as_its_next_revision(
    registry: Database, ready_study: int, received: Receive, now: datetime
) -> None:
    with registry.write() as session:
        outcome = register_instance(session, received(at=now), QUIET)
    assert outcome is Registration.REOPENED
    assert state_of(registry) == (StudyState.RECEIVING, 2)
    with registry.write() as session:
        assert close_quiet_studies(session, now=now + QUIET) == ["1.2.1"]
    with registry.read() as session:
        assert [instance.revision for instance in study_detail(session, "1.2.1").instances] == [1, 2]


def test_our_own_report_coming_back_from_the_pacs_reopens_nothing(
    registry: Database, ready_study: int, received: Receive, now: datetime
) -> None:
    """Whichever installation made it: two of them behind one PACS must not answer each other's answers."""
    report = replace(received(sop="1.2.9"), is_our_report=True)
    with registry.write() as session:
        assert register_instance(session, report, QUIET) is Registration.STORED_ONLY
    assert state_of(registry) == (StudyState.READY, 1)


def test_our_own_report_of_a_study_that_is_not_here_is_registered_and_not_scored(
    registry: Database, received: Receive
) -> None:
    """A PACS that forwards everything, or a fetched prior: what is acknowledged is in the registry."""
    report = replace(received(sop="1.2.9"), is_our_report=True)
    with registry.write() as session:
        assert register_instance(session, report, QUIET) is Registration.ADDED
        assert register_instance(session, received(), QUIET) is Registration.ADDED
    assert state_of(registry) == (StudyState.RECEIVING, 1)
    with registry.read() as session:
        actions = {item.sop_instance_uid: item.action for item in study_detail(session, "1.2.1").instances}
    assert actions.pop("1.2.9") == "store"
    assert list(actions.values()) == ["score"]


def test_the_newest_instance_decides_the_quiet_time_in_whatever_order_they_are_registered(
    registry: Database, received: Receive, now: datetime
) -> None:
    with registry.write() as session:
        register_instance(session, received(at=now), QUIET)
        register_instance(session, received(at=now - QUIET), QUIET)
        assert close_quiet_studies(session, now=now + QUIET / 2) == []
        assert close_quiet_studies(session, now=now + QUIET) == ["1.2.1"]


def test_a_failed_study_is_requeued_before_the_step_that_failed(
    registry: Database, ready_study: int, pipeline: PipelineSettings, now: datetime
) -> None:
    with registry.write() as session:
        held = claim(session, ready_study, Step.PREPARE, owner="w", now=now, pipeline=pipeline)
        assert held is not None
        fail_attempt(session, held, reason="broken", fault=Fault.LASTING, now=now, pipeline=pipeline)
    assert state_of(registry) == (StudyState.FAILED, 1)
    with registry.write() as session:
        assert requeue(session, "1.2.1", now=now) is Step.PREPARE
    assert state_of(registry) == (StudyState.READY, 1)


def test_requeue_names_the_study_it_does_not_know(registry: Database, now: datetime) -> None:
    with registry.write() as session, pytest.raises(StudyNotFoundError, match=r"1\.2\.3"):
        requeue(session, "1.2.3", now=now)


def test_a_study_that_is_still_received_is_not_requeued(registry: Database, received: Receive, now: datetime) -> None:
    with registry.write() as session:
        register_instance(session, received(), QUIET)
        for step in (None, *Step):
            with pytest.raises(RegistryError, match="still being received"):
                requeue(session, "1.2.1", now=now, step=step)


def test_a_study_without_results_is_not_reported(registry: Database, ready_study: int, now: datetime) -> None:
    for step in (Step.REPORT, Step.DELIVER):
        with registry.write() as session, pytest.raises(RegistryError, match="no results to report"):
            requeue(session, "1.2.1", now=now, step=step)


def test_scoring_again_begins_with_the_frames_where_they_are_gone(
    registry: Database, ready_study: int, now: datetime
) -> None:
    with registry.write() as session:
        assert requeue(session, "1.2.1", now=now, step=Step.SCORE) is Step.PREPARE


def test_instances_are_counted_and_the_patient_is_known(registry: Database, received: Receive) -> None:
    with registry.write() as session:
        for _ in range(3):
            register_instance(session, received(), QUIET)
        register_instance(session, received(study="1.2.9"), QUIET)
    with registry.read() as session:
        assert count_instances(session, "1.2.1") == 3
        assert count_instances(session, "1.2.404") == 0
        assert identity_of(session, "1.2.1").patient_id == "1"
        with pytest.raises(StudyNotFoundError, match=r"study 1\.2\.404 is not in the registry"):
            identity_of(session, "1.2.404")


def test_a_study_is_closed_by_hand_whoever_is_still_sending_it(
    registry: Database, received: Receive, now: datetime
) -> None:
    with registry.write() as session:
        register_instance(session, received(at=now), QUIET)
        keep_open(session, ["1.2.1"], quiet_at=now + 10 * QUIET)
        close_study(session, "1.2.1", now=now)
    assert state_of(registry) == ("READY", 1)
    with registry.read() as session:
        assert study_detail(session, "1.2.1").journal[-1].reason == "closed by hand"
    with registry.write() as session:
        assert register_instance(session, received(at=now), QUIET) is Registration.REOPENED
    assert state_of(registry) == ("RECEIVING", 2)


def test_only_a_study_that_is_being_received_can_be_closed(registry: Database, ready_study: int, now: datetime) -> None:
    with (
        registry.write() as session,
        pytest.raises(RegistryError, match=r"1\.2\.1 is READY: only one that is RECEIVING"),
    ):
        close_study(session, "1.2.1", now=now)
    with registry.write() as session, pytest.raises(StudyNotFoundError):
        close_study(session, "1.2.99", now=now)


def test_a_reported_study_is_reported_once_more_with_the_same_results(
    registry: Database, pipeline: PipelineSettings, received: Receive, now: datetime
) -> None:
    study_id = reported(registry, pipeline, received(), to=["pacs"], now=now)
    with registry.read() as session:
        first = current_run(session, study_id=study_id, study_instance_uid="1.2.1")
    assert first is not None
    for run_uid, at in (("second", now + timedelta(hours=1)), ("third", now + timedelta(hours=2))):
        with registry.write() as session:
            assert report_again(session, study_id, run_uid=run_uid, now=at)
        with registry.write() as session:
            again = current_run(session, study_id=study_id, study_instance_uid="1.2.1")
            assert again == replace(first, run_uid=run_uid, finished_at=at, repeats=first.run_uid)
            assert current_report(session, study_id=study_id) is None  # it is still to be built
            study = session.get_one(Study, study_id)
            assert (study.state, study.revision) == (StudyState.SCORED, 1)
            study.state = StudyState.REPORTED


def test_a_study_on_its_way_is_not_reported_once_more(registry: Database, ready_study: int, now: datetime) -> None:
    with registry.write() as session:
        assert not report_again(session, ready_study, run_uid="second", now=now)
    assert state_of(registry) == (StudyState.READY, 1)
