"""The four steps over one real study, in this process: what each leaves behind."""

import errno
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate

from config.errors import BucketAwayError, RegistryError
from config.settings import load_settings
from config.steps import Step
from db.lifecycle.studies import requeue
from db.results.runs import Verdict
from dicom_node.header import MANUFACTURER
from dicom_node.spool import Spool
from tests.support.clips import LARGE, SMALL, as_study_of_its_own
from tests.support.servers import StoreSCP
from tests.worker.pipeline import TO_REPORT, Pipeline, pipeline_to, ready
from worker.pixels.clip import read_clip

pytestmark = pytest.mark.long

STILL = Path(str(get_testdata_file("examples_palette.dcm", download=False)))


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """Without a destination."""
    return Pipeline.create(load_settings(data_dir=tmp_path / "data"))


def test_prepare_leaves_a_tensor_for_each_clip_and_a_reason_for_each_other_instance(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    still = Path(str(get_testdata_file("examples_palette.dcm", download=False)))
    study = ready(pipeline, as_study_of_its_own(still, tmp_path, StudyInstanceUID="1.2.9"))
    ready(pipeline, as_study_of_its_own(LARGE, tmp_path, StudyInstanceUID="1.2.9"))
    detail = pipeline.run(study, [Step.PREPARE])
    assert detail.study.state == "PREPARED"
    assert {clip.skip_reason for clip in detail.clips} == {None, "a still image"}
    (clip,) = [clip for clip in detail.clips if clip.tensor_path]
    frames = np.load(pipeline.context.spool.absolute(str(clip.tensor_path)))
    expected = read_clip(LARGE)
    assert np.array_equal(frames, expected.frames)
    assert clip.frame_numbers == list(expected.frame_numbers)
    assert clip.frame_times_ms == list(expected.frame_times_ms)
    assert (clip.region_origin, clip.region) == ("machine", {"left": 84, "top": 31, "right": 596, "bottom": 415})
    assert clip.contents == ["tissue"]


def test_the_published_profile_is_named_in_provenance(tmp_path: Path) -> None:
    pipeline = Pipeline.create(load_settings(data_dir=tmp_path / "data", pixels={"profile": "upstream-1"}))
    run = pipeline.run(ready(pipeline, SMALL), [Step.PREPARE, Step.SCORE]).run
    assert run is not None
    assert run.preprocessing_profile == "upstream-1"
    assert run.clips[0].frame_numbers == tuple(range(1, 30, 2))


def test_a_study_without_a_usable_clip_is_skipped_with_the_reasons(pipeline: Pipeline, tmp_path: Path) -> None:
    still = Path(str(get_testdata_file("examples_palette.dcm", download=False)))
    files = [as_study_of_its_own(still, tmp_path, StudyInstanceUID="1.2.9") for _ in range(3)]
    detail = pipeline.run(ready(pipeline, *files))
    assert detail.study.state == "SKIPPED"
    assert detail.reason == "no usable clip: 3 × a still image"  # noqa: RUF001
    assert detail.run is None


def test_a_study_of_which_only_our_own_report_came_is_skipped(pipeline: Pipeline, tmp_path: Path) -> None:
    report = as_study_of_its_own(SMALL, tmp_path, Modality="SR", Manufacturer=MANUFACTURER)
    detail = pipeline.run(ready(pipeline, report))
    assert detail.study.state == "SKIPPED"
    assert "reports of this software alone" in str(detail.reason)


def test_a_run_carries_its_provenance(pipeline: Pipeline) -> None:
    run = pipeline.run(ready(pipeline, SMALL), [Step.PREPARE, Step.SCORE]).run
    assert run is not None
    assert run.model.label == "UNTRAINED"
    assert len(run.model.digest) == len(run.catalogue_digest) == 64
    assert run.software_version
    assert run.preprocessing_profile == "fast-1"
    (clip,) = run.clips
    assert clip.sop_instance_uid == str(pydicom.dcmread(SMALL).SOPInstanceUID)
    assert clip.frame_numbers == read_clip(SMALL).frame_numbers
    answered = {result.verdict for result in run.results} - {Verdict.ABSTAINED}
    assert answered <= {Verdict.MEASURED, Verdict.UNCALIBRATED}
    assert answered


def test_a_report_is_built_once_and_stays_here_without_a_destination(pipeline: Pipeline) -> None:
    study = ready(pipeline, SMALL)
    detail = pipeline.run(study)
    assert detail.study.state == "REPORTED"
    assert "no destination accepts results of UNTRAINED models" in str(detail.reason)
    assert detail.report is not None
    file = pipeline.context.spool.absolute(detail.report.spool_path)
    before = file.read_bytes()
    with pipeline.context.database.write() as session:
        requeue(session, study, now=detail.study.state_since, step=Step.REPORT)
    again = pipeline.run(study)
    assert again.report is not None
    assert again.report.sop_instance_uid == detail.report.sop_instance_uid
    assert file.read_bytes() == before
    assert len(list(file.parent.iterdir())) == 1


def test_a_report_is_in_the_language_of_the_site_and_stays_in_it_when_it_is_built_again(tmp_path: Path) -> None:
    german = Pipeline.create(load_settings(data_dir=tmp_path / "data", report={"language": "de"}))
    study = german.receive(as_study_of_its_own(STILL, tmp_path / "still", StudyInstanceUID="1.2.9"))
    detail = german.run(ready(german, as_study_of_its_own(LARGE, tmp_path / "clip", StudyInstanceUID="1.2.9")))
    assert detail.report is not None
    file = german.context.spool.absolute(detail.report.spool_path)
    first = file.read_bytes()
    document = pydicom.dcmread(file)
    assert document.SeriesDescription == "EchoWorker-Modell UNTRAINED: nicht klinisch verwenden"
    assert "Nicht verwendet, 1 von 2 Instanzen: ein Standbild (1)." in document.to_json()
    file.unlink()
    english = Pipeline.over_again(german)
    with english.context.database.write() as session:
        requeue(session, study, now=detail.study.state_since, step=Step.REPORT)
    assert english.context.settings.report.language == "en"
    assert english.run(study).report is not None
    assert file.read_bytes() == first


def test_tensors_go_when_the_report_is_built(pipeline: Pipeline) -> None:
    study = ready(pipeline, SMALL)
    pipeline.run(study, [Step.PREPARE, Step.SCORE])
    folder = pipeline.context.spool.tensor_folder(study, 1)
    assert list(folder.iterdir())
    pipeline.run(study, [Step.REPORT])
    assert not folder.exists()


@pytest.mark.parametrize("error", [BucketAwayError("away"), OSError(errno.ENOSPC, "No space left on device")])
def test_an_attempt_to_prepare_that_fails_leaves_no_tensors(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    pipeline.receive(as_study_of_its_own(LARGE, tmp_path, StudyInstanceUID="1.2.9"))
    study = ready(pipeline, as_study_of_its_own(SMALL, tmp_path, StudyInstanceUID="1.2.9"))

    def share(_: Spool, file: Path) -> None:
        raise error

    monkeypatch.setattr(Spool, "share", share)
    assert pipeline.run(study, [Step.PREPARE]).study.state == "READY"
    assert [file for file in (pipeline.context.spool.root / "tensors").rglob("*") if file.is_file()] == []


def test_tensors_of_earlier_revisions_go_when_the_next_is_prepared(pipeline: Pipeline, tmp_path: Path) -> None:
    study = ready(pipeline, SMALL)
    pipeline.run(study, [Step.PREPARE, Step.SCORE])
    folders = [pipeline.context.spool.tensor_folder(study, revision) for revision in (1, 2)]
    ready(pipeline, as_study_of_its_own(LARGE, tmp_path / "late", StudyInstanceUID=study))
    assert [folder.exists() for folder in folders] == [True, False]
    pipeline.run(study, [Step.PREPARE])
    assert [folder.exists() for folder in folders] == [False, True]
    assert pipeline.run(study, [Step.SCORE, Step.REPORT]).study.state == "REPORTED"


def test_a_report_goes_to_the_destinations_that_accept_its_model_and_to_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storescp: StoreSCP, nobody: int
) -> None:
    pipeline = pipeline_to(tmp_path, monkeypatch, pacs=storescp.port, second=nobody)
    detail = pipeline.run(ready(pipeline, SMALL))
    assert detail.study.state == "DELIVERED"
    assert detail.report is not None
    assert [(d.destination, d.state, d.last_answer) for d in detail.report.deliveries] == [
        ("pacs", "DELIVERED", "0x0000")
    ]
    (received,) = storescp.folder.iterdir()
    assert pydicom.dcmread(received).SOPInstanceUID == detail.report.sop_instance_uid


def test_a_destination_that_is_away_is_tried_again_without_end_and_the_others_are_not_asked_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storescp: StoreSCP, nobody: int
) -> None:
    pipeline = pipeline_to(tmp_path, monkeypatch, pacs=storescp.port, second=nobody, second_accepts="UNTRAINED")
    study = ready(pipeline, SMALL)
    detail = pipeline.run(study, (*TO_REPORT, Step.DELIVER))
    assert detail.study.state == "REPORTED"
    assert "second" in str(detail.reason)
    pipeline.run(study, [Step.DELIVER])
    detail = pipeline.detail(study)
    assert detail.report is not None
    assert {d.destination: (d.state, d.attempts) for d in detail.report.deliveries} == {
        "pacs": ("DELIVERED", 1),
        "second": ("DUE", 0),
    }


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_late_instance_makes_a_second_report_that_names_the_first_even_where_its_file_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storescp: StoreSCP, nobody: int, is_lost: bool
) -> None:
    pipeline = pipeline_to(tmp_path, monkeypatch, pacs=storescp.port, second=nobody)
    study = ready(pipeline, SMALL)
    first = pipeline.run(study).report
    assert first is not None
    file = pipeline.context.spool.absolute(first.spool_path)
    series = pydicom.dcmread(file).SeriesInstanceUID
    if is_lost:
        file.unlink()
    ready(pipeline, as_study_of_its_own(LARGE, tmp_path / "late", StudyInstanceUID=study))
    detail = pipeline.run(study)
    assert (detail.study.state, detail.study.revision) == ("DELIVERED", 2)
    assert detail.report is not None
    second = pydicom.dcmread(pipeline.context.spool.absolute(detail.report.spool_path))
    (of_series,) = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    (named,) = of_series.ReferencedSOPSequence
    assert second.PredecessorDocumentsSequence[0].StudyInstanceUID == study
    assert of_series.SeriesInstanceUID == series
    assert (named.ReferencedSOPClassUID, named.ReferencedSOPInstanceUID) == (
        first.sop_class_uid,
        first.sop_instance_uid,
    )
    assert len(detail.run.clips if detail.run else ()) == 2
    assert len(list(storescp.folder.iterdir())) == 2


