"""Every question that the command line, the page, the monitoring and the documented queries ask of the registry."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from config.steps import Step
from db.consistency.discordance_review import list_discordances, precision_by_rule
from db.delivery.dead_letters import deliveries_in, destination_summaries
from db.monitoring.figures import read_figures
from db.reading.queries import (
    count_by_state,
    count_instances,
    count_left_waiting,
    failed_at,
    instances_after,
    known_sop_instance_uids,
    latest_instance_at,
    list_callers,
    list_studies,
    rules_of,
    spool_paths_of,
    study_detail,
    study_instance_uid_of,
)
from db.reading.queue_summaries import queue_summaries
from db.session import Database
from db.states import DeliveryState, StudyState

ROUNDS = 3
QUERIES = Path(__file__).parents[1] / "docs" / "reading-the-database.md"
VIEWS = Path(__file__).parents[1] / "db" / "migrations" / "views"
A_PAGE = 50

Read = Callable[[Session], object]


def reads(study_instance_uid: str, study_id: int) -> dict[str, Read]:
    """By name; each is asked as its callers ask it."""
    now = datetime.now(UTC)
    return {
        "list_studies": lambda session: list_studies(session, limit=A_PAGE),
        **{
            f"list_studies, {state}": lambda session, state=state: list_studies(session, limit=A_PAGE, state=state)  # type: ignore[misc]
            for state in StudyState
        },
        "study_detail": lambda session: study_detail(session, study_instance_uid),
        "failed_at": lambda session: failed_at(session, Step.DELIVER),
        "count_by_state": count_by_state,
        "count_left_waiting": lambda session: count_left_waiting(session, since=now - timedelta(minutes=5)),
        "list_callers": list_callers,
        "count_instances": lambda session: count_instances(session, study_instance_uid),
        "spool_paths_of": lambda session: spool_paths_of(session, study_id),
        "study_instance_uid_of": lambda session: study_instance_uid_of(session, study_id),
        "rules_of": lambda session: rules_of(session, study_id),
        "known_sop_instance_uids": lambda session: known_sop_instance_uids(session, study_instance_uid),
        "latest_instance_at": latest_instance_at,
        "instances_after, 1,000": lambda session: instances_after(session, 0, limit=1000),
        "queue_summaries": lambda session: queue_summaries(session, now=now),
        "destination_summaries": lambda session: destination_summaries(session, now=now),
        "deliveries_in, DEAD": lambda session: deliveries_in(session, DeliveryState.DEAD, limit=A_PAGE),
        "deliveries_in, DUE": lambda session: deliveries_in(session, DeliveryState.DUE, limit=A_PAGE),
        "list_discordances": lambda session: list_discordances(session, limit=A_PAGE),
        "precision_by_rule": precision_by_rule,
        "read_figures (metrics)": lambda session: read_figures(session, now=now),
    }


def documented() -> dict[str, Read]:
    """The queries of docs/reading-the-database.md, and a page of each view."""
    queries = re.findall(r"```sql\n(.*?)```", QUERIES.read_text(), re.DOTALL)
    views = sorted({file.name.split(".")[0] for file in VIEWS.glob("v_*.sql")})
    statements = {f"{view}, {A_PAGE} rows": f"SELECT * FROM {view} LIMIT {A_PAGE}" for view in views}  # noqa: S608
    statements |= {f"documented query {number}: {_of(query)}": query for number, query in enumerate(queries, start=1)}
    return {name: lambda session, sql=sql: session.execute(text(sql)).all() for name, sql in statements.items()}  # type: ignore[misc]


def milliseconds(registry: Database, read: Read) -> float:
    """The best of a few: what a dashboard that asks again gets."""
    best = float("inf")
    for _ in range(ROUNDS):
        with registry.read() as session:
            began = time.perf_counter()
            read(session)
            best = min(best, 1000 * (time.perf_counter() - began))
    return best


def _of(query: str) -> str:
    return ", ".join(dict.fromkeys(re.findall(r"(?:FROM|JOIN) (\w+)", query)))
