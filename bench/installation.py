"""A spool, a registry and a worker in this process, that take a study from its files to its rows."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import torch
from pydicom.data import get_testdata_file
from pydicom.uid import generate_uid
from sqlalchemy import select
from torch import Tensor

from config.broker import create_celery_app
from config.settings import load_settings
from config.steps import Step
from db.lifecycle.studies import close_quiet_studies, register_instance
from db.results.reports import current_report
from db.states import StudyState
from db.tables.studies import Study
from dicom_node.intake import received_instance
from dicom_node.reception.receive import Announced, receive_data_set
from dicom_node.routing import routed
from worker.context import WorkerContext
from worker.tasks import run_due_step

QUIET = timedelta(seconds=30)
STEPS = (Step.PREPARE, Step.SCORE)
STATE_AFTER = {
    Step.PREPARE: StudyState.PREPARED,
    Step.SCORE: StudyState.SCORED,
    Step.REPORT: StudyState.REPORTED,
}


@dataclass
class Installation:
    """A spool, a registry and a worker in this process."""

    context: WorkerContext

    @classmethod
    def create(cls, pack: Path, data: Path) -> "Installation":
        os.environ["ECHOWORKER_MODEL__PACK"] = str(pack)
        settings = load_settings(data_dir=data)
        context = WorkerContext(settings, create_celery_app(settings))
        context.database.upgrade()
        context.spool.create()
        return cls(context)

    def receive(self, *, clips: int) -> str:
        """A study of copies of a real clip (SonoSite, apical, 120 frames of 480 x 640), received and ready."""
        dataset = pydicom.dcmread(str(get_testdata_file("color3d_jpeg_baseline.dcm", download=False)))
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
        for number in range(clips):
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            dataset.InstanceNumber = number + 1
            self._keep(dataset)
        self._fall_quiet()
        return str(dataset.StudyInstanceUID)

    def receive_files(self, files: Iterable[Path]) -> str:
        """A study of these instances, received and ready; its Study Instance UID."""
        study = ""
        for file in files:
            dataset = pydicom.dcmread(file)
            self._keep(dataset)
            study = str(dataset.StudyInstanceUID)
        self._fall_quiet()
        return study

    def report(self, study: str) -> pydicom.FileDataset:
        """The Structured Report of a study that the step `report` was run for, as it lies in the spool."""
        with self.context.database.read() as session:
            study_id = session.scalars(select(Study.id).where(Study.study_instance_uid == study)).one()
            report = current_report(session, study_id=study_id)
            if report is None:
                raise RuntimeError(f"study {study} has no report")
            return pydicom.dcmread(self.context.spool.absolute(report.spool_path))

    def _fall_quiet(self) -> None:
        with self.context.database.write() as session:
            close_quiet_studies(session, now=datetime.now(UTC) + 2 * QUIET)

    def _keep(self, dataset: pydicom.FileDataset) -> None:
        file = self.context.settings.data_dir / "sent.dcm"
        dataset.save_as(file)
        announced = Announced(
            sop_class_uid=dataset.SOPClassUID,
            sop_instance_uid=dataset.SOPInstanceUID,
            transfer_syntax_uid=dataset.file_meta.TransferSyntaxUID,
            calling_ae_title="BENCH",
            abstract_syntax_uid=dataset.SOPClassUID,
        )
        content, spool = file.read_bytes(), self.context.spool
        behind_file_meta_information = 144 + int.from_bytes(content[140:144], "little")
        status, why = receive_data_set(spool, announced, BytesIO(content[behind_file_meta_information:]))
        if status != 0x0000:
            raise RuntimeError(why)
        for waiting in list(spool.unregistered()):
            with self.context.database.write() as session:
                instance = received_instance(spool, waiting)
                register_instance(session, routed(instance, waiting, self.context.settings), QUIET)
            waiting.unlink()

    def run(self, step: Step, study: str) -> None:
        """Run a step; the registry must say that it went well."""
        with self.context.database.read() as session:
            study_id = session.scalars(select(Study.id).where(Study.study_instance_uid == study)).one()
        run_due_step(self.context, step, study_id)
        with self.context.database.read() as session:
            state = session.get_one(Study, study_id).state
        if state != STATE_AFTER[step]:
            raise RuntimeError(f"{step} left the study {state}")

    def prepared_frames(self, study: str) -> list[Tensor]:
        """The tensors that `prepare` wrote, uint8 [T, 224, 224, 3] each."""
        folder = self.context.spool.tensor_folder(study, 1)
        return [torch.from_numpy(np.load(file)) for file in sorted(folder.rglob("*.npy"))]
