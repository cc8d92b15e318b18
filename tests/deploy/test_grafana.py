"""The dashboards for Grafana: their SQL runs as the role of dashboards, their metrics are ours, nothing hangs loose.

Macros and variables are put in as Grafana documents them (PostgreSQL query editor; variable syntax).
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.engine import make_url

from config.settings import load_settings
from db.monitoring.canaries import CAME_THROUGH, SENT, canary_uid
from db.monitoring.tallies import BEAT, TallyKind, add_to_tallies, note_heartbeat
from db.session import Database
from db.tables.pipeline import JournalEntry
from db.tables.studies import Study
from db.views.read_only_role import read_only_role_sql
from deploy.monitoring.metrics import Metrics
from dicom_node.spool import Spool
from tests.support import lab
from tests.support.servers import PostgreSQL

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
BOARDS = {path.stem: json.loads(path.read_text()) for path in FILES}
PANELS = [(name, panel) for name, board in BOARDS.items() for panel in board["panels"]]
NOW = datetime(2026, 11, 2, tzinfo=UTC)
CHOSEN = {"label": "'RESEARCH','DEMO'", "sender": "'ECHO1','ECHO2',''", "task": "'lvef'", "class_task": "'mr'"}
BUILT_IN = {"__rate_interval"}
MACROS = {
    r"\$__timeFilter\(([^)]+)\)": r"\1 BETWEEN '2026-09-30T22:00:00Z' AND '2026-11-30T22:00:00.5Z'",
    r"\$__timeGroupAlias\(([^,)]+),\s*'1h'\)": r'floor(extract(epoch from \1)/3600)*3600 AS "time"',
    r"\$__timeGroupAlias\(([^,)]+),\s*'1d'\)": r'floor(extract(epoch from \1)/86400)*86400 AS "time"',
}
FUNCTIONS = {"by", "le", "max", "min", "sum", "rate", "time", "histogram_quantile"}


def expanded(sql: str, chosen: dict[str, str] = CHOSEN) -> str:
    for macro, put in MACROS.items():
        sql = re.sub(macro, put, sql)
    sql = re.sub(r"\$\{(\w+):sqlstring\}", lambda found: chosen[found[1]], sql)
    assert "$" not in sql, f"a macro or variable that this test does not know: {sql}"
    return sql


def targets(kind: str) -> list[Any]:
    """Every query of every panel of one kind of data source, named by where it is."""
    return [
        pytest.param(target, id=f"{name}: {panel['title']}")
        for name, panel in PANELS
        for target in panel["targets"]
        if target["datasource"]["type"] == kind
    ]


OF_MODELS = [each for each in targets("grafana-postgresql-datasource") if "${label" in each.values[0]["rawSql"]]


@pytest.fixture(scope="module")
def as_dashboard(postgresql_server: PostgreSQL) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the role that Grafana has, to a registry with a lab's work in it."""
    url = postgresql_server.create_database("grafana")
    database = Database(url)
    database.upgrade()
    with database.write() as session:
        lab.fill(session)
    database.close()
    conninfo = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo, autocommit=True) as owner:
        owner.execute(read_only_role_sql("grafana_read").encode())
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SET ROLE grafana_read")
        yield connection


@pytest.mark.parametrize("target", targets("grafana-postgresql-datasource"))
def test_the_sql_of_a_panel_runs_and_has_what_its_format_needs(
    target: dict[str, Any], as_dashboard: psycopg.Connection[Any]
) -> None:
    found = as_dashboard.execute(expanded(target["rawSql"]).encode())
    columns = [column.name for column in found.description or []]
    assert len(set(columns)) == len(columns)
    if target["format"] == "time_series":
        assert columns[0] == "time"
        assert not re.search(r"\blimit\b", target["rawSql"], re.IGNORECASE)


@pytest.mark.parametrize("target", OF_MODELS)
def test_models_of_different_labels_are_never_added_up(
    target: dict[str, Any], as_dashboard: psycopg.Connection[Any]
) -> None:
    """A DEMO model's answers among those of one for patients would look like theirs; all labels are chosen at first."""
    rows = {
        label: as_dashboard.execute(expanded(target["rawSql"], {**CHOSEN, "label": label}).encode()).fetchall()
        for label in ("'RESEARCH'", "'DEMO'", CHOSEN["label"])
    }
    both = [*rows["'RESEARCH'"], *rows["'DEMO'"]]
    assert sorted(map(str, rows[CHOSEN["label"]])) == sorted(map(str, both))
    assert all("RESEARCH" in str(row) for row in rows["'RESEARCH'"])


