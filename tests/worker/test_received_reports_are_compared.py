"""A report that came by HL7 is compared with the images of its study: by the report step, or after it."""

from pathlib import Path

import pytest

from config.settings import load_settings
from config.steps import Step
from db.discordance_review import list_discordances
from db.received_reports import Via
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.incoming_reports import oru
from tests.worker.pipeline import TO_REPORT, Pipeline
from tests.worker.test_consistency import with_rules
from worker.consistency.kept_reports import KeptReport, ReportKind, keep_report
from worker.consistency.report_intake import ReportIntake


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
    comes(pipeline, intake, "Cancelled.", accession="ACC-77", status="X")
    assert found(pipeline, study) == []


def test_a_report_after_the_report_step_is_compared_at_once(pipeline: Pipeline, tmp_path: Path) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path, AccessionNumber="ACC-77")
    study = pipeline.receive(clip)
    pipeline.fall_quiet()
    pipeline.run(study, TO_REPORT)
    comes(pipeline, ReportIntake(pipeline.context), "LVEF is 12 %.", accession="ACC-77")
    assert found(pipeline, study) == ["12 %"]
