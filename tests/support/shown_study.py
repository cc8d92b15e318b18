"""A study with all that a page can show of one: a real clip, answers, report, page, heat map, a report of others."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from html import unescape
from io import BytesIO
from pathlib import Path
from shutil import copyfile

import numpy as np
from pydicom.dataset import Dataset
from sqlalchemy import insert

from config.catalogue import load_catalogue
from config.labels import ModelLabel
from config.sections.report_objects import ReportObject
from config.settings import Settings
from db.consistency.discordance_rows import record_check
from db.consistency.discordances import MODEL, Check, Discordance, Severity, Side, SideKind
from db.lifecycle.received import Identity
from db.results.reports import BuiltReport
from db.results.runs import Run, TaskResult, Verdict
from db.session import Database
from db.tables.consistency import ReceivedReport
from dicom_node.report import encapsulated, heat_map
from dicom_node.report.companions import file_of
from dicom_node.report.encapsulated import build_encapsulated_pdf
from dicom_node.report.heat_map import HeatMapFrames, build_heat_map
from dicom_node.spool import Spool
from tests.support.clips import SMALL
from tests.support.reported import instance_of, reported
from tests.support.results import INSTANCE, report_of, run_of, runs_of_every_answer

UID, CLIP = str(INSTANCE.StudyInstanceUID), str(INSTANCE.SOPInstanceUID)
PAGE = f"/studies/{UID}"
PATIENT = Identity(
    patient_id="SECRET-4711", patient_name="Zwölf^Ottilie", birth_date="19330224",
    accession_number="ACC-99", study_date="20261031",
)  # fmt: skip
SECRETS = ("SECRET-4711", "Zwölf", "19330224", "1933-02-24", "ACC-99", "2026-10-31", "Ottilie")
TEXT = "Findings. The left ventricle is dilated.\nEjection fraction 30 to 35 %.\nNo pericardial effusion."
PDF = b"%PDF-1.4 a page\n"
CATALOGUE = load_catalogue()


def section(page: str, name: str) -> str:
    """The text of one part of a page, without its marks."""
    found = re.search(rf'<section class="card" id="{name}".*?</section>', page, re.DOTALL)
    assert found is not None, f"no part {name}"
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", found.group()).split()))


@dataclass(frozen=True)
class ShownStudy:
    """What was made."""

    number: int
    run: Run
    objects: dict[ReportObject, str]
    """SOP Instance UIDs."""
    spool: Spool
    clip: Path


def show_study(
    database: Database, settings: Settings, *, label: ModelLabel = ModelLabel.DEMO, at: datetime | None = None
) -> ShownStudy:
    """Put it into registry and spool; its objects are due for two destinations."""
    now = at or datetime.now(UTC) - timedelta(hours=1)
    spool = Spool(settings.spool_dir)
    spool.create()
    run = runs_of_every_answer(CATALOGUE)[1]
    run = replace(run, model=replace(run.model, label=label), finished_at=now)
    clip = spool.instance_path(UID, CLIP)
    clip.parent.mkdir(parents=True, exist_ok=True)
    copyfile(SMALL, clip)
    instance = replace(instance_of(UID, sop=CLIP, at=now), identity=PATIENT, spool_path=spool.relative(clip))
    built = _objects(spool, run, now)
    number = reported(database, settings.pipeline, instance, to=("pacs", "ris"), now=now, objects=built, run=run)
    return ShownStudy(
        number=number, run=run, objects={one.kind: one.sop_instance_uid for one in built}, spool=spool, clip=clip
    )


def add_report_of_others(database: Database, shown: ShownStudy, text: str = TEXT) -> str:
    """A text that came by itself and is of the study; its id."""
    folder = shown.spool.received_reports / "kept"
    folder.mkdir(parents=True, exist_ok=True)
    report_id = hashlib.sha256(text.encode()).hexdigest()
    said = {"kind": "text", "via": "folder", "study_instance_uid": "", "accession_number": ""}
    file = folder / f"{report_id}.report"
    file.write_bytes(json.dumps(said).encode() + b"\n" + text.encode())
    row = {
        "report_id": report_id, "via": "folder", "received_at": datetime.now(UTC),
        "spool_path": shown.spool.relative(file), "place": 0, "status": "final", "study_id": shown.number,
    }  # fmt: skip
    with database.write() as session:
        session.execute(insert(ReceivedReport).values(**row))
    return report_id


def add_discordance(database: Database, shown: ShownStudy, report_id: str, text: str = TEXT) -> None:
    """The report says another ejection fraction than the images."""
    start = text.index("30 to 35 %")
    sides = (
        Side(kind=SideKind.TEXT, source=report_id, said="30 to 35 %", start=start, end=start + len("30 to 35 %")),
        Side(kind=SideKind.IMAGES, source=MODEL, said="54.5 %", clips=(CLIP,)),
    )
    found = Discordance(
        rule="lvef-differs", rules_version="1", field="lvef", severity=Severity.MAJOR, sides=sides, confidence=0.9
    )
    check = Check(rules_version="1", reports=(report_id,), notes=(), discordances=(found,), told=None)
    with database.write() as session:
        record_check(session, study_id=shown.number, run_uid=shown.run.run_uid, check=check, at=datetime.now(UTC))


def add_earlier_study(database: Database, settings: Settings, shown: ShownStudy, day: str, value: float) -> str:
    """A study of the same patient with another ejection fraction; its UID."""
    uid, now = f"1.2.826.{day}", shown.run.finished_at - timedelta(days=1)
    instance = replace(instance_of(uid, sop=f"{uid}.1.1", at=now), identity=replace(PATIENT, study_date=day))
    result = TaskResult(task_id="lvef", verdict=Verdict.MEASURED, value=value)
    earlier = run_of(CATALOGUE, (result,), label=shown.run.model.label, run_uid=f"run of {day}")
    earlier = replace(earlier, study_instance_uid=uid, finished_at=now)
    reported(database, settings.pipeline, instance, to=(), now=now, run=earlier)
    return uid


def _objects(spool: Spool, run: Run, now: datetime) -> Sequence[BuiltReport]:
    pictures = np.random.default_rng(1).integers(0, 255, (3, 64, 64, 3), np.uint8)
    frames = HeatMapFrames(
        pictures=pictures, times_ms=(0.0, 66.0, 133.0), sop_instance_uid=CLIP, frame_numbers=(1, 3, 5), said="EF 55 %"
    )
    heat = build_heat_map(run, [INSTANCE], frames)
    report = report_of(run, CATALOGUE)
    page = build_encapsulated_pdf(run, [INSTANCE], PDF, [(report.SOPClassUID, report.SOPInstanceUID)])
    return [
        _built(spool, ReportObject.HEAT_MAP, heat, file_of(heat, heat_map.TRANSFER_SYNTAX), now),
        _built(spool, ReportObject.PDF, page, file_of(page, encapsulated.TRANSFER_SYNTAX), now),
        _built(spool, ReportObject.SR, report, _bytes_of(report), now),
    ]


def _built(spool: Spool, kind: ReportObject, made: Dataset, content: bytes, now: datetime) -> BuiltReport:
    path = spool.report_path(UID, str(made.SOPInstanceUID))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return BuiltReport(
        kind=kind,
        sop_instance_uid=str(made.SOPInstanceUID),
        sop_class_uid=str(made.SOPClassUID),
        spool_path=spool.relative(path),
        sha256=hashlib.sha256(content).hexdigest(),
        created_at=now,
    )


def _bytes_of(report: Dataset) -> bytes:
    content = BytesIO()
    report.save_as(content, enforce_file_format=True)
    return content.getvalue()
