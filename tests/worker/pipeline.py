"""A registry, a spool and a worker in this process, to run steps one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copyfile

from sqlalchemy import select

from config.broker import Step, create_celery_app
from config.settings import Settings
from db.queries import StudyDetail, study_detail
from db.schema import Study
from db.studies import close_quiet_studies, register_instance
from dicom_node.header import read_header
from dicom_node.intake import received_instance
from worker.context import WorkerContext
from worker.runner import run_step
from worker.steps.deliver import deliver_report
from worker.steps.prepare import prepare_study
from worker.steps.report import report_study
from worker.steps.score import score_prepared_study

WORK = {
    Step.PREPARE: prepare_study,
    Step.SCORE: score_prepared_study,
    Step.REPORT: report_study,
    Step.DELIVER: deliver_report,
}
QUIET = timedelta(seconds=30)


@dataclass
class Pipeline:
    context: WorkerContext

    @classmethod
    def create(cls, settings: Settings) -> "Pipeline":
        context = WorkerContext(settings, create_celery_app(settings))
        context.database.upgrade()
        context.spool.create()
        return cls(context)

    def receive(self, *files: Path) -> str:
        """Keep and register these files; the Study Instance UID of the last."""
        spool = self.context.spool
        for file in files:
            header = read_header(file)
            spool.keep(Path(copyfile(file, spool.incoming / file.name)), header)
        for waiting in list(spool.unregistered()):
            with self.context.database.write() as session:
                register_instance(session, received_instance(spool, waiting), QUIET)
            waiting.unlink()
        return header.study_instance_uid

    def fall_quiet(self) -> None:
        with self.context.database.write() as session:
            close_quiet_studies(session, now=datetime.now(UTC) + 2 * QUIET)

    def run(self, study_instance_uid: str, steps: Sequence[Step] = tuple(Step)) -> StudyDetail:
        """Run these steps on a study, one after the other; what the registry says of it then."""
        for step in steps:
            run_step(self.context, step, self.id_of(study_instance_uid), WORK[step])
        return self.detail(study_instance_uid)

    def id_of(self, study_instance_uid: str) -> int:
        with self.context.database.read() as session:
            return session.scalars(select(Study.id).where(Study.study_instance_uid == study_instance_uid)).one()

    def detail(self, study_instance_uid: str) -> StudyDetail:
        with self.context.database.read() as session:
            return study_detail(session, study_instance_uid)
