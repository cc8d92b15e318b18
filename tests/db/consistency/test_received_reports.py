"""Received reports in both databases: one row each, the last of an order counts, and checks fall due."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete

from config.errors import RegistryError
from config.sections.pipeline import PipelineSettings
from config.settings import load_settings
from db.consistency.received_reports import (
    BY_HAND,
    Matching,
    NewReport,
    Via,
    add_received_report,
    check_done,
    due_checks,
    list_received,
    match_by_hand,
    put_check_off,
    received_reports_of,
)
from db.consistency.report_matching import matching_key, reports_to_match, studies_after, studies_that_may_match
from db.identities import KeyKind
from db.session import Database
from db.tables.studies import Study
from tests.support.reported import instance_of, reported

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STUDY = "1.2.3.77"


@pytest.fixture
def settings() -> PipelineSettings:
    return load_settings().pipeline


def new(number: int, *, order: str | None = None, status: str = "final", key: str = "") -> NewReport:
    return NewReport(
        report_id=f"{number:064}",
        via=Via.HL7,
        received_at=NOW + timedelta(seconds=number),
        spool_path=f"received_reports/kept/{number}",
        place=0,
        status=status,
        order_key=order,
        keys=[matching_key(KeyKind.ACCESSION_NUMBER, key)] if key else [],
    )


def a_study(registry: Database, settings: PipelineSettings, uid: str = STUDY) -> int:
    return reported(registry, settings, instance_of(uid, sop=f"{uid}.1.1", at=NOW), to=[], now=NOW)


def add(registry: Database, report: NewReport, matching: Matching | None = None) -> bool:
    with registry.write() as session:
        return add_received_report(session, report, matching or Matching(why_not="none"), now=NOW)


def test_one_that_comes_again_stays_as_it_is(registry: Database, settings: PipelineSettings) -> None:
    study = a_study(registry, settings)
    assert add(registry, new(1, key="A"), Matching(study_id=study, by="accession number"))
    assert not add(registry, replace(new(1), status="corrected"))
    with registry.read() as session:
        (report,) = received_reports_of(session, study)
    assert report.status == "final"


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["in-order", "registered-late"])
def test_of_one_order_the_one_that_came_last_counts(
    registry: Database, settings: PipelineSettings, order: tuple[int, int]
) -> None:
    study = a_study(registry, settings)
    for number in order:
        add(registry, new(number, order="o"), Matching(study_id=study, by="accession number"))
    with registry.read() as session:
        assert [report.report_id for report in received_reports_of(session, study)] == [f"{2:064}"]


def test_a_check_is_due_until_it_was_done_with_all_that_came(registry: Database, settings: PipelineSettings) -> None:
    study = a_study(registry, settings)
    add(registry, new(1), Matching(study_id=study, by="accession number"))
    with registry.read() as session:
        assert due_checks(session, now=NOW) == [study]
    with registry.write() as session:
        check_done(session, study, since=NOW - timedelta(seconds=1))  # the report came while it ran
    with registry.write() as session:
        assert due_checks(session, now=NOW) == [study]
        put_check_off(session, study, until=NOW + timedelta(minutes=1))
    with registry.write() as session:
        assert due_checks(session, now=NOW) == []
        check_done(session, study, since=NOW + timedelta(minutes=1))
    with registry.read() as session:
        assert due_checks(session, now=NOW + timedelta(days=1)) == []


def test_reports_are_found_by_what_a_new_study_shares_with_them(registry: Database, settings: PipelineSettings) -> None:
    add(registry, new(1, key="A"))
    add(registry, new(2, key="B"))
    with registry.read() as session:
        keys = [matching_key(KeyKind.ACCESSION_NUMBER, " A ")]
        assert reports_to_match(session, keys, also_matched_by="patient and time") == [1]
    study = a_study(registry, settings)
    with registry.read() as session:
        (found,) = studies_after(session, 0, but_for=())
        assert (found.id, found.study_instance_uid) == (study, STUDY)
        assert studies_after(session, 0, but_for={study}) == []
        named = {"study_instance_uids": [STUDY], "accession_numbers": ["A", ""], "patient_ids": ["1"]}
        assert studies_that_may_match(session, **named) == [found]  # type: ignore[arg-type]


def test_what_is_matched_by_hand_is_a_study_that_is_here(registry: Database, settings: PipelineSettings) -> None:
    add(registry, new(1))
    study = a_study(registry, settings)
    with registry.write() as session, pytest.raises(RegistryError, match=r"study 1\.2\.3\.4 is not in the registry"):
        match_by_hand(session, 1, "1.2.3.4", now=NOW)
    with registry.write() as session:
        match_by_hand(session, 1, STUDY, now=NOW)
    with registry.read() as session:
        (listed,) = list_received(session)
        assert (listed.study_instance_uid, listed.matched_by, listed.why_unmatched) == (STUDY, BY_HAND, None)
        assert due_checks(session, now=NOW) == [study]


def test_a_study_that_is_removed_leaves_its_reports(registry: Database, settings: PipelineSettings) -> None:
    study = a_study(registry, settings)
    add(registry, new(1), Matching(study_id=study, by="accession number"))
    with registry.write() as session:
        session.execute(delete(Study))
    with registry.read() as session:
        (listed,) = list_received(session, unmatched_only=True)
        assert listed.study_instance_uid is None
