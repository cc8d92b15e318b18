"""What the registry says of studies that an archive has."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from config.sections.pipeline import PipelineSettings
from config.sections.report_objects import ReportObject
from db.delivery.delivering import Answered, record_answer
from db.lifecycle.received import ReceivedInstance
from db.lifecycle.studies import register_instance
from db.monitoring.reconciliations import instances_and_objects, reconciliations, record_reconciliation
from db.session import Database
from db.tables.monitoring import Reconciliation
from tests.support.reported import due, must_take, reported


def test_what_somebody_has_accepted_of_our_objects_counts_beside_the_instances(
    registry: Database, received: Callable[..., ReceivedInstance], pipeline: PipelineSettings, now: datetime
) -> None:
    reported(registry, pipeline, received("1.2.1", at=now), to=["PACS", "VNA"], now=now)
    with registry.read() as session:
        assert instances_and_objects(session, ["1.2.1", "1.2.9"]) == {"1.2.1": (1, 0)}
    for destination in ("PACS", "VNA"):
        held = must_take(registry, destination, now)
        (item,) = due(registry, destination, now)
        with registry.write() as session:
            answer = {"answer": "0x0000", "now": now, "pipeline": pipeline}
            record_answer(session, held, item.delivery_id, Answered.ACCEPTED, **answer)
    with registry.read() as session:
        assert instances_and_objects(session, ["1.2.1"]) == {"1.2.1": (1, 1)}


def test_our_objects_count_once_and_where_they_are_objects(
    registry: Database, received: Callable[..., ReceivedInstance], pipeline: PipelineSettings, now: datetime
) -> None:
    kinds = (ReportObject.SR, ReportObject.PDF)
    reported(registry, pipeline, received("1.2.1", at=now), to=["RIS"], kinds=kinds, now=now)
    held = must_take(registry, "RIS", now)
    for item in due(registry, "RIS", now):
        with registry.write() as session:
            answer = {"answer": "0x0000", "now": now, "pipeline": pipeline}
            sent_as = "2.25.9" if item.kind is ReportObject.SR else ""
            record_answer(session, held, item.delivery_id, Answered.ACCEPTED, sent_as=sent_as, **answer)
    with registry.read() as session:
        assert instances_and_objects(session, ["1.2.1"]) == {"1.2.1": (1, 2)}
        assert instances_and_objects(session, ["1.2.1"], besides=["RIS"]) == {"1.2.1": (1, 0)}, "it got a message"
    came_back = replace(received("1.2.1", sop="2.25.9", at=now), is_our_report=True)
    with registry.write() as session:
        register_instance(session, came_back, timedelta(0))
    with registry.read() as session:
        assert instances_and_objects(session, ["1.2.1"]) == {"1.2.1": (2, 1)}


def test_a_later_look_at_a_day_takes_the_place_of_the_earlier(registry: Database, now: datetime) -> None:
    for missing in (["1.2.1", "1.2.2"], ["1.2.2"]):
        row = Reconciliation(
            archive="PACS", day=now.date(), looked_at=now, found=9, missing=missing, incomplete=[], fetched=0
        )
        with registry.write() as session:
            record_reconciliation(session, row)
    with registry.read() as session:
        assert [row.missing for row in reconciliations(session, since=now.date())] == [["1.2.2"]]
        assert reconciliations(session, since=now.date() + timedelta(days=1)) == []
