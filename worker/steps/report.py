"""SCORED -> REPORTED: the run becomes a Structured Report, built once, stored in the spool."""

import hashlib
import shutil
from io import BytesIO

from pydicom.dataset import FileDataset
from sqlalchemy.orm import Session

from config.errors import ReportError
from config.languages import Language
from config.report_objects import ReportObject
from config.whole_files import write_durably
from db.deliveries import no_destination, set_deliveries
from db.leases import Claim
from db.queries import spool_paths_of
from db.reports import BuiltReport, add_report, current_report, delivered_predecessor
from db.results import current_run
from db.runs import Run
from db.schema import Report, Study
from dicom_node.header import read_image_header
from dicom_node.report.document import build_structured_report
from worker.catalogues import catalogue_of_run
from worker.context import WorkerContext
from worker.steps.outcome import Outcome
from worker.steps.stored_report import is_intact


def report_study(context: WorkerContext, held: Claim) -> Outcome:
    """Build the report of the current run and make it due for every destination that takes such a model's results.

    Raises
    ------
    ReportError
        There is no run, its results cannot be put into a report, its catalogue or an instance that it used is lost, or
        the report that was built before is lost and would not come out the same.
    """
    with context.database.read() as session:
        run = current_run(session, study_id=held.study_id, study_instance_uid=held.study_instance_uid)
        if run is None:
            raise ReportError(f"study {held.study_instance_uid}: no run to report; requeue it with --step prepare")
        existing = current_report(session, study_id=held.study_id)
        told = [receiver.name for receiver in context.settings.messages]
        predecessor = delivered_predecessor(session, study_id=held.study_id, run_uid=run.run_uid, besides=told)
        instances = spool_paths_of(session, held.study_id)
    # A run has one report for ever: built again by a newer version, the same UID could have other bytes.
    if existing is None or not is_intact(context, existing):
        # Whatever the setting is by now: one that is lost comes back in the language that it had.
        language = context.settings.report.language if existing is None else Language(existing.language)
        built, content = _build(context, run, instances, predecessor, language)
        if existing is not None and built.sha256 != existing.sha256:
            raise ReportError(
                f"report {built.sop_instance_uid} is lost, and this version builds other bytes under its UID: "
                "put its file back, or requeue the study with --step prepare for a new one"
            )
        write_durably(context.spool.absolute(built.spool_path), content)
    destinations = context.destinations_for(run.model.label)

    def record(session: Session, study: Study) -> None:
        if existing is None:
            add_report(session, study_id=study.id, run_uid=run.run_uid, report=built)
        set_deliveries(session, study_id=study.id, wanted={ReportObject.SR: destinations})
        if not destinations:
            study.reason = no_destination(run.model.label)

    # The pixels can be prepared again; the tensors are larger than they are.
    tensors = context.spool.tensor_folder(held.study_instance_uid, held.revision)
    return Outcome(record=record, afterwards=lambda: shutil.rmtree(tensors, ignore_errors=True))


def _build(
    context: WorkerContext, run: Run, instances: dict[str, str], predecessor: Report | None, language: Language
) -> tuple[BuiltReport, bytes]:
    evidence = [_header(context, clip.sop_instance_uid, instances[clip.sop_instance_uid]) for clip in run.clips]
    superseded = _header(context, predecessor.sop_instance_uid, predecessor.spool_path) if predecessor else None
    catalogue = catalogue_of_run(context.spool, run.catalogue_digest, context.catalogue)
    document = build_structured_report(run, catalogue, evidence, predecessor=superseded, language=language)
    file = BytesIO()
    document.save_as(file, enforce_file_format=True)
    content = file.getvalue()
    path = context.spool.report_path(run.study_instance_uid, document.SOPInstanceUID)
    built = BuiltReport(
        kind=ReportObject.SR,
        sop_instance_uid=document.SOPInstanceUID,
        sop_class_uid=document.SOPClassUID,
        spool_path=context.spool.relative(path),
        sha256=hashlib.sha256(content).hexdigest(),
        created_at=run.finished_at,
        language=language,
    )
    return built, content


def _header(context: WorkerContext, sop_instance_uid: str, spool_path: str) -> FileDataset:
    try:
        return read_image_header(context.spool.absolute(spool_path))
    except FileNotFoundError as error:
        raise ReportError(
            f"instance {sop_instance_uid} is missing from the spool ({spool_path}): put its file back, then requeue"
        ) from error
