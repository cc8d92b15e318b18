"""Rows of views have the types that are documented, on both databases, and the same values."""

from datetime import date, datetime
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, types

from config.errors import NotFoundError
from db.migrating import views_at
from db.session import Database
from db.views.rows import RANGES, ColumnKind, OpenDays, documented_view, kind_of, view_rows
from tests.support import lab

PYTHON = {
    ColumnKind.TEXT: str,
    ColumnKind.WHOLE: int,
    ColumnKind.REAL: float,
    ColumnKind.YES_NO: bool,
    ColumnKind.TIME: datetime,
    ColumnKind.DATE: date,
}
SQL = {
    ColumnKind.TEXT: types.String,
    ColumnKind.WHOLE: types.Integer,
    ColumnKind.REAL: types.Float,
    ColumnKind.YES_NO: types.Boolean,
    ColumnKind.TIME: types.DateTime,
    ColumnKind.DATE: types.Date,
}


def test_every_documented_view_has_its_range() -> None:
    assert set(RANGES) == set(views_at("head"))
    for name, of in RANGES.items():
        assert of is None or kind_of(of) in (ColumnKind.TIME, ColumnKind.DATE)
        assert of is None or of in documented_view(name).columns


def test_values_have_the_kind_that_their_column_says(registry: Database) -> None:
    with registry.write() as session:
        lab.fill(session)
    with registry.read() as session:
        for name in RANGES:
            columns = list(documented_view(name).columns)
            rows = list(view_rows(session, name, OpenDays()))
            assert rows, name
            for column, values in zip(columns, zip(*rows, strict=True), strict=True):
                of = PYTHON[kind_of(column)]
                assert {type(value) for value in values} <= {of, type(None)}, (name, column)
                times = [value for value in values if isinstance(value, datetime)]
                assert all(time.tzinfo is not None for time in times), (name, column)


def test_postgresql_calls_the_columns_the_same(registry: Database) -> None:
    if registry.url.startswith("sqlite"):
        pytest.skip("SQLite says nothing of the types of a view")
    engine = create_engine(registry.url)
    for name in RANGES:
        for column in inspect(engine).get_columns(name):
            said: Any = column["type"]
            assert isinstance(said, SQL[kind_of(column["name"])]), (name, column["name"], said)
    engine.dispose()


def test_days_are_of_utc_and_the_latest_come_first_where_there_is_a_limit(registry: Database) -> None:
    with registry.write() as session:
        lab.fill(session)
    october, november = date(2026, 10, 31), date(2026, 11, 1)
    with registry.read() as session:
        of_october = list(view_rows(session, "v_study_timeline", OpenDays(first=october, last=october)))
        assert len(of_october) == 7
        assert list(view_rows(session, "v_study_timeline", OpenDays(first=november))) == []
        assert [row[0] for row in view_rows(session, "v_intake_daily", OpenDays(), limit=1)] == [november]
        only = view_rows(session, "v_drift_daily", OpenDays(), equal={"task_id": "lvef"})
        assert {row[6] for row in only} == {"lvef"}
        with pytest.raises(NotFoundError, match="v_states"):
            view_rows(session, "v_patients", OpenDays())
