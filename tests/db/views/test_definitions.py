"""What dashboards read: each view against numbers worked out by hand (tests.support.lab), on both databases."""

import uuid
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import Row, create_engine, inspect, text
from sqlalchemy.orm import Session

from db.migrating import views_at
from db.session import Database
from db.views.definitions import FOLDER, read_view
from tests.support import lab
from tests.support.servers import PostgreSQL

COLUMNS = {
    "v_current_results": (
        "study_instance_uid study_state study_revision received_at calling_ae_title run_uid run_revision finished_at "
        "model_name model_version model_label model_digest catalogue_digest calibration_digest software_version "
        "preprocessing_profile clips_used task_id verdict value unit score threshold outcome spread agreement method "
        "reason"
    ),
    "v_study_timeline": (
        "study_instance_uid place revision at step state_before state_after attempt duration_ms host reason "
        "seconds_since"
    ),
    "v_turnaround": (
        "study_instance_uid state revision received_at last_instance_at calling_ae_title ready_at prepared_at "
        "scored_at reported_at delivered_at quiet_s processing_s delivery_s total_s failed_attempts"
    ),
    "v_deliveries": (
        "study_instance_uid run_uid is_current model_label kind sop_instance_uid sent_as created_at destination state "
        "attempts last_attempt_at next_attempt_at last_answer commitment_asked_at delivered_at seconds_to_delivery"
    ),
    "v_discordances": (
        "discordance_id study_instance_uid found_at rule rules_version field severity confidence first_kind "
        "first_source first_said second_kind second_source second_said run_uid model_name model_version model_label "
        "state is_open superseded_at reviewed_at reviewed_by review_reason"
    ),
    "v_worklist": "kind study_instance_uid since severity about reason",
    "v_states": "state studies with_a_lease tried_before oldest_since",
    "v_intake_daily": "day calling_ae_title modality studies instances bytes stored_only first_at last_at",
    "v_device_prevalence": (
        "month task_id model_name model_version model_label studies present absent uncalibrated abstained prevalence"
    ),
    "v_drift_daily": (
        "day calling_ae_title model_name model_version model_label model_digest task_id unit studies answered "
        "uncalibrated abstained numbers mean minimum p10 median p90 maximum"
    ),
    "v_outcomes_daily": (
        "day calling_ae_title model_name model_version model_label model_digest task_id verdict outcome studies"
    ),
}
"""The contract with dashboards: a column is added at the end by a new version of the view, and none ever goes."""
RELEASED = {1: "b89d", 2: "074e"}
"""Of the files of each version together: a database that has a version of a view never gets another of that number."""
BY_DAY = {
    "v_drift_daily": ("day", "ix_studies_day"),
    "v_outcomes_daily": ("day", "ix_studies_day"),
    "v_intake_daily": ("day", "ix_instances_day"),
    "v_device_prevalence": ("month", "ix_studies_month"),
}
"""Views that sum up days or months: the column they are asked by, and the index that then finds their rows."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('views')}/registry.sqlite3"
    else:
        url = request.getfixturevalue("postgresql_server").create_database(f"views_{uuid.uuid4().hex}")
    database = Database(url)
    database.upgrade()
    with database.write() as session:
        lab.fill(session)
    yield database
    database.close()


@pytest.fixture
def session(filled: Database) -> Iterator[Session]:
    with filled.read() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SET TIME ZONE 'Pacific/Auckland'"))  # days are days in UTC, wherever one looks
        yield session


def rows(session: Session, query: str) -> list[tuple[Any, ...]]:
    return [_alike(row) for row in session.execute(text(query))]


def _alike(row: Row[Any]) -> tuple[Any, ...]:
    """Dates as text, which is all that SQLite has."""
    return tuple(value.isoformat() if hasattr(value, "isoformat") else value for value in row)


def test_the_columns_of_every_view_are_a_contract(filled: Database) -> None:
    engine = create_engine(filled.url)
    there = {
        name: " ".join(column["name"] for column in inspect(engine).get_columns(name))
        for name in inspect(engine).get_view_names()
    }
    engine.dispose()
    assert there == COLUMNS


def test_every_column_of_a_view_is_explained() -> None:
    for name, version in views_at("head").items():
        view = read_view(name, version)
        assert " ".join(view.columns) == COLUMNS[name]
        assert view.meaning
        assert all(view.columns.values())


@pytest.mark.parametrize("version", RELEASED)
def test_a_version_of_a_view_never_changes(version: int) -> None:
    files = sorted(FOLDER.glob(f"*.{version}.sql"))
    digest = sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    assert digest[:4] == RELEASED[version], "a released view is changed by a file of its next version, and a migration"


def test_no_view_shows_whose_study_it_is(session: Session) -> None:
    for name in COLUMNS:
        seen = repr(rows(session, f"SELECT * FROM {name}"))  # noqa: S608
        assert not [secret for secret in lab.PHI if secret in seen], name


def test_a_canary_counts_in_no_view_of_times_and_days(filled: Database) -> None:
    def all_rows() -> dict[str, list[str]]:
        return {
            name: sorted(map(repr, rows(session, f"SELECT * FROM {name}")))  # noqa: S608
            for name in (*BY_DAY, "v_turnaround")
        }

    with filled.write() as session:
        before = all_rows()
        uid = lab.add_canary(session)
        counted = f"SELECT count(*) FROM v_current_results WHERE study_instance_uid = '{uid}'"  # noqa: S608
        is_there, after = rows(session, counted), all_rows()
        session.rollback()
    assert is_there == [(3,)]
    assert after == before


@pytest.mark.parametrize("name", BY_DAY)
def test_who_asks_for_some_days_reads_no_others(filled: Database, name: str) -> None:
    column, index = BY_DAY[name]
    question = f"SELECT * FROM {name} WHERE {column} >= '2026-11-01'"  # noqa: S608
    with filled.read() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SET LOCAL enable_seqscan = off"))  # so few rows are read faster without an index
            plan = rows(session, f"EXPLAIN {question}")
        else:
            plan = rows(session, f"EXPLAIN QUERY PLAN {question}")
    assert index in repr(plan)


def test_current_results_are_of_the_run_that_counts(session: Session) -> None:
    found = rows(
        session,
        "SELECT run_uid, calling_ae_title, clips_used, value, unit FROM v_current_results "
        "WHERE task_id = 'lvef' AND verdict = 'MEASURED' AND model_label = 'RESEARCH' ORDER BY study_instance_uid",
    )
    assert found == [
        ("last", "ECHO1", 2, 60.0, "%"),
        ("second", "ECHO1", 2, 40.0, "%"),
        ("third", "ECHO1", 2, 50.0, "%"),
    ]
    assert rows(session, "SELECT count(*) FROM v_current_results") == [(14,)]


def test_a_timeline_is_in_order_with_the_time_between(session: Session) -> None:
    found = rows(
        session,
        "SELECT place, state_after, reason, seconds_since FROM v_study_timeline WHERE study_instance_uid = '1.2.1' "
        "ORDER BY place",
    )
    assert found == [
        (1, "RECEIVING", None, None),
        (2, "READY", None, 60.0),
        (3, "READY", "disk full", 10.0),
        (4, "PREPARED", None, 50.0),
        (5, "SCORED", None, 30.0),
        (6, "REPORTED", None, 30.5),
        (7, "DELIVERED", None, 419.5),
    ]


def test_turnaround_is_told_part_by_part(session: Session) -> None:
    found = rows(
        session,
        "SELECT study_instance_uid, calling_ae_title, quiet_s, processing_s, delivery_s, total_s, failed_attempts "
        "FROM v_turnaround",
    )
    assert found == [("1.2.1", "ECHO1", 30.0, 120.5, 419.5, 570.0, 1)]


def test_deliveries_say_which_are_of_current_results(session: Session) -> None:
    found = session.execute(
        text("SELECT run_uid, is_current, state, seconds_to_delivery FROM v_deliveries ORDER BY run_uid")
    )
    assert [(run, bool(current), *more) for run, current, *more in found] == [
        ("last", True, "DELIVERED", 419.5),
        ("old", False, "CANCELLED", None),
        ("second", True, "DEAD", None),
    ]


def test_discordances_show_both_sides(session: Session) -> None:
    found = session.execute(
        text(
            "SELECT study_instance_uid, first_kind, first_source, first_said, second_kind, second_source, second_said, "
            "is_open FROM v_discordances ORDER BY study_instance_uid"
        )
    ).all()
    sides = ("text-report", "1.2.9", "55 to 60 %", "images", "model", "40 %")
    assert [tuple(row[1:7]) for row in found] == [sides] * 3
    assert [bool(row.is_open) for row in found] == [False, True, False]


def test_the_worklist_is_what_waits_for_a_person(session: Session) -> None:
    found = rows(session, "SELECT kind, study_instance_uid, severity, about, reason FROM v_worklist ORDER BY kind")
    assert found == [
        ("dead-delivery", "1.2.2", None, "PACS", "A900"),
        ("discordance", "1.2.2", "MAJOR", "lvef", "55 to 60 % | 40 %"),
        ("failed-study", "1.2.2", None, "deliver", "PACS: refused"),
        ("unmatched-report", None, None, "hl7", "no study"),
    ]


def test_states_are_counted(session: Session) -> None:
    found = rows(session, "SELECT state, studies, with_a_lease, tried_before FROM v_states ORDER BY state")
    assert found == [("DELIVERED", 3, 0, 0), ("FAILED", 1, 0, 0), ("SCORED", 1, 0, 0)]


def test_intake_is_counted_by_day_and_sender(session: Session) -> None:
    found = rows(
        session,
        "SELECT day, calling_ae_title, modality, studies, instances, bytes, stored_only FROM v_intake_daily "
        "ORDER BY day, calling_ae_title",
    )
    assert found == [
        ("2026-10-31", "ECHO1", "US", 1, 2, 150, 1),
        ("2026-11-01", "ECHO1", "US", 3, 3, 300, 0),
        ("2026-11-01", "ECHO2", "US", 1, 1, 100, 0),
    ]


def test_prevalence_is_of_yes_or_no_questions_by_month_and_label(session: Session) -> None:
    found = rows(
        session,
        "SELECT month, task_id, model_label, studies, present, absent, uncalibrated, abstained, prevalence "
        "FROM v_device_prevalence ORDER BY month, model_label",
    )
    assert found == [
        ("2026-10-01", "pacemaker", "RESEARCH", 1, 1, 0, 0, 0, 1.0),
        ("2026-11-01", "pacemaker", "DEMO", 1, 1, 0, 0, 0, 1.0),
        ("2026-11-01", "pacemaker", "RESEARCH", 3, 0, 2, 1, 0, 0.0),
    ]


def test_drift_is_a_distribution_a_day_and_sender(session: Session) -> None:
    found = rows(
        session,
        "SELECT day, calling_ae_title, unit, studies, answered, uncalibrated, abstained, numbers, mean, minimum, p10, "
        "median, p90, maximum FROM v_drift_daily WHERE task_id = 'lvef' ORDER BY day, calling_ae_title",
    )
    assert found == [
        ("2026-10-31", "ECHO1", "%", 1, 1, 0, 0, 1, 60.0, 60.0, 60.0, 60.0, 60.0, 60.0),
        ("2026-11-01", "ECHO1", "%", 3, 2, 0, 1, 2, 45.0, 40.0, 40.0, 40.0, 50.0, 50.0),
        ("2026-11-01", "ECHO2", "%", 1, 1, 0, 0, 1, 70.0, 70.0, 70.0, 70.0, 70.0, 70.0),
    ]


def test_outcomes_are_counted_and_what_is_no_answer_has_none(session: Session) -> None:
    found = rows(
        session,
        "SELECT verdict, outcome, studies FROM v_outcomes_daily "
        "WHERE task_id = 'mr' AND day = '2026-11-01' ORDER BY verdict",
    )
    assert found == [("ABSTAINED", None, 1), ("CLASSIFIED", "severe", 1), ("UNCALIBRATED", None, 1)]


AT_SIZE = """
INSERT INTO studies (study_instance_uid, revision, state, state_since, created_at, last_instance_at, attempts)
  SELECT '1.3.' || n, 1, 'DELIVERED', t, t, t, 0
  FROM generate_series(1, 8000) n, LATERAL (SELECT timestamptz '2020-01-01' + n * interval '10 minutes' AS t) x;
