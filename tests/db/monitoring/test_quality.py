"""How well the installation does: numbers worked out by hand (tests.support.lab), on both databases."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from db.consistency.discordance_inbox import InboxFilter, Shown, fields_found, inbox
from db.lifecycle.received import ACCEPTED, Call
from db.monitoring.callers import record_calls
from db.monitoring.canaries import canary_uid
from db.monitoring.drift import watched_scorer
from db.monitoring.quality import Days, Spread, answers_of_tasks, daily_answers, turnaround
from db.reading.queries import last_calls
from db.session import Database
from db.tables.monitoring import StudyDevice
from db.tables.runs import ResultRow
from db.tables.studies import Study
from tests.support import lab

BOTH = Days(first=date(2026, 10, 31), last=date(2026, 11, 1))


@pytest.fixture
def filled(registry: Database) -> Database:
    with registry.write() as session:
        lab.fill(session)
    return registry


def test_turnaround_is_of_the_day_on_which_the_last_instance_came(filled: Database) -> None:
    with filled.read() as session:
        first, second = turnaround(session, BOTH)
    assert (first.day, first.studies, first.delivered, first.failed_attempts) == (date(2026, 10, 31), 1, 1, 1)
    assert first.processing_s == Spread(p10=120.5, median=120.5, p90=120.5)
    assert first.total_s == Spread(p10=570, median=570, p90=570)
    assert (second.studies, second.processing_s) == (0, None)


def test_canaries_are_no_patients(filled: Database) -> None:
    with filled.write() as session:
        scorer = watched_scorer(session)
        assert scorer is not None
        for number in (1, 3):
            session.get_one(Study, number).study_instance_uid = canary_uid(lab.NOVEMBER, number)
    with filled.read() as session:
        assert [one.studies for one in turnaround(session, BOTH)] == [0, 0]
        by_sender = daily_answers(session, scorer, "lvef", BOTH, by_sender=True)
        asked = {(one.task_id, one.label): one.studies for one in answers_of_tasks(session, BOTH)}
    assert asked["lvef", "RESEARCH"] == 2
    assert "2026-10-31" not in {f"{one.day}" for one in by_sender}


def test_turnaround_says_what_the_view_says(filled: Database) -> None:
    with filled.write() as session:  # of an earlier revision, and of one that is open again
        session.get_one(Study, 3).revision += 1
        session.get_one(Study, 5).state = "RECEIVING"
    view = text("SELECT CAST(last_instance_at AS text), processing_s, total_s, failed_attempts FROM v_turnaround")
    with filled.read() as session:
        told = [day for day in turnaround(session, BOTH) if day.studies]
        rows = [(row[0][:10], *row[1:]) for row in session.execute(view)]
    assert rows
    for day in told:
        of_day = [row[1:] for row in rows if row[0] == f"{day.day}"]
        assert day.studies == len(of_day)
        assert day.processing_s == Spread.of(seconds for seconds, _, _ in of_day if seconds is not None)
        assert day.total_s == Spread.of(seconds for _, seconds, _ in of_day if seconds is not None)
        assert day.failed_attempts == sum(failed for _, _, failed in of_day)
    assert sum(day.studies for day in told) == len(rows)


def test_turnaround_reads_the_journal_of_the_studies_of_these_days_alone(filled: Database) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    with filled.read() as session:
        connection = session.connection()
        if connection.dialect.name != "sqlite":
            return  # of so few rows PostgreSQL reads the whole table, whatever there is
        event.listen(connection, "before_cursor_execute", note)
        turnaround(session, BOTH)
        ((statement, parameters),) = asked
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    said = " / ".join(row[-1] for row in plan)
    assert "SEARCH studies USING INDEX ix_studies_last_instance_at_id" in said
    assert "SEARCH journal USING INDEX ix_journal_study_id" in said


def test_a_day_ends_at_midnight_in_utc(filled: Database) -> None:
    of_one = Days(first=date(2026, 11, 1), last=date(2026, 11, 1))
    with filled.read() as session:
        asked = {(one.task_id, one.label): one.studies for one in answers_of_tasks(session, of_one)}
    assert asked["lvef", "RESEARCH"] == 3


def test_abstentions_have_the_kinds_of_their_reasons(filled: Database) -> None:
    with filled.write() as session:
        for row in session.query(ResultRow).where(ResultRow.task_id == "lvef", ResultRow.verdict == "ABSTAINED"):
            row.reason, row.reason_terms = "no usable clip", {"kind": "NO_CLIP"}
    with filled.read() as session:
        found = {(one.task_id, one.label): one for one in answers_of_tasks(session, BOTH)}
    lvef = found["lvef", "RESEARCH"]
    assert (lvef.verdicts, lvef.reasons, lvef.abstained) == ({"MEASURED": 3, "ABSTAINED": 1}, {"NO_CLIP": 1}, 0.25)
    assert found["mr", "RESEARCH"].reasons == {"OTHER": 1}
    assert found["pacemaker", "RESEARCH"].prevalence == pytest.approx(1 / 3)
    assert found["pacemaker", "DEMO"].prevalence == 1
    assert lvef.prevalence is None


def test_daily_answers_are_by_scanner_or_by_sender(filled: Database) -> None:
    with filled.write() as session:
        session.add(StudyDevice(study_id=2, manufacturer="Maker", model="One", station=None))
    with filled.read() as session:
        scorer = watched_scorer(session)
        assert scorer is not None
        by_device = daily_answers(session, scorer, "lvef", BOTH, by_sender=False)
        by_sender = daily_answers(session, scorer, "lvef", BOTH, by_sender=True)
    assert [(one.day.day, one.name, one.studies, one.answered) for one in by_device] == [
        (31, "not named", 1, 1), (1, "Maker One", 1, 1), (1, "not named", 3, 2)
    ]  # fmt: skip
    assert [(one.name, one.numbers.median if one.numbers else None) for one in by_sender] == [
        ("ECHO1", 60.0), ("ECHO1", 40.0), ("ECHO2", 70.0)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("numbers", "spread"),
    [([3.0], (3, 3, 3)), ([4, 1, 3, 2], (1, 2, 4)), (list(range(1, 21)), (2, 10, 18)), ([], None)],
)
def test_quantiles_are_numbers_that_somebody_has(numbers: list[float], spread: tuple[float, ...] | None) -> None:
    found = Spread.of(numbers)
    assert (None if found is None else (found.p10, found.median, found.p90)) == spread


def test_an_inbox_gives_what_is_asked_for_in_portions(filled: Database) -> None:
    with filled.read() as session:
        every = inbox(session, InboxFilter(shown=Shown.ALL), offset=0, limit=10)
        assert [one.id for one in every] == [3, 2, 1]
        assert inbox(session, InboxFilter(shown=Shown.ALL), offset=1, limit=1) == every[1:2]
        assert [one.id for one in inbox(session, InboxFilter(), offset=0, limit=10)] == [2]
        assert inbox(session, InboxFilter(rule="another"), offset=0, limit=10) == []
        assert fields_found(session) == ["lvef"]


def test_a_senders_last_call_is_the_last_that_was_accepted(registry: Database, now: datetime) -> None:
    def call(outcome: str, at: datetime, address: str) -> Call:
        return Call(ae_title="ECHO1", address=address, outcome=outcome, count=1, first_at=at, last_at=at)

    later = now + timedelta(hours=1)
    with registry.write() as session:
        record_calls(session, [call(ACCEPTED, now, "a"), call(ACCEPTED, later, "b"), call("not known", later, "c")])
    with registry.read() as session:
        assert last_calls(session) == {"ECHO1": later}
