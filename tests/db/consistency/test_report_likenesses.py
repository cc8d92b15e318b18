"""How well texts fit images, in both databases: kept for the reports that are compared, and counted among others."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, select

from db.consistency.discordances import Likeness
from db.consistency.report_likenesses import AmongOthers, among_others, likenesses_of, record_likenesses
from db.lifecycle.received import ReceivedInstance
from db.lifecycle.studies import register_instance
from db.session import Database
from db.tables.studies import Study

Receive = Callable[..., ReceivedInstance]


def like(number: float, *, towers: str = "t", profile: str = "fast-1") -> Likeness:
    return Likeness(towers=towers, preprocessing_profile=profile, made_from="m", likeness=number)


@pytest.fixture
def studies(registry: Database, received: Receive, now: datetime) -> list[int]:
    """The numbers of two studies."""
    with registry.write() as session:
        for uid in ("1.2.1", "1.2.2"):
            register_instance(session, received(study=uid), timedelta(seconds=30))
        return list(session.scalars(select(Study.id).order_by(Study.id)))


def record(registry: Database, study: int, measured: dict[str, Likeness], *, reports: str = "") -> None:
    with registry.write() as session:
        record_likenesses(session, study_id=study, reports=reports.split() or list(measured), measured=measured)


def test_a_number_is_kept_as_long_as_its_report_is_compared(registry: Database, studies: list[int]) -> None:
    one, other = studies
    record(registry, one, {"a": like(0.1), "b": like(0.2)})
    record(registry, other, {"a": like(0.3)})
    record(registry, one, {"a": like(0.4)}, reports="a c")
    with registry.read() as session:
        assert likenesses_of(session, one) == {"a": like(0.4)}
        assert likenesses_of(session, other) == {"a": like(0.3)}
    record(registry, one, {}, reports="a")  # nothing could be measured this time
    with registry.read() as session:
        assert likenesses_of(session, one) == {"a": like(0.4)}


def test_only_other_studies_by_the_same_model_count(registry: Database, studies: list[int]) -> None:
    one, other = studies
    record(registry, one, {"a": like(0.1), "b": like(0.0)})
    same = {str(number): like(number / 10) for number in range(4)}
    record(registry, other, {**same, "x": like(0.0, towers="another"), "y": like(0.0, profile="upstream-1")})
    with registry.read() as session:
        assert among_others(session, like(0.2), besides=one) == AmongOthers(pairs=4, worse=2)
        assert among_others(session, like(0.2, towers="third"), besides=one) == AmongOthers(pairs=0, worse=0)


def test_they_go_with_their_study(registry: Database, studies: list[int]) -> None:
    record(registry, studies[0], {"a": like(0.1)})
    with registry.write() as session:
        session.execute(delete(Study).where(Study.id == studies[0]))
    with registry.read() as session:
        assert likenesses_of(session, studies[0]) == {}
