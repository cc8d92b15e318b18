"""A registry, a spool and a worker in this process, to run steps one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import select, update

from config.broker import create_celery_app
from config.settings import Settings, load_settings
from config.steps import Step
from db.delivery.delivering import take_delivery_announcements
from db.lifecycle.studies import close_quiet_studies, register_instance
from db.reading.queries import StudyDetail, study_detail
from db.states import DeliveryState
from db.tables.deliveries import Delivery
from db.tables.peers import PeerQueue
from db.tables.studies import Study
from dicom_node.header import read_header
from dicom_node.intake import received_instance
from dicom_node.reception.receive import Announced, receive_data_set
from dicom_node.routing import routed
from tests.support.clips import data_set_of
from worker.context import WorkerContext
from worker.delivering import deliver_to
from worker.study_scoring import Scorer
from worker.tasks import run_due_step

QUIET = timedelta(seconds=30)
TO_REPORT = (Step.PREPARE, Step.SCORE, Step.REPORT)
SITE = """
[[peers]]
roles = ["destination"]
name = "pacs"
host = "127.0.0.1"
port = {pacs}
ae_title = "STORESCP"
accept_models = ["UNTRAINED"]
objects = ["sr"]

[[peers]]
roles = ["destination"]
name = "second"
host = "127.0.0.1"
port = {second}
ae_title = "SECOND"
accept_models = ["{second_accepts}"]
objects = ["sr"]
"""


class SharedModelContext(WorkerContext):
    """A worker's context whose model this test process shares with those of the same settings and catalogue."""

    @cached_property
    def scorer(self) -> Scorer:
        key = (self.settings.model.model_dump_json(), self.catalogue.digest)
        if key not in _SCORERS:
            _SCORERS[key] = super().scorer
        return _SCORERS[key]


_SCORERS: dict[tuple[str, str], Scorer] = {}


@dataclass
class Pipeline:
    context: WorkerContext

    @classmethod
    def create(cls, settings: Settings) -> "Pipeline":
        context = SharedModelContext(settings, create_celery_app(settings))
        context.database.upgrade()
        context.spool.create()
        return cls(context)

    @classmethod
    def over_again(cls, before: "Pipeline") -> "Pipeline":
        """The same installation, started again with what its settings are now."""
        return cls.create(load_settings(data_dir=before.context.settings.data_dir))

    def receive(self, *files: Path) -> str:
        """Keep and register these files; the Study Instance UID of the last."""
        spool = self.context.spool
        for file in files:
            header = read_header(file)
            announced = Announced(
                sop_class_uid=header.sop_class_uid,
                sop_instance_uid=header.sop_instance_uid,
                transfer_syntax_uid=header.transfer_syntax_uid,
                calling_ae_title="ECHO1",
                abstract_syntax_uid=header.sop_class_uid,
            )
            assert receive_data_set(spool, announced, BytesIO(data_set_of(file))) == (0x0000, "")
        for waiting in list(spool.unregistered()):
            with self.context.database.write() as session:
                instance = received_instance(spool, waiting)
                register_instance(session, routed(instance, waiting, self.context.settings), QUIET)
            waiting.unlink()
        return header.study_instance_uid

    def fall_quiet(self) -> None:
        with self.context.database.write() as session:
            close_quiet_studies(session, now=datetime.now(UTC) + 2 * QUIET)

    def run(self, study_instance_uid: str, steps: Sequence[Step] = tuple(Step)) -> StudyDetail:
        """Run these steps on a study, one after the other; what the registry says of it then."""
        for step in steps:
            if step is Step.DELIVER:
                self.deliver()
            else:
                run_due_step(self.context, step, self.id_of(study_instance_uid))
        return self.detail(study_instance_uid)

    def deliver(self) -> None:
        """Once to every destination that something waits for, as if every pause were over, but for commitments."""
        with self.context.database.write() as session:
            session.execute(update(PeerQueue).values(next_attempt_at=None, announced_at=None))
            due = Delivery.state == DeliveryState.DUE
            session.execute(update(Delivery).where(due).values(next_attempt_at=None))
        for name in self.wake():
            deliver_to(self.context, name)

    def wake(self) -> list[str]:
        """What the reaper would announce now: the names of destinations."""
        with self.context.database.write() as session:
            return take_delivery_announcements(session, now=datetime.now(UTC), wake_again_after_s=0)

    def id_of(self, study_instance_uid: str) -> int:
        with self.context.database.read() as session:
            return session.scalars(select(Study.id).where(Study.study_instance_uid == study_instance_uid)).one()

    def detail(self, study_instance_uid: str) -> StudyDetail:
        with self.context.database.read() as session:
            return study_detail(session, study_instance_uid)


def pipeline_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, pacs: int, second: int, second_accepts: str = "CLINICAL"
) -> Pipeline:
    """A pipeline with two destinations; called again, the same installation with changed settings."""
    site = tmp_path / "site.toml"
    site.write_text(SITE.format(pacs=pacs, second=second, second_accepts=second_accepts))
    monkeypatch.setenv("ECHOWORKER_CONFIG", str(site))
    monkeypatch.setenv("ECHOWORKER_PIPELINE__RETRY_AFTER_S", "0.001")
    return Pipeline.create(load_settings(data_dir=tmp_path / "data"))


def ready(pipeline: Pipeline, *files: Path) -> str:
    """The Study Instance UID of a study of these files that has fallen quiet."""
    uid = pipeline.receive(*files)
    pipeline.fall_quiet()
    return uid
