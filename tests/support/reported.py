"""Studies in the registry whose report is built, without spool or worker."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from config.labels import ModelLabel
from config.sections.pipeline import PipelineSettings
from config.sections.report_objects import ReportObject
from config.steps import Purpose, Step
from db.delivery.deliveries import set_deliveries
from db.delivery.delivering import DueDelivery, due_deliveries, take_delivery_announcements
from db.delivery.queues import QueueClaim, claim_queue
from db.lifecycle.received import Identity, ReceivedInstance
from db.lifecycle.studies import close_quiet_studies, register_instance
from db.results.recording import append_run
from db.results.reports import BuiltReport, add_report
from db.results.runs import ClipEvidence, ModelIdentity, Run
from db.session import Database
from db.tables.consistency import ConsistencyCheck
from db.tables.runs import RunRow
from db.tables.studies import Study
from db.working.leases import claim, completing

QUIET = timedelta(seconds=30)


def run_of(study: str, run_uid: str, now: datetime, *, revision: int = 1) -> Run:
    return Run(
        run_uid=run_uid,
        study_instance_uid=study,
        revision=revision,
        model=ModelIdentity(name="m", version="1", family="f", label=ModelLabel.RESEARCH, digest="0" * 64),
        catalogue_digest="0" * 64,
        software_version="0",
        preprocessing_profile="p",
        finished_at=now,
        clips=(ClipEvidence(sop_instance_uid=f"{study}.1.1", frame_numbers=(1,)),),
        results=(),
    )


def report_uid_of(study: str) -> str:
    return f"2.25.77{study.replace('.', '')}"


def instance_of(study: str, *, sop: str, at: datetime) -> ReceivedInstance:
    """An instance as it comes from the spool, where it need not be."""
    return ReceivedInstance(
        study_instance_uid=study,
        series_instance_uid=f"{study}.1",
        sop_instance_uid=sop,
        sop_class_uid="1.2.840.10008.5.1.4.1.1.3.1",
        transfer_syntax_uid="1.2.840.10008.1.2.4.50",
        modality="US",
        spool_path=f"studies/{study}/{sop}.dcm",
        sha256="0" * 64,
        size_bytes=1,
        received_at=at,
        calling_ae_title="ECHO1",
        is_our_report=False,
        identity=Identity(patient_id="1", patient_name="A^B", birth_date=None, accession_number=None, study_date=None),
    )


def object_of(study: str, kind: ReportObject, *, revision: int, now: datetime) -> BuiltReport:
    """An object of such a study, where it need not be."""
    uid = f"{report_uid_of(study)}{'' if revision == 1 else f'.{revision}'}"
    return BuiltReport(
        kind=kind,
        sop_instance_uid=uid if kind is ReportObject.SR else f"{uid}.{len(kind)}",
        sop_class_uid="1.2.3",
        spool_path=f"reports/{study}/{kind}",
        sha256="0" * 64,
        created_at=now,
    )


def reported(
    registry: Database,
    pipeline: PipelineSettings,
    instance: ReceivedInstance,
    *,
    to: Sequence[str],
    now: datetime,
    kinds: Sequence[ReportObject] = (ReportObject.SR,),
    objects: Sequence[BuiltReport] = (),
    run: Run | None = None,
) -> int:
    """The number of a study of this instance whose objects, these or some of these kinds, are due there; of this run,
    or of one without answers."""
    uid = instance.study_instance_uid
    with registry.write() as session:
        register_instance(session, instance, QUIET)
        close_quiet_studies(session, now=now + 2 * QUIET)
        of_study = select(Study.id, Study.revision).where(Study.study_instance_uid == uid)
        study_id, revision = session.execute(of_study).one()
    run = run or run_of(uid, f"{uid} {revision}", now, revision=revision)
    built = objects or [object_of(uid, kind, revision=revision, now=now) for kind in kinds]
    for step in (Step.PREPARE, Step.SCORE, Step.REPORT):
        with registry.write() as session:
            held = claim(session, study_id, step, owner="w", now=now, pipeline=pipeline)
            assert held is not None
            with completing(session, held, now=now):
                if step is Step.SCORE:
                    append_run(session, study_id=study_id, run=run, units={})
                if step is Step.REPORT:
                    for report in built:
                        add_report(session, study_id=study_id, run_uid=run.run_uid, report=report)
                    set_deliveries(session, study_id=study_id, wanted={report.kind: to for report in built})
    return int(study_id)


def announced(registry: Database, now: datetime) -> list[str]:
    with registry.write() as session:
        return take_delivery_announcements(session, now=now, wake_again_after_s=300)


def take(registry: Database, destination: str, now: datetime) -> QueueClaim | None:
    with registry.write() as session:
        return claim_queue(session, destination, Purpose.DELIVER, owner="w", now=now, lease_s=60)


def must_take(registry: Database, destination: str, now: datetime) -> QueueClaim:
    announced(registry, now)
    held = take(registry, destination, now)
    assert held is not None
    return held


def due(registry: Database, destination: str, now: datetime) -> list[DueDelivery]:
    with registry.read() as session:
        return due_deliveries(session, destination, now=now, limit=100)


def last_check(session: Session, run_uid: str) -> ConsistencyCheck | None:
    """The last comparison of a run with the reports of its study; None where there was none."""
    of_run = select(ConsistencyCheck).join(RunRow, RunRow.id == ConsistencyCheck.run_id)
    return session.scalar(of_run.where(RunRow.run_uid == run_uid))
