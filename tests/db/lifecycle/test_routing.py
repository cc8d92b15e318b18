"""Deciding anew for studies that were received under other rules."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from config.errors import StudyNotFoundError
from config.sections.pipeline import PipelineSettings
from config.sections.rules import Action, Decision
from config.steps import Step
from db.delivery.forwards import add_forwards
from db.lifecycle.routing import apply_decisions
from db.lifecycle.studies import ReceivedInstance, close_quiet_studies, register_instance
from db.reading.queries import spool_paths_of, study_detail
from db.session import Database
from db.tables.peers import Forward
from db.tables.studies import Instance, Study
from db.working.leases import claim, completing

QUIET = timedelta(seconds=30)
Receive = Callable[..., ReceivedInstance]


@pytest.fixture
def skipped(registry: Database, received: Receive, pipeline: PipelineSettings, now: datetime) -> str:
    """A study of two instances that a rule kept from being scored: its number in the registry is 1."""
    kept = Decision(rule="all is kept", action=Action.STORE, forward_to=("LAB",))
    with registry.write() as session:
        for sop in ("1.2.1.1", "1.2.1.2"):
            register_instance(session, replace(received(sop=sop, at=now - QUIET), decision=kept), QUIET)
        close_quiet_studies(session, now=now)
    with registry.write() as session:
        held = claim(session, 1, Step.PREPARE, owner="worker", now=now, pipeline=pipeline)
        assert held is not None
    with registry.write() as session, completing(session, held, now=now, skip_reason="rule all is kept"):
        pass
    return "1.2.1"


def apply(registry: Database, now: datetime, **decisions: Decision) -> bool:
    by_uid = {f"1.2.1.{name[-1]}": decision for name, decision in decisions.items()}
    with registry.write() as session:
        return apply_decisions(session, "1.2.1", by_uid, now=now)


def forwards(registry: Database) -> list[tuple[str, str, str]]:
    with registry.read() as session:
        query = select(Instance.sop_instance_uid, Forward.peer, Forward.state).join(
            Instance, Instance.id == Forward.instance_id
        )
        return sorted((uid, peer, state) for uid, peer, state in session.execute(query))


def test_a_study_that_a_wrong_rule_kept_from_being_scored_is_prepared_after_all(
    registry: Database, skipped: str, now: datetime
) -> None:
    assert apply(registry, now, instance_1=Decision(rule="ours", forward_to=("LAB",)))
    with registry.read() as session:
        detail = study_detail(session, skipped)
        assert (detail.study.state, detail.study.reason) == ("READY", None)
        assert {row.sop_instance_uid: (row.action, row.rule) for row in detail.instances} == {
            "1.2.1.1": ("score", "ours"),
            "1.2.1.2": ("store", "all is kept"),
        }
        assert list(spool_paths_of(session, detail.study.id, action=Action.SCORE)) == ["1.2.1.1"]


def test_where_only_the_rule_or_the_peers_change_the_study_stays_where_it_is(
    registry: Database, skipped: str, now: datetime
) -> None:
    assert not apply(registry, now, instance_1=Decision(rule="other", action=Action.STORE, forward_to=("PACS",)))
    with registry.read() as session:
        assert study_detail(session, skipped).study.state == "SKIPPED"
    assert forwards(registry) == [
        ("1.2.1.1", "LAB", "CANCELLED"),
        ("1.2.1.1", "PACS", "DUE"),
        ("1.2.1.2", "LAB", "DUE"),
    ]


def test_what_was_given_up_becomes_due_and_what_was_delivered_stays_so(
    registry: Database, skipped: str, now: datetime
) -> None:
    with registry.write() as session:
        study_id = session.scalars(select(Study.id)).one()
        add_forwards(session, study_id=study_id, sop_instance_uid="1.2.1.1", peers=["PACS"])
        session.execute(update(Forward).where(Forward.peer == "LAB").values(state="CANCELLED", attempts=50))
        session.execute(update(Forward).where(Forward.peer == "PACS").values(state="DELIVERED"))
    for peers in (("LAB", "PACS"), ("LAB",)):
        apply(registry, now, instance_1=Decision(rule="x", action=Action.STORE, forward_to=peers))
        assert forwards(registry)[:2] == [("1.2.1.1", "LAB", "DUE"), ("1.2.1.1", "PACS", "DELIVERED")]


def test_a_study_that_is_not_there_is_an_error(registry: Database, now: datetime) -> None:
    with registry.write() as session, pytest.raises(StudyNotFoundError, match=r"study 1\.9 is not in the registry"):
        apply_decisions(session, "1.9", {}, now=now)
