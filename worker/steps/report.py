"""SCORED -> REPORTED: the run becomes a Structured Report, built once, stored in the spool."""

import hashlib
import shutil
from io import BytesIO

from sqlalchemy.orm import Session

from config.errors import ReportError
from db.leases import Claim
from db.queries import spool_paths_of
from db.results import BuiltReport, add_deliveries, add_report, current_report, current_run, previous_report
from db.runs import Run
from db.schema import Study
from dicom_node.header import read_image_header
from dicom_node.report.document import build_structured_report
from dicom_node.spool import write_durably
from worker.context import WorkerContext
from worker.steps.outcome import Outcome


def report_study(context: WorkerContext, held: Claim) -> Outcome:
    """Build the report of the current run and make it due for every destination that takes such a model's results."""
    with context.database.read() as session:
        run = current_run(session, study_id=held.study_id, study_instance_uid=held.study_instance_uid)
        if run is None:
            raise ReportError(f"study {held.study_instance_uid}: no run to report; requeue it with --step prepare")
        existing = current_report(session, study_id=held.study_id)
        previous = previous_report(session, study_id=held.study_id, run_uid=run.run_uid)
        instances = spool_paths_of(session, held.study_id)
    # A run has one report for ever: built again by a newer version, the same UID could have other bytes.
    report = None if existing else _store(context, run, instances, previous.spool_path if previous else None)
    destinations = context.destinations_for(run.model.label)

    def record(session: Session, study: Study) -> None:
        if report is not None:
            add_report(session, study_id=study.id, run_uid=run.run_uid, report=report)
        add_deliveries(session, study_id=study.id, destinations=destinations)
        if not destinations:
            study.reason = f"the report stays here: no destination accepts results of {run.model.label} models"

    # The pixels can be prepared again; the tensors are larger than they are.
    shutil.rmtree(context.spool.tensor_folder(held.study_instance_uid, held.revision), ignore_errors=True)
    return Outcome(record=record)


def _store(context: WorkerContext, run: Run, instances: dict[str, str], previous: str | None) -> BuiltReport:
    evidence = [read_image_header(context.spool.absolute(instances[clip.sop_instance_uid])) for clip in run.clips]
    predecessor = read_image_header(context.spool.absolute(previous)) if previous else None
    document = build_structured_report(run, context.catalogue, evidence, predecessor=predecessor)
    content = BytesIO()
    document.save_as(content, enforce_file_format=True)
    path = context.spool.report_path(run.study_instance_uid, document.SOPInstanceUID)
    write_durably(path, content.getvalue())
    return BuiltReport(
        sop_instance_uid=document.SOPInstanceUID,
        sop_class_uid=document.SOPClassUID,
        spool_path=context.spool.relative(path),
        sha256=hashlib.sha256(content.getvalue()).hexdigest(),
        created_at=run.finished_at,
    )