INSERT INTO runs (run_uid, study_id, revision, model_name, model_version, model_family, model_label, model_digest,
    catalogue_digest, software_version, preprocessing_profile, finished_at, clips)
  SELECT id, id, 1, 'M', '1', 'f', 'RESEARCH', 'd', 'c', '0', 'p', created_at, '[]' FROM studies;
INSERT INTO current_runs SELECT study_id, id FROM runs;
INSERT INTO results (run_id, task_id, verdict, value, clips)
  SELECT id, 'task' || n, 'MEASURED', n, '[]' FROM runs, generate_series(1, 5) n;
INSERT INTO journal (study_id, revision, at, state_after, host)
  SELECT id, 1, created_at, 'READY', 'h' FROM studies, generate_series(1, 4) n;
INSERT INTO instances (study_id, sop_instance_uid, sop_class_uid, series_instance_uid, transfer_syntax_uid, spool_path,
    sha256, size_bytes, received_at, revision)
  SELECT id, '1.4.' || id, '1', '1', '1', 'x', 'x', 1, created_at, 1 FROM studies;
INSERT INTO reports (study_id, run_id, sop_instance_uid, sop_class_uid, spool_path, sha256, created_at)
  SELECT study_id, id, '2.25.' || id, '1', 'x', 'x', finished_at FROM runs;