@pytest.mark.parametrize("name", ["quality", "turnaround", "devices"])
def test_a_lab_with_work_has_something_in_its_panels(name: str, as_dashboard: psycopg.Connection[Any]) -> None:
    """A panel that is empty whatever was done would pass the test above."""
    with_rows = {
        panel["title"]
        for panel in BOARDS[name]["panels"]
        for target in panel["targets"]
        if "rawSql" in target and as_dashboard.execute(expanded(target["rawSql"]).encode()).fetchall()
    }
    nothing_drifted = {"What drifted by the last look", "Scanners"}
    all_of_sql = {panel["title"] for panel in BOARDS[name]["panels"] if "rawSql" in panel["targets"][0]}
    pacemakers = {**CHOSEN, "task": "'pacemaker'"}
    for panel in BOARDS[name]["panels"]:
        if "rawSql" in panel["targets"][0] and name == "devices":
            query = expanded(panel["targets"][0]["rawSql"], pacemakers)
            with_rows |= {panel["title"]} if as_dashboard.execute(query.encode()).fetchall() else set()
    assert all_of_sql - with_rows <= nothing_drifted


@pytest.mark.parametrize(
    "variable",
    [
        pytest.param(each, id=f"{name}: {each['name']}")
        for name in BOARDS
        for each in BOARDS[name]["templating"]["list"]
    ],
)
def test_a_variable_offers_values(variable: dict[str, Any], as_dashboard: psycopg.Connection[Any]) -> None:
    assert as_dashboard.execute(variable["query"].encode()).fetchall()
    assert variable["query"] == variable["definition"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What the exporter says of an installation that has done everything once: labels by the name of the sample."""
    peer = {"name": "PACS", "ae_title": "PACS", "roles": ["destination", "forward"], "host": "127.0.0.1"}
    settings = load_settings(data_dir=tmp_path_factory.mktemp("exported"), peers=[peer])
    Spool(settings.spool_dir).create()
    registry = Database(settings.database_url)
    registry.upgrade()
    metrics = Metrics(settings, registry)
    metrics.text()
    with registry.write() as session:
        lab.fill(session)
        _worked(session)
    text = metrics.text().decode()
    registry.close()
    return {
        sample.name: set(sample.labels) for family in text_string_to_metric_families(text) for sample in family.samples
    }


def _worked(session: Any) -> None:
    for name in (BEAT, SENT, CAME_THROUGH):
        note_heartbeat(session, name, now=NOW)
    add_to_tallies(session, TallyKind.INSTANCE, {"0x0000": 1})
    add_to_tallies(session, TallyKind.ASSOCIATION, {"refused": 1})
    study = Study(
        study_instance_uid=canary_uid(NOW, 1), state="READY", state_since=NOW, created_at=NOW, last_instance_at=NOW
    )
    session.add(study)
    session.flush()
    steps: list[dict[str, Any]] = [
        {"state_before": None, "state_after": "RECEIVING"},
        {"state_before": "READY", "state_after": "READY", "step": "prepare", "attempt": 1, "reason": "r"},
        {"state_before": "READY", "state_after": "PREPARED", "step": "prepare", "attempt": 2, "duration_ms": 5},
    ]
    for step in steps:
        session.add(JournalEntry(study_id=study.id, revision=1, at=NOW, host="h", **step))


@pytest.mark.parametrize("target", targets("prometheus"))
def test_a_metric_of_a_panel_is_one_of_ours_with_these_labels(
    target: dict[str, Any], exported: dict[str, set[str]], request: pytest.FixtureRequest
) -> None:
    expression = target["expr"]
    names = set(re.findall(r"echoworker_\w+", expression))
    assert names
    not_in_this_lab = {"echoworker_forwards_due", "echoworker_circuit_open"}
    assert names - set(exported) <= not_in_this_lab
    used = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", expression))
    used |= {label for found in re.findall(r"by \(([^)]+)\)", expression) for label in re.split(r",\s*", found)}
    if not names & not_in_this_lab:
        assert used <= set().union(*(exported[name] for name in names))
    known = set(re.findall(r"\$(\w+)", expression)) - BUILT_IN
    assert known == set()


def test_the_metrics_that_this_lab_has_none_of_are_in_the_documentation() -> None:
    said = (GRAFANA.parents[1] / "docs" / "monitoring.md").read_text()
    assert "| `echoworker_forwards_due` | `peer` |" in said
    assert "| `echoworker_circuit_open` | `purpose`, `peer` |" in said


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_whole(name: str) -> None:
    board = BOARDS[name]
    assert board["uid"].startswith("echoworker-")
    assert board["description"]
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    provided = yaml.safe_load((GRAFANA / "provisioning/datasources/echoworker.yaml").read_text())["datasources"]
    there = {(source["uid"], source["type"]) for source in provided}
    variables = board["templating"]["list"]
    for each in [*panels, *(target for panel in panels for target in panel["targets"]), *variables]:
        assert (each["datasource"]["uid"], each["datasource"]["type"]) in there
    names = {variable["name"] for variable in variables}
    assert set(re.findall(r"\$\{?([a-z]\w+)", json.dumps(panels))) <= names
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["description"].endswith("."), panel["title"]
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_provisioning_names_what_is_there() -> None:
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/echoworker.yaml").read_text())["providers"]
    said = (GRAFANA.parents[1] / "docs" / "grafana.md").read_text()
    assert provider["options"]["path"] in said
    variables = set(
        re.findall(r"\$(ECHOWORKER_\w+)", (GRAFANA / "provisioning/datasources/echoworker.yaml").read_text())
    )
    assert variables
    assert {name for name in variables if name not in said} == set()
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS) == 4
