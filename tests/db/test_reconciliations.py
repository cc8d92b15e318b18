"""What the registry says of studies that an archive has."""

from collections.abc import Callable
from datetime import datetime, timedelta

from config.settings import PipelineSettings
from db.delivering import Answered, record_answer
from db.received import ReceivedInstance
from db.reconciliations import instances_and_objects, reconciliations, record_reconciliation
from db.schema_monitoring import Reconciliation
from db.session import Database
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