def test_the_results_of_an_earlier_revision_are_not_reported_as_those_of_this_one(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    study = ready(pipeline, SMALL)
    pipeline.run(study)
    ready(pipeline, as_study_of_its_own(LARGE, tmp_path / "late", StudyInstanceUID=study))
    for step in (Step.REPORT, Step.DELIVER):
        with pipeline.context.database.write() as session, pytest.raises(RegistryError, match="no results to report"):
            requeue(session, study, now=pipeline.detail(study).study.state_since, step=step)
    assert pipeline.detail(study).study.state == "READY"


def test_the_report_coming_back_from_the_pacs_does_not_open_the_study_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storescp: StoreSCP, nobody: int
) -> None:
    pipeline = pipeline_to(tmp_path, monkeypatch, pacs=storescp.port, second=nobody)
    study = ready(pipeline, SMALL)
    report = pipeline.run(study).report
    assert report is not None
    pipeline.receive(pipeline.context.spool.absolute(report.spool_path))
    detail = pipeline.detail(study)
    assert (detail.study.state, detail.study.revision) == ("DELIVERED", 1)


def test_a_report_of_somebody_else_opens_it(pipeline: Pipeline, tmp_path: Path) -> None:
    study = ready(pipeline, SMALL)
    pipeline.run(study)
    vendor = Path(str(get_testdata_file("reportsi.dcm", download=False)))
    pipeline.receive(as_study_of_its_own(vendor, tmp_path / "late", StudyInstanceUID=study))
    assert pipeline.detail(study).study.revision == 2


def test_one_file_that_cannot_be_decoded_does_not_cost_the_study(pipeline: Pipeline, tmp_path: Path) -> None:
    broken = pydicom.dcmread(as_study_of_its_own(SMALL, tmp_path))
    broken.PixelData = encapsulate([b"\0" * 64] * 30)
    broken.save_as(tmp_path / "broken.dcm")
    good = as_study_of_its_own(LARGE, tmp_path, StudyInstanceUID=broken.StudyInstanceUID)
    detail = pipeline.run(ready(pipeline, good, tmp_path / "broken.dcm"))
    assert detail.study.state == "REPORTED"
    reasons = {clip.sop_instance_uid: clip.skip_reason for clip in detail.clips}
    assert "cannot be decoded" in str(reasons[str(broken.SOPInstanceUID)])
    assert detail.run is not None
    assert [clip.sop_instance_uid for clip in detail.run.clips] == [str(pydicom.dcmread(good).SOPInstanceUID)]
