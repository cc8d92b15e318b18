"""What `echoworker doctor` finds: what is well, what is left undone, and what is broken."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from config.catalogue import BUNDLED_CATALOGUE, load_catalogue
from config.settings import Settings, load_settings
from db.session import Database
from db.tables.studies import Study
from deploy.doctor.examination import examine
from dicom_node.findings import Finding, Level
from dicom_node.header import read_header
from dicom_node.quarantine import put_in_quarantine
from dicom_node.reception.receiver import Receiver
from dicom_node.spool import Spool
from tests.support.clips import SMALL
from tests.support.servers import StoreSCP, free_port
from tests.worker.pipeline import Pipeline
from worker.echoclip.untrained import SMALL as SMALL_MODEL
from worker.echoclip.untrained import make_untrained_pack


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ECHOWORKER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ECHOWORKER_NODE__PORT", str(free_port()))
    (tmp_path / "data").mkdir(mode=0o700)
    made = load_settings()
    Database(made.database_url).upgrade()
    return made


def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine(settings)}


@pytest.fixture
def node(settings: Settings) -> Iterator[Receiver]:
    running = Receiver(settings)
    running.start()
    yield running
    running.stop()


def test_what_is_left_undone_is_a_warning_and_no_fault(
    settings: Settings, node: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ECHOWORKER_MODEL__PACK")
    found = findings(load_settings())
    warned = {subject for subject, finding in found.items() if finding.level is Level.WARN}
    assert warned == {"model pack", "destinations"}
    assert not [finding for finding in found.values() if finding.level is Level.FAULT]
    assert "the bundled DEMO model is used, which has seen no patient" in found["model pack"].said
    assert "reports stay in the spool" in found["destinations"].said
    assert found["node"].said.endswith("answers C-ECHO")


def test_a_catalogue_without_views_is_a_warning_unless_the_gate_is_off(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert findings(settings)["task catalogue"].said.startswith(f"{len(load_catalogue().tasks)} tasks, 13 views, ")
    tasks, *_ = BUNDLED_CATALOGUE.read_text().partition("[[view]]")
    (tmp_path / "tasks.toml").write_text(tasks)
    monkeypatch.setenv("ECHOWORKER_MODEL__CATALOGUE", str(tmp_path / "tasks.toml"))
    found = findings(load_settings())["task catalogue"]
    assert found.level is Level.WARN
    assert "clips that show no heart are scored" in found.said
    monkeypatch.setenv("ECHOWORKER_GATE__VIEWS", "off")
    assert findings(load_settings())["task catalogue"].level is Level.OK


def test_a_pack_for_retrieval_that_no_worker_can_load_is_a_fault(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vision = {**SMALL_MODEL["vision_cfg"], "image_size": 256}
    pack = make_untrained_pack(tmp_path / "pack", architecture={**SMALL_MODEL, "vision_cfg": vision})
    monkeypatch.setenv("ECHOWORKER_MODEL__RETRIEVAL_PACK", str(pack))
    found = findings(load_settings())["retrieval pack"]
    assert found.level is Level.FAULT
    assert "256 x 256" in found.said


def test_a_study_that_nobody_works_on_is_a_warning(settings: Settings) -> None:
    pipeline = Pipeline.create(settings)
    pipeline.receive(SMALL)
    pipeline.fall_quiet()
    assert findings(settings)["work"].level is Level.OK
    long_ago = datetime.now(UTC) - timedelta(seconds=settings.pipeline.wake_again_after_s + 60)
    with pipeline.context.database.write() as session:
        session.execute(update(Study).values(state_since=long_ago))
    found = findings(settings)["work"]
    assert found.level is Level.WARN
    assert "1 for prepare (by echoworker worker, woken by echoworker beat)" in found.said


def test_instances_that_nobody_registers_are_a_warning(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    Pipeline.create(settings)
    spool = Spool(settings.spool_dir)
    received = spool.new_incoming()
    shutil.copy(SMALL, received)
    spool.keep(received, read_header(received))
    assert findings(settings)["registering"].level is Level.OK
    monkeypatch.setenv("ECHOWORKER_PIPELINE__WAKE_AGAIN_AFTER_S", "0.001")
    found = findings(load_settings())["registering"]
    assert found.level is Level.WARN
    assert found.said.startswith("1 instances have waited longer")


def test_what_lies_in_quarantine_is_counted(settings: Settings) -> None:
    spool = Spool(settings.spool_dir)
    spool.create()
    for content in (b"no DICOM", b"no DICOM either"):
        part = spool.new_incoming()
        part.write_bytes(content)
        put_in_quarantine(spool, part, reason="cut off", calling_ae_title=None)
    found = findings(settings)["quarantine"]
    assert (found.level, found.said.split(":")[0]) == (Level.WARN, "2 instances were refused and kept aside")


def test_files_that_could_not_be_used_are_counted(settings: Settings) -> None:
    spool = Spool(settings.spool_dir)
    spool.create()
    assert findings(settings)["set aside"].level is Level.OK
    (spool.receivers / "bad.json").write_text("{")
    spool.set_aside(spool.receivers / "bad.json")
    found = findings(settings)["set aside"]
    assert found.level is Level.WARN
    assert found.said.startswith("1 files")


def test_a_data_folder_that_everybody_can_look_into_is_a_warning(settings: Settings) -> None:
    assert findings(settings)["data folder"].level is Level.OK
    settings.data_dir.chmod(0o755)
    found = findings(settings)["data folder"]
    assert found.level is Level.WARN
    assert f"chmod o= {settings.data_dir}" in found.said


def test_a_peer_that_answers_is_well_and_one_that_does_not_is_a_fault(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storescp: StoreSCP
) -> None:
    entry = '[[peers]]\nname="{}"\nroles=["destination"]\nhost="127.0.0.1"\nport={}\nae_title="{}"\n'
    site = tmp_path / "site.toml"
    site.write_text(entry.format("near", storescp.port, storescp.ae_title) + entry.format("away", free_port(), "AWAY"))
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    monkeypatch.delenv("ECHOWORKER_MODEL__PACK")
    found = findings(load_settings())
    assert found["peer near"].level is Level.OK
    assert found["peer away"].level is Level.FAULT
    assert "nothing listens there; check its entry in [[peers]]" in found["peer away"].said
    assert found["destinations"].level is Level.WARN, "neither takes the results of a DEMO model"


def test_a_check_that_breaks_hides_no_other_and_quotes_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client of the broker that lacks a library of its own ended the doctor, who was called for that."""

    def broken(_: Settings) -> None:
        raise AttributeError("'NoneType' object has no attribute 'Doe^Jane'")

    monkeypatch.setattr("dicom_node.services.create_celery_app", broken)
    away = settings.broker.model_copy(update={"url": "redis://127.0.0.1:1/0"})
    found = findings(settings.model_copy(update={"broker": away}))
    assert found["broker"].level is Level.FAULT
    assert "AttributeError in" in found["broker"].said
    assert "Doe" not in found["broker"].said
    assert "destinations" in found
