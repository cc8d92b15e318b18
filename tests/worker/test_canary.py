"""The canary on its way through the steps: scored whatever the model sees, sent on to nobody, marked as what it is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pydicom
import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from config.sections.canary import is_canary
from config.sections.report_objects import ReportObject
from config.settings import load_settings
from db.monitoring.canaries import CAME_THROUGH, FAILED, SENT, canary_progress
from db.monitoring.tallies import heartbeats, note_heartbeat
from db.tables.deliveries import Delivery
from db.tables.peers import Forward
from tests.worker.pipeline import TO_REPORT, Pipeline
from tests.worker.scripted import ScriptedTowers, scripted_scorer
from worker.canary import new_canary_uid, remove_outlived_canaries, send_canary_if_due
from worker.phantom.canary_study import DESCRIPTION, make_canary_study

NOW = datetime.now(UTC)
PACS = {
    "name": "pacs", "ae_title": "PACS", "roles": ["destination", "forward"], "host": "127.0.0.1", "port": 1,
    "accept_models": ["UNTRAINED", "DEMO", "RESEARCH"], "objects": ["sr"],
}  # fmt: skip
FORWARDED = {"name": "all", "forward_to": ["pacs"], "action": "store", "priority": "stat"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_canary_study(tmp_path_factory.mktemp("canary"), new_canary_uid(NOW), now=NOW)


def made(folder: Path, **canary: object) -> Pipeline:
    settings = load_settings(data_dir=folder / "data", peers=[PACS], rules=[FORWARDED])
    return Pipeline.create(settings.model_copy(update={"canary": settings.canary.model_copy(update=canary)}))


def test_its_instances_say_what_they_are_and_name_nobody(files: list[Path]) -> None:
    assert files
    for file in files:
        instance = pydicom.dcmread(file)
        assert is_canary(instance.StudyInstanceUID)
        assert instance.SOPInstanceUID == instance.file_meta.MediaStorageSOPInstanceUID
        assert instance.SOPInstanceUID.startswith(instance.StudyInstanceUID)
        assert str(instance.PatientName).startswith("CANARY")
        assert instance.StudyDescription == DESCRIPTION
        assert instance.PatientBirthDate == ""
        assert instance.NumberOfFrames > 1


@pytest.mark.parametrize("destinations", [(), ("pacs",)])
def test_it_is_scored_whatever_rules_and_model_say_and_goes_where_the_settings_say_alone(
    tmp_path: Path, files: list[Path], destinations: tuple[str, ...]
) -> None:
    pipeline = made(tmp_path, destinations=destinations)
    context = pipeline.context
    towers = ScriptedTowers(context.catalogue)
    towers.shows = ["abdomen"]
    context.scorer = scripted_scorer(towers, context.catalogue, context.settings.gate)
    uid = pipeline.receive(*files)
    pipeline.fall_quiet()
    detail = pipeline.run(uid, TO_REPORT)
    assert detail.study.state == "REPORTED"
    assert {instance.action for instance in detail.instances} == {"score"}
    if not destinations:
        assert "canary.destinations" in str(detail.study.reason)
    with context.database.read() as session:
        progress = canary_progress(session, uid, sent_on=bool(destinations))
        assert set(session.scalars(select(Delivery.destination))) == set(destinations)
        assert list(session.scalars(select(Forward.peer))) == []
    assert progress is not None
    assert progress.came_through is not bool(destinations)
    report = pydicom.dcmread(context.spool.absolute(detail.objects[0].spool_path))
    assert str(report.PatientName).startswith("CANARY")


def test_other_studies_go_to_all_that_take_them(tmp_path: Path) -> None:
    context = made(tmp_path).context
    label = context.destinations[0].accept_models[0]
    assert context.wanted_objects(label, "1.2")[ReportObject.SR] == ["pacs"]
    assert context.wanted_objects(label, new_canary_uid(NOW))[ReportObject.SR] == []


def test_one_that_cannot_be_stored_is_noted_as_lost_once_its_time_is_over(
    tmp_path: Path,
) -> None:
    pipeline = made(tmp_path, every_minutes=60, within_s=900.0)
    context = pipeline.context
    node = context.settings.node.model_copy(update={"port": 1})
    context.settings = context.settings.model_copy(update={"node": node})
    with capture_logs() as logs:
        for after_min in (0, 10, 16, 17):
            send_canary_if_due(context, now=NOW + timedelta(minutes=after_min))
    with context.database.read() as session:
        at = heartbeats(session)
    assert at[SENT] == NOW
    assert at[FAILED] == NOW + timedelta(minutes=16)
    assert CAME_THROUGH not in at
    assert "connection refused" in str(logs)


def test_without_a_time_none_is_sent(tmp_path: Path) -> None:
    context = made(tmp_path).context
    send_canary_if_due(context, now=NOW)
    with context.database.read() as session:
        assert heartbeats(session) == {}


def test_one_that_came_through_is_noted_and_goes_when_it_was_kept_long_enough(
    tmp_path: Path, files: list[Path]
) -> None:
    pipeline = made(tmp_path, every_minutes=60, keep_hours=2.0)
    context = pipeline.context
    with context.database.write() as session:
        note_heartbeat(session, SENT, now=NOW - timedelta(minutes=1))
    uid = pipeline.receive(*files)
    pipeline.fall_quiet()
    pipeline.run(uid, TO_REPORT)
    later = datetime.now(UTC)
    send_canary_if_due(context, now=later)
    with context.database.read() as session:
        assert heartbeats(session)[CAME_THROUGH] == later
    kept = [path for path in context.spool.root.rglob("*") if uid in str(path)]
    assert kept
    assert remove_outlived_canaries(context.settings, context.database, context.spool, now=later) == 0
    after = later + timedelta(hours=3)
    assert remove_outlived_canaries(context.settings, context.database, context.spool, now=after) == 1
    assert [path for path in context.spool.root.rglob("*") if uid in str(path) and path.is_file()] == []
    with context.database.read() as session:
        assert canary_progress(session, uid, sent_on=False) is None
