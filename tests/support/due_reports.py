"""Real Structured Reports in a spool, due for destinations: an installation in this process that only delivers."""

import hashlib
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage
from sqlalchemy import select, update

from config.broker import create_celery_app
from config.catalogue import load_catalogue
from config.sections.report_objects import ReportObject
from config.settings import load_settings
from db.delivery.delivering import take_delivery_announcements
from db.reading.queries import StudyDetail, study_detail
from db.results.reports import BuiltReport
from db.states import DeliveryState
from db.tables.deliveries import Delivery
from db.tables.peers import PeerQueue
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

    def report(
        self, study: str, *, to: tuple[str, ...] = ("pacs",), with_page: bool = False, late: bool = False
    ) -> Path:
        """Make a report of a study, due for these, and a page beside it where that is wanted; the report's file.

        `late`: of a study that has one, with a late instance.
        """
        now, uid = datetime.now(UTC), f"2.25.{study.replace('.', '')}{'00' if late else ''}"
        report, path = self._built(a_report(), ReportObject.SR, study, uid, now)
        objects = [report]
        if with_page:
            page = deepcopy(a_report())
            page.SOPClassUID = page.file_meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
            objects.append(self._built(page, ReportObject.PDF, study, f"{uid}9", now)[0])
        instance = instance_of(study, sop=f"{study}.1.{2 if late else 1}", at=now)
        reported(self.context.database, self.settings.pipeline, instance, to=to, now=now, objects=objects)
        return path

    def _built(
        self, dataset: Dataset, kind: ReportObject, study: str, uid: str, now: datetime
    ) -> tuple[BuiltReport, Path]:
        dataset.StudyInstanceUID = study
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        content = BytesIO()
        dataset.save_as(content, enforce_file_format=True)
        path = self.context.spool.report_path(study, uid)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.getvalue())
        built = BuiltReport(
            kind=kind,
            sop_instance_uid=uid,
            sop_class_uid=str(dataset.SOPClassUID),
            spool_path=self.context.spool.relative(path),
            sha256=hashlib.sha256(content.getvalue()).hexdigest(),
            created_at=now,
        )
        return built, path

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
