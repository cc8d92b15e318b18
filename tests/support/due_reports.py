"""Real Structured Reports in a spool, due for destinations: an installation in this process that only delivers."""

import hashlib
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from sqlalchemy import select, update

from config.broker import create_celery_app
from config.catalogue import load_catalogue
from config.report_objects import ReportObject
from config.settings import load_settings
from db.delivering import take_delivery_announcements
from db.queries import StudyDetail, study_detail
from db.reports import BuiltReport
from db.schema import Delivery
from db.schema_peers import PeerQueue
from db.states import DeliveryState
from tests.support.reported import instance_of, reported
from tests.support.results import report_of, runs_of_every_answer
from worker.context import WorkerContext
from worker.delivering import deliver_to


@cache
def a_report() -> Dataset:
    catalogue = load_catalogue()
    return report_of(runs_of_every_answer(catalogue)[0], catalogue)


class Installation:
    """What its settings are is in the environment, as always."""

    def __init__(self, folder: Path) -> None:
        self.settings = load_settings(data_dir=folder)
        self.context = WorkerContext(self.settings, create_celery_app(self.settings))
        self.context.database.upgrade()
        self.context.spool.create()

    def report(self, study: str, *, to: tuple[str, ...] = ("pacs",)) -> Path:
        """Make a report of a study, due for these; its file in the spool."""
        dataset = a_report()
        dataset.StudyInstanceUID, uid = study, f"2.25.{study.replace('.', '')}"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        content = BytesIO()
        dataset.save_as(content, enforce_file_format=True)
        path = self.context.spool.report_path(study, uid)
        path.parent.mkdir(parents=True)
        path.write_bytes(content.getvalue())
        now = datetime.now(UTC)
        built = BuiltReport(
            kind=ReportObject.SR,
            sop_instance_uid=uid,
            sop_class_uid=str(dataset.SOPClassUID),
            spool_path=self.context.spool.relative(path),
            sha256=hashlib.sha256(content.getvalue()).hexdigest(),
            created_at=now,
        )
        instance = instance_of(study, sop=f"{study}.1.1", at=now)
        reported(self.context.database, self.settings.pipeline, instance, to=to, now=now, objects=[built])
        return path

    def wake(self) -> list[str]:
        """What the reaper announces now is worked on: the names of these destinations."""
        with self.context.database.write() as session:
            names = take_delivery_announcements(session, now=datetime.now(UTC), wake_again_after_s=0)
        for name in names:
            deliver_to(self.context, name)
        return names

    def end_pauses(self) -> None:
        with self.context.database.write() as session:
            session.execute(update(PeerQueue).values(next_attempt_at=None))
            due = Delivery.state == DeliveryState.DUE
            session.execute(update(Delivery).where(due).values(next_attempt_at=None))

    def detail(self, study: str) -> StudyDetail:
        with self.context.database.read() as session:
            return study_detail(session, study)

    def states(self) -> dict[str, int]:
        """How many deliveries are in each state."""
        with self.context.database.read() as session:
            found = session.scalars(select(Delivery.state)).all()
        return {state: found.count(state) for state in set(found)}


def data_set(file: Path) -> bytes:
    """The bytes behind the File Meta Information, whose group length says where it ends (PS3.10 section 7.1)."""
    content = file.read_bytes()
    return content[144 + int.from_bytes(content[140:144], "little") :]


def elements(content: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(content))