INSERT INTO deliveries (report_id, destination, state, attempts)
  SELECT id, 'PACS', 'DELIVERED', 1 FROM reports;
ANALYZE;
"""


def test_what_dashboards_ask_goes_by_indexes_at_size(postgresql_server: PostgreSQL) -> None:
    database = Database(postgresql_server.create_database(f"views_{uuid.uuid4().hex}"))
    database.upgrade()
    asked = {
        "one study's answers": "SELECT * FROM v_current_results WHERE study_instance_uid = '1.3.77'",
        "the last answers": "SELECT * FROM v_current_results WHERE task_id = 'task1' AND finished_at > '2020-02-25'",
        "one study's way": "SELECT * FROM v_study_timeline WHERE study_instance_uid = '1.3.77' ORDER BY place",
        "one study's times": "SELECT * FROM v_turnaround WHERE study_instance_uid = '1.3.77'",
        "the last studies' times": "SELECT * FROM v_turnaround WHERE last_instance_at > '2020-02-25 13:00Z'",
        "one study's deliveries": "SELECT * FROM v_deliveries WHERE study_instance_uid = '1.3.77'",
        "dead deliveries": "SELECT * FROM v_deliveries WHERE state = 'DEAD'",
        "what waits for a person": "SELECT * FROM v_worklist",
    }
    with database.write() as session:
        session.connection().exec_driver_sql(AT_SIZE)
    with database.read() as session:
        plans = {what: "\n".join(session.scalars(text(f"EXPLAIN {query}"))) for what, query in asked.items()}
    database.close()
    big = ("studies", "runs", "results", "journal", "instances", "deliveries")
    read_whole = {what: [table for table in big if f"Seq Scan on {table}" in plan] for what, plan in plans.items()}
    assert {what: tables for what, tables in read_whole.items() if tables} == {}
