"""A report that came by HL7 is compared with the images of its study: by the report step, or after it.

One that comes after it may make another report of ours: of the same results, and naming the one before.
"""

from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest

from config.settings import load_settings
from config.steps import Step
from db.consistency.discordance_review import list_discordances
from db.consistency.received_reports import Via
from db.lifecycle.studies import requeue
from db.reading.queries import StudyDetail
from db.results.reports import current_report
from db.states import DeliveryState, StudyState
from db.tables.deliveries import Delivery
from db.tables.studies import Study
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.incoming_reports import oru
from tests.worker.pipeline import TO_REPORT, Pipeline
from tests.worker.test_consistency import comments, report_file, with_rules
from worker.consistency.arriving.kept_reports import KeptReport, keep_report
from worker.consistency.arriving.report_intake import ReportIntake
from worker.consistency.documents.kinds import ReportKind

pytestmark = pytest.mark.long


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    with_rules(tmp_path, monkeypatch, differs_by=0.5)
    return Pipeline.create(load_settings(data_dir=tmp_path / "data"))


def comes(pipeline: Pipeline, intake: ReportIntake, text: str, *, accession: str, **said: str) -> None:
    message = oru(text, accession=accession, patient="", control_id=text, **said)  # type: ignore[arg-type]
    keep_report(pipeline.context.spool, KeptReport(content=message, kind=ReportKind.HL7, via=Via.HL7))
    intake.work_once()


def found(pipeline: Pipeline, study: str) -> list[str]:
    """What is said by the reports that do not agree with the images."""
    with pipeline.context.database.read() as session:
        listed = list_discordances(session, study_instance_uid=study)
    return [each.found.sides[0].said for each in listed]


def test_a_report_before_and_its_correction_after_the_report_step(pipeline: Pipeline, tmp_path: Path) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path, AccessionNumber="ACC-77")
    intake = ReportIntake(pipeline.context)
    comes(pipeline, intake, "LVEF is 12 %.", accession="ACC-77")
    study = pipeline.receive(clip)
    pipeline.fall_quiet()
    intake.work_once()
    pipeline.run(study, (Step.PREPARE, Step.SCORE))
    assert found(pipeline, study) == []
    pipeline.run(study, (Step.REPORT,))
    assert found(pipeline, study) == ["12 %"]
    comes(pipeline, intake, "LVEF is 13 %.", accession="ACC-77", status="C")
    assert found(pipeline, study) == ["13 %"]
    pipeline.run(study, (Step.REPORT,))
    assert found(pipeline, study) == ["13 %"]
    comes(pipeline, intake, "Cancelled.", accession="ACC-77", status="X")
    assert found(pipeline, study) == []


def test_a_report_after_the_report_step_is_compared_at_once(pipeline: Pipeline, tmp_path: Path) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path, AccessionNumber="ACC-77")
    study = pipeline.receive(clip)
    pipeline.fall_quiet()
    pipeline.run(study, TO_REPORT)
    comes(pipeline, ReportIntake(pipeline.context), "LVEF is 12 %.", accession="ACC-77")
    assert found(pipeline, study) == ["12 %"]


def reported_and_delivered(pipeline: Pipeline, tmp_path: Path) -> StudyDetail:
    """A study without any other report, whose own a PACS has."""
    study = pipeline.receive(as_study_of_its_own(SMALL, tmp_path, AccessionNumber="ACC-77"))
    pipeline.fall_quiet()
    pipeline.run(study, TO_REPORT)
    with pipeline.context.database.write() as session:
        report = current_report(session, study_id=pipeline.id_of(study))
        assert report is not None
        report.deliveries.append(Delivery(destination="pacs", state=DeliveryState.DELIVERED))
        session.get_one(Study, pipeline.id_of(study)).state = StudyState.DELIVERED
    return pipeline.detail(study)


def sentences(pipeline: Pipeline, study: str) -> list[str]:
    return [text for text in comments(pipeline, study) if "Discordance" in text]


def test_a_grave_discordance_that_comes_after_our_report_makes_one_that_supersedes_it(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    first = reported_and_delivered(pipeline, tmp_path)
    study, intake = first.study.study_instance_uid, ReportIntake(pipeline.context)
    assert first.run is not None
    assert first.report is not None
    file = report_file(pipeline, study)
    before = file.read_bytes()
    comes(pipeline, intake, "LVEF is 12 %.", accession="ACC-77")
    assert pipeline.detail(study).study.state == "SCORED"
    second = pipeline.run(study, (Step.REPORT,))
    assert second.run is not None
    assert second.report is not None
    assert second.report.sop_instance_uid != first.report.sop_instance_uid
    document = pydicom.dcmread(report_file(pipeline, study))
    (series,) = document.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.report.sop_instance_uid
    assert len(sentences(pipeline, study)) == 1
    assert (second.run.results, second.run.repeats) == (first.run.results, first.run.run_uid)
    assert second.study.revision == 1
    assert file.read_bytes() == before
    # The same said once more changes nothing; what says otherwise does, and what is not said any more.
    comes(pipeline, intake, "The LVEF is 12 %.", accession="ACC-77", status="C")
    assert pipeline.detail(study).study.state == "REPORTED"
    comes(pipeline, intake, "Cancelled.", accession="ACC-77", status="X")
    third = pipeline.run(study, (Step.REPORT,))
    assert third.run is not None
    assert (third.run.results, third.run.repeats) == (first.run.results, first.run.run_uid)
    assert sentences(pipeline, study) == []


def test_a_report_of_ours_that_is_lost_before_it_is_delivered_comes_back_as_it_was(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    first = reported_and_delivered(pipeline, tmp_path)
    study = first.study.study_instance_uid
    comes(pipeline, ReportIntake(pipeline.context), "LVEF is 12 %.", accession="ACC-77")
    pipeline.run(study, (Step.REPORT,))
    file = report_file(pipeline, study)
    before = file.read_bytes()
    file.unlink()
    with pipeline.context.database.write() as session:
        requeue(session, study, now=datetime.now(UTC), step=Step.REPORT)
    pipeline.run(study, (Step.REPORT,))
    assert report_file(pipeline, study) == file
    assert file.read_bytes() == before


@pytest.mark.parametrize(("wanted", "state"), [("never", "DELIVERED"), ("major", "DELIVERED"), ("any", "SCORED")])
def test_which_discordances_make_another_report_is_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, state: str
) -> None:
    rules = with_rules(tmp_path, monkeypatch, differs_by=0.5)
    rules.write_text(rules.read_text().replace("major_from = 1.0", "major_from = 1000.0"))
    monkeypatch.setenv("ECHOWORKER_CONSISTENCY__REPORT_AGAIN", wanted)
    pipeline = Pipeline.create(load_settings(data_dir=tmp_path / "data"))
    study = reported_and_delivered(pipeline, tmp_path).study.study_instance_uid
    comes(pipeline, ReportIntake(pipeline.context), "LVEF is 12 %.", accession="ACC-77")
    assert found(pipeline, study) == ["12 %"]
    assert pipeline.detail(study).study.state == state
