"""What goes back beside a report, of a synthetic patient who came three times: docs/heat-map.jpg and docs/page.jpg.

    python -m bench.result_pictures [--out FOLDER]

Three studies go through the steps of an installation of their own, with the model that comes with the software; the
pictures are those of the last: the frame with the hottest place, and the page as Chrome's reader of PDF shows it.
"""

import argparse
import json
import os
import tempfile
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pypdfium2
from PIL import Image
from pydicom.encaps import generate_frames
from sqlalchemy import select

from config.broker import create_celery_app
from config.sections.report_objects import ReportObject
from config.settings import load_settings
from config.steps import Step
from db.lifecycle.studies import close_quiet_studies, register_instance
from db.reading.queries import StudyDetail, study_detail
from db.tables.studies import Study
from dicom_node.header import read_header
from dicom_node.intake import received_instance
from worker.context import WorkerContext
from worker.phantom.heart import Device, sample_heart
from worker.phantom.study import make_study
from worker.phantom.styles import TRAINING_STYLES
from worker.pictures.heat import Heat, heat_path, read_heat
from worker.tasks import run_due_step

VISITS = (("20220914", 61.0, ()), ("20240322", 47.0, ()), ("20260518", 31.0, (Device.PACEMAKER,)))
"""When the patient came, with which ejection fraction and which devices."""
PATIENT = {"PatientID": "PHANTOM-3", "PatientName": "Phantom^Ada", "PatientBirthDate": "19530702", "PatientSex": "F"}
SEED, CLIPS, FRAMES = 21, 3, 45
QUIET = timedelta(seconds=30)
PAGE_SCALE = 1.3
"""Pixels for each point of the page."""


def main() -> None:
    """Make both pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    options = parser.parse_args()
    ward = {"name": "ward", "ae_title": "WARD", "roles": ["destination"], "host": "h", "accept_models": ["DEMO"]}
    os.environ["ECHOWORKER_PEERS"] = json.dumps([ward])
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(data_dir=Path(folder) / "data")
        context = WorkerContext(settings, create_celery_app(settings))
        context.database.upgrade()
        context.spool.create()
        for number in range(len(VISITS)):
            detail = _scored(context, Path(folder), number)
        _write(context, detail, options.out)


def _scored(context: WorkerContext, folder: Path, visit: int) -> StudyDetail:
    """One visit, from the machine to the report."""
    day, ejection_fraction, devices = VISITS[visit]
    heart = sample_heart(np.random.default_rng(SEED), ejection_fraction=ejection_fraction, devices=devices)
    made = folder / f"visit-{visit}"
    truth = make_study(
        made, seed=SEED + visit, clips=CLIPS, style=TRAINING_STYLES[0], heart=heart, number_of_frames=FRAMES
    )
    for file in sorted(made.glob("*.dcm")):
        _receive(context, file, day)
    with context.database.write() as session:
        close_quiet_studies(session, now=datetime.now(UTC) + 2 * QUIET)
    with context.database.read() as session:
        uid = truth.study_instance_uid
        study_id = session.scalars(select(Study.id).where(Study.study_instance_uid == uid)).one()
    for step in (Step.PREPARE, Step.SCORE, Step.REPORT):
        run_due_step(context, step, study_id)
    with context.database.read() as session:
        return study_detail(session, uid)


def _receive(context: WorkerContext, file: Path, day: str) -> None:
    dataset = pydicom.dcmread(file)
    for keyword, value in {**PATIENT, "StudyDate": day}.items():
        setattr(dataset, keyword, value)
    incoming = context.spool.new_incoming()
    dataset.save_as(incoming)
    context.spool.keep(incoming, read_header(incoming))
    for waiting in list(context.spool.unregistered()):
        with context.database.write() as session:
            register_instance(session, received_instance(context.spool, waiting), QUIET)
        waiting.unlink()


def _write(context: WorkerContext, detail: StudyDetail, out: Path) -> None:
    files = {made.kind: context.spool.absolute(made.spool_path) for made in detail.objects}
    run = detail.run
    if run is None:
        raise SystemExit(f"the last study is {detail.study.state}: {detail.study.reason}")
    heat = read_heat(heat_path(context.spool.root, study_instance_uid=run.study_instance_uid, run_uid=run.run_uid))
    if not isinstance(heat, Heat):
        raise SystemExit(f"no heat map: {heat}")
    picture = pydicom.dcmread(files[ReportObject.HEAT_MAP])
    frames = list(generate_frames(picture.PixelData, number_of_frames=picture.NumberOfFrames))
    hottest = int(heat.maps.max(axis=(1, 2)).argmax())
    Image.open(BytesIO(frames[hottest])).save(out / "heat-map.jpg", quality=85)
    document = pydicom.dcmread(files[ReportObject.PDF])
    page = pypdfium2.PdfDocument(document.EncapsulatedDocument[: document.EncapsulatedDocumentLength])[0]
    page.render(scale=PAGE_SCALE).to_pil().save(out / "page.jpg", quality=76)


if __name__ == "__main__":
    main()
