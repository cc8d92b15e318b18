"""What goes back beside the report: built once, to those who take it, and never at the report's expense."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pypdfium2
import pytest
from pydicom.dataset import FileDataset
from sqlalchemy import select

from config.logs import Event, configure_logs
from config.sections.report_objects import ReportObject
from config.settings import load_settings
from config.steps import Step
from db.lifecycle.studies import requeue
from db.reading.queries import StudyDetail
from db.results.reports import current_reports
from db.tables.studies import Study
from dicom_node.report.checking.check import check_file
from tests.support import servers
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.clocks import machine_in
from tests.support.servers import StoreSCP
from tests.worker.pipeline import TO_REPORT, Pipeline, ready
from worker.echoclip.model import EchoClipModel
from worker.pictures.heat import Heat, WhyNoHeat, heat_path, read_heat
from worker.pixels.clip import read_clip

pytestmark = pytest.mark.long

SR, HEAT_MAP, PDF = ReportObject.SR, ReportObject.HEAT_MAP, ReportObject.PDF


@pytest.fixture(params=[["+xa"], []], ids=["compressed", "uncompressed-alone"])
def pacs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[StoreSCP]:
    """One that takes what is compressed, too; and one that does not."""
    folder = tmp_path / "pacs"
    folder.mkdir()
    with servers.storescp(folder, options=request.param) as server:
        yield server


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_logs(process="test", stream=stream)
    yield stream
    configure_logs(process="test")


def pipeline_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **objects: list[str] | None) -> Pipeline:
    """With these destinations, on a port that nothing listens on; called again, the same installation."""
    peers = [
        {"name": name, "ae_title": name.upper(), "roles": ["destination"], "host": "127.0.0.1", "port": 9,
         "accept_models": ["UNTRAINED"], **({} if kinds is None else {"objects": kinds})}
        for name, kinds in objects.items()
    ]  # fmt: skip
    monkeypatch.setenv("ECHOWORKER_PEERS", json.dumps(peers))
    return Pipeline.create(load_settings(data_dir=tmp_path / "data"))


def built(pipeline: Pipeline, study: str) -> dict[ReportObject, tuple[Path, FileDataset, dict[str, str]]]:
    """Of each object of the current run its file, what is in it, and the state of each delivery."""
    with pipeline.context.database.read() as session:
        study_id = session.scalars(select(Study.id).where(Study.study_instance_uid == study)).one()
        return {
            ReportObject(report.kind): (
                file := pipeline.context.spool.absolute(report.spool_path),
                pydicom.dcmread(file),
                {delivery.destination: delivery.state for delivery in report.deliveries},
            )
            for report in current_reports(session, study_id=study_id)
        }


def page_text(document: FileDataset) -> str:
    page = pypdfium2.PdfDocument(document.EncapsulatedDocument[: document.EncapsulatedDocumentLength])
    assert len(page) == 1
    return " ".join(page[0].get_textpage().get_text_range().split())


def kept_heat(pipeline: Pipeline, detail: StudyDetail) -> Heat | WhyNoHeat:
    assert detail.run is not None
    spool = pipeline.context.spool.root
    uid = detail.study.study_instance_uid
    return read_heat(heat_path(spool, study_instance_uid=uid, run_uid=detail.run.run_uid))


def reported_again(pipeline: Pipeline, study: str) -> StudyDetail:
    with pipeline.context.database.write() as session:
        requeue(session, study, now=datetime.now(UTC), step=Step.REPORT)
    return pipeline.run(study, [Step.REPORT])


def test_a_study_gets_a_heat_map_and_a_page_that_agree_with_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = pipeline_with(tmp_path, monkeypatch, pacs=None)
    clip = as_study_of_its_own(SMALL, tmp_path / "clips", PatientName="Doe^Jane", StudyDate="20260501")
    study = ready(pipeline, clip)
    detail = pipeline.run(study, TO_REPORT)
    assert (detail.study.state, detail.study.reason) == ("REPORTED", None)
    objects = built(pipeline, study)
    assert set(objects) == {SR, HEAT_MAP, PDF}
    assert all(states == {"pacs": "DUE"} for _, _, states in objects.values())
    report_file, report, _ = objects[SR]
    heat_file, heat, _ = objects[HEAT_MAP]
    _, page, _ = objects[PDF]
    assert check_file(report_file).findings == ()
    assert str(heat.SOPInstanceUID) in report.to_json()
    assert report.SOPInstanceUID in {item.ReferencedSOPInstanceUID for item in page.SourceInstanceSequence}
    # Frame by frame what the model saw, at the pace at which it was taken.
    assert detail.run is not None
    sampled = read_clip(clip)
    assert heat.NumberOfFrames == len(sampled.frame_numbers)
    (source,) = heat.SourceImageSequence
    assert tuple(source.ReferencedFrameNumber) == sampled.frame_numbers == detail.run.clips[0].frame_numbers
    assert float(heat.FrameTime) == pytest.approx(float(np.diff(sampled.frame_times_ms).mean()), abs=0.01)
    left = pydicom.dcmread(heat_file).pixel_array[:, 92:572, 20:500].astype(float).mean(axis=3)
    seen = sampled.frames.astype(float).mean(axis=3)
    for number in (0, len(seen) - 1):
        small = left[number].reshape(224 // 28, 60, 224 // 28, 60).mean(axis=(1, 3))
        expected = seen[number].reshape(8, 28, 8, 28).mean(axis=(1, 3))
        assert np.corrcoef(small.ravel(), expected.ravel())[0, 1] > 0.98
    value = next(result.value for result in detail.run.results if result.task_id == "lvef")
    text = page_text(page)
    assert f"{value:.1f} %" in text
    assert "UNTRAINED MODEL" in text
    assert "AI, not for diagnosis" in text
    # Lost, each comes back as it was, wherever the machine is that builds it now.
    before = {kind: file.read_bytes() for kind, (file, _, _) in objects.items()}
    for file, _, _ in objects.values():
        file.unlink()
    with machine_in("Asia/Tokyo"):
        assert reported_again(pipeline, study).study.reason is None
    assert {kind: file.read_bytes() for kind, (file, _, _) in objects.items()} == before
    # Coming back from a PACS, they do not open the study again.
    for file, _, _ in objects.values():
        pipeline.receive(file)
    assert pipeline.detail(study).study.revision == 1


def test_each_destination_gets_what_it_takes_and_nothing_is_made_that_nobody_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = pipeline_with(tmp_path, monkeypatch, archive=["sr"], ward=["pdf"])
    study = ready(pipeline, SMALL)
    pipeline.run(study, TO_REPORT)
    objects = built(pipeline, study)
    assert {kind: states for kind, (_, _, states) in objects.items()} == {
        SR: {"archive": "DUE"},
        PDF: {"ward": "DUE"},
    }
    pipeline = pipeline_with(tmp_path, monkeypatch, archive=["sr"], ward=["sr"])
    reported_again(pipeline, study)
    states = {kind: states for kind, (_, _, states) in built(pipeline, study).items()}
    assert states == {SR: {"archive": "DUE", "ward": "DUE"}, PDF: {"ward": "CANCELLED"}}
    another = ready(pipeline, as_study_of_its_own(SMALL, tmp_path / "another"))
    detail = pipeline.run(another, TO_REPORT)
    assert set(built(pipeline, another)) == {SR}
    assert kept_heat(pipeline, detail) is WhyNoHeat.NOT_KEPT, "a gradient that nobody looks at is not computed"


def test_a_heat_map_that_fails_costs_no_answer_and_the_reason_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: io.StringIO
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("Doe^Jane")

    monkeypatch.setattr(EchoClipModel, "support", fail)
    pipeline = pipeline_with(tmp_path, monkeypatch, pacs=None)
    study = ready(pipeline, SMALL)
    detail = pipeline.run(study, TO_REPORT)
    assert detail.study.state == "REPORTED"
    assert detail.study.reason == detail.journal[-1].reason == "no heat map: it could not be computed"
    objects = built(pipeline, study)
    assert set(objects) == {SR, PDF}
    assert check_file(objects[SR][0]).findings == ()
    assert "No heat map: it could not be computed." in page_text(objects[PDF][1])
    told = [line for line in logged.getvalue().splitlines() if Event.PICTURE_NOT_MADE in line]
    assert len(told) == 1
    assert "ZeroDivisionError in tests" in told[0]
    assert "Doe" not in told[0]


def test_a_page_that_fails_costs_neither_report_nor_heat_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise ZeroDivisionError("Doe^Jane")

    monkeypatch.setattr("worker.pictures.making.build_page", fail)
    pipeline = pipeline_with(tmp_path, monkeypatch, pacs=None)
    study = ready(pipeline, SMALL)
    detail = pipeline.run(study, TO_REPORT)
    assert detail.study.state == "REPORTED"
    assert "ZeroDivisionError in tests" in str(detail.study.reason)
    assert "Doe" not in str(detail.study.reason)
    assert set(built(pipeline, study)) == {SR, HEAT_MAP}


def test_a_study_scored_again_from_what_is_kept_has_no_heat_map_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: io.StringIO
) -> None:
    pipeline = pipeline_with(tmp_path, monkeypatch, pacs=None)
    study = ready(pipeline, SMALL)
    pipeline.run(study, TO_REPORT)
    with pipeline.context.database.write() as session:
        requeue(session, study, now=datetime.now(UTC), step=Step.SCORE)
    detail = pipeline.run(study, [Step.SCORE, Step.REPORT])
    why = "no heat map: the frames were removed before the study was scored again"
    assert detail.study.reason == why
    assert set(built(pipeline, study)) == {SR, PDF}
    assert Event.PICTURE_NOT_MADE not in logged.getvalue(), "nothing went wrong"


def test_a_picture_that_cannot_be_built_the_same_again_is_not_sent_and_the_report_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = pipeline_with(tmp_path, monkeypatch, pacs=None)
    study = ready(pipeline, SMALL)
    pipeline.run(study, TO_REPORT)
    objects = built(pipeline, study)
    objects[HEAT_MAP][0].unlink()
    monkeypatch.setattr("worker.pictures.drawing.STRONGEST", 0.5)
    detail = reported_again(pipeline, study)
    assert detail.study.state == "REPORTED"
    assert "is lost and not built again" in str(detail.study.reason)
    with pipeline.context.database.read() as session:
        reports = current_reports(session, study_id=pipeline.id_of(study))
        states = {report.kind: [delivery.state for delivery in report.deliveries] for report in reports}
    assert states == {"heat-map": ["CANCELLED"], "sr": ["DUE"], "pdf": ["DUE"]}


def test_the_page_shows_the_patients_earlier_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = pipeline_with(tmp_path, monkeypatch, ward=["pdf"])
    values = []
    for day in ("20230401", "20260501"):
        clip = as_study_of_its_own(SMALL, tmp_path / day, PatientID="4711", PatientBirthDate="19600203", StudyDate=day)
        study = ready(pipeline, clip)
        run = pipeline.run(study, TO_REPORT).run
        assert run is not None
        values.append(next(result.value for result in run.results if result.task_id == "lvef"))
    text = page_text(built(pipeline, study)[PDF][1])
    assert "Earlier studies of this patient" in text
    assert "2023-04-01" in text
    assert f"{values[0]:.1f}" in text


def test_all_of_it_arrives_at_a_pacs_also_at_one_that_takes_nothing_compressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pacs: StoreSCP
) -> None:
    peer = {
        "name": "pacs", "ae_title": pacs.ae_title, "roles": ["destination"], "host": "127.0.0.1", "port": pacs.port,
        "accept_models": ["UNTRAINED"],
    }  # fmt: skip
    monkeypatch.setenv("ECHOWORKER_PEERS", json.dumps([peer]))
    pipeline = Pipeline.create(load_settings(data_dir=tmp_path / "data"))
    study = ready(pipeline, SMALL)
    detail = pipeline.run(study)
    assert detail.study.state == "DELIVERED"
    received = [pydicom.dcmread(file) for file in pacs.folder.iterdir()]
    assert sorted(instance.Modality for instance in received) == ["DOC", "OT", "SR"]
    assert {str(instance.StudyInstanceUID) for instance in received} == {study}
