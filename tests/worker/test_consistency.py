"""A study's other reports against its images, in the report step and after it: rows, sentences, and no words kept.

The UNTRAINED model measures something of every clip; rules of the test's own say how far off it is.
"""

from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select

from config.errors import ConfigurationError
from config.logs import configure_logs
from config.settings import load_settings
from config.steps import Step
from db.consistency.discordance_review import ListedDiscordance, list_discordances, review_discordance
from db.consistency.discordances import ReviewState, Severity
from db.lifecycle.studies import requeue
from db.results.recording import append_run
from db.tables.consistency import ConsistencyCheck, DiscordanceRow
from dicom_node.report.checking.check import check_file
from tests.support import echo_reports as made
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.reported import last_check
from tests.worker.pipeline import TO_REPORT, Pipeline, ready
from worker.consistency.checking import check_again

pytestmark = pytest.mark.long

SCT = made.SCT
RULES = """
version = "test-1"

[[errors]]
family = "untrained"
field = "lvef"
mean_absolute_error = 0.1
origin = "this test"

[[numbers]]
id = "lvef-differs"
field = "lvef"
differs_by = {differs_by}
times_error = 1.0
major_from = 1.0
"""
TEXT = "Seen by Dr Jane Q. Unspeakable. LVEF is 12 %."


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Which find every difference in ejection fraction."""
    return with_rules(tmp_path, monkeypatch, differs_by=0.5)


def with_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, differs_by: float) -> Path:
    file = tmp_path / f"rules-{differs_by}.toml"
    file.write_text(RULES.format(differs_by=differs_by))
    monkeypatch.setenv("ECHOWORKER_CONSISTENCY__RULES", str(file))
    return file


def pipeline_in(tmp_path: Path) -> Pipeline:
    return Pipeline.create(load_settings(data_dir=tmp_path / "data"))


def vendor_report(ejection_fraction: str) -> Dataset:
    group = made.group(made.num(made.EF, ejection_fraction, made.PERCENT))
    return made.received(made.report(made.section(SCT, "LV", group)))


def text_report(words: str) -> Dataset:
    finding = made.text(("121071", "DCM", "Finding"), words)
    findings = made.item("CONTAINER", "CONTAINS", ("59776-5", "LN", "Findings"), [finding])
    root = ("42148-7", "LN", "Echocardiography Report")
    return made.received(made.report(findings, root=root, template="2000", sop_class=made.BASIC_TEXT))


def beside(clip: Path, document: Dataset, folder: Path) -> Path:
    """A report as an instance of the clip's study."""
    image = pydicom.dcmread(clip, stop_before_pixels=True)
    document.StudyInstanceUID = image.StudyInstanceUID
    document.PatientID, document.PatientName = image.get("PatientID", ""), image.get("PatientName", "")
    document.SeriesInstanceUID = pydicom.uid.generate_uid()
    file = folder / f"{document.SOPInstanceUID}.dcm"
    document.save_as(file, enforce_file_format=True)
    return file


def listed(pipeline: Pipeline, study: str, *, include_closed: bool = False) -> list[ListedDiscordance]:
    with pipeline.context.database.read() as session:
        return list_discordances(session, study_instance_uid=study, include_closed=include_closed)


def comments(pipeline: Pipeline, study: str) -> list[str]:
    """The texts of the report, those of its groups left out."""
    report = pydicom.dcmread(report_file(pipeline, study))
    return [str(item.TextValue) for part in report.ContentSequence for item in part.get("ContentSequence", ())
            if item.ValueType == "TEXT"]  # fmt: skip


def report_file(pipeline: Pipeline, study: str) -> Path:
    report = pipeline.detail(study).report
    assert report is not None
    return pipeline.context.spool.absolute(report.spool_path)


def test_a_number_that_the_images_do_not_bear_out_is_a_row_and_a_sentence(tmp_path: Path, rules: Path) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path)
    vendor = vendor_report("12.0")
    pipeline = pipeline_in(tmp_path)
    study = ready(pipeline, clip, beside(clip, vendor, tmp_path))
    detail = pipeline.run(study, TO_REPORT)
    assert detail.run is not None
    (one,) = listed(pipeline, study)
    reported, images = one.found.sides
    assert (one.found.rule, one.found.rules_version, one.found.field) == ("lvef-differs", "test-1", "lvef")
    assert (reported.source, reported.said) == (vendor.SOPInstanceUID, "12 %")
    assert images.clips == tuple(clip.sop_instance_uid for clip in detail.run.clips)
    said = [text for text in comments(pipeline, study) if "Discordance" in text]
    assert len(said) == 1
    assert "Discordance (major)" in said[0]
    assert f"the machine's measurements 12 % (characters {(reported.start or 0) + 1} to {reported.end} of " in said[0]
    assert f"images {images.said}; rule lvef-differs, version test-1, confidence" in said[0]
    assert "UNTRAINED MODEL, NOT FOR CLINICAL USE." in said[0]
    assert [finding for finding in check_file(report_file(pipeline, study)).findings if finding.level == "FAULT"] == []


def test_where_both_sides_agree_the_report_says_in_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_rules(tmp_path, monkeypatch, differs_by=100.0)
    clip = as_study_of_its_own(SMALL, tmp_path)
    pipeline = pipeline_in(tmp_path)
    study = ready(pipeline, clip, beside(clip, vendor_report("50"), tmp_path))
    pipeline.run(study, TO_REPORT)
    assert listed(pipeline, study) == []
    (said,) = [text for text in comments(pipeline, study) if "Compared with" in text]
    assert "(1), no discordance in: Left ventricular ejection fraction." in said


def test_without_a_report_or_with_checks_switched_off_nothing_is_said(
    tmp_path: Path, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path)
    pipeline = pipeline_in(tmp_path)
    study = ready(pipeline, clip)
    pipeline.run(study, TO_REPORT)
    assert not any("iscordance" in text for text in comments(pipeline, study))
    monkeypatch.setenv("ECHOWORKER_CONSISTENCY__ENABLED", "false")
    another = as_study_of_its_own(SMALL, tmp_path)
    off = pipeline_in(tmp_path / "off")
    study = ready(off, another, beside(another, vendor_report("12.0"), tmp_path))
    off.run(study, TO_REPORT)
    assert listed(off, study) == []
    assert not any("iscordance" in text for text in comments(off, study))


def test_a_lost_report_is_built_again_as_it_was_whatever_was_found_since(
    tmp_path: Path, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECHOWORKER_CONSISTENCY__REPORT_AGAIN", "never")
    clip = as_study_of_its_own(SMALL, tmp_path)
    pipeline = pipeline_in(tmp_path)
    study = ready(pipeline, clip, beside(clip, vendor_report("12.0"), tmp_path))
    pipeline.run(study, TO_REPORT)
    file = report_file(pipeline, study)
    before = file.read_bytes()
    with_rules(tmp_path, monkeypatch, differs_by=100.0)
    pipeline = Pipeline.over_again(pipeline)
    assert check_again(pipeline.context, pipeline.id_of(study)) == 0
    assert listed(pipeline, study) == []
    (superseded,) = listed(pipeline, study, include_closed=True)
    assert superseded.superseded_at is not None
    file.unlink()
    with pipeline.context.database.write() as session:
        requeue(session, study, now=datetime.now(UTC), step=Step.REPORT)
    pipeline.run(study, [Step.REPORT])
    assert file.read_bytes() == before


def test_a_report_that_comes_later_is_compared_in_the_next_revision_and_a_review_goes_along(
    tmp_path: Path, rules: Path
) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path)
    pipeline = pipeline_in(tmp_path)
    study = ready(pipeline, clip, beside(clip, vendor_report("12.0"), tmp_path))
    pipeline.run(study, TO_REPORT)
    (first,) = listed(pipeline, study)
    with pipeline.context.database.write() as session:
        review_discordance(
            session, first.id, state=ReviewState.CONFIRMED, by="Reader", reason=None, at=datetime.now(UTC)
        )
    ready(pipeline, beside(clip, text_report(TEXT), tmp_path))
    detail = pipeline.run(study, TO_REPORT)
    assert detail.study.revision == 2
    text, vendor, before = listed(pipeline, study, include_closed=True)
    assert (text.state, vendor.state, vendor.reviewed_by) == (ReviewState.NEW, ReviewState.CONFIRMED, "Reader")
    assert (text.superseded_at, vendor.superseded_at) == (None, None)
    assert before.superseded_at is not None
    assert len([said for said in comments(pipeline, study) if "Discordance" in said]) == 2


def test_a_document_that_a_later_one_replaces_is_not_compared(tmp_path: Path, rules: Path) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path)
    wrong, right = text_report(TEXT), text_report("The left ventricle is normal in size.")
    reference, series, of_study = Dataset(), Dataset(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = wrong.SOPClassUID, wrong.SOPInstanceUID
    series.ReferencedSOPSequence, series.SeriesInstanceUID = [reference], "1.2.3"
    of_study.ReferencedSeriesSequence, of_study.StudyInstanceUID = [series], "1.2"
    right.PredecessorDocumentsSequence = [of_study]
    pipeline = pipeline_in(tmp_path)
    study = ready(pipeline, clip, beside(clip, wrong, tmp_path), beside(clip, right, tmp_path))
    pipeline.run(study, TO_REPORT)
    assert listed(pipeline, study) == []


def test_a_document_that_cannot_be_read_is_a_note_and_fails_nothing(
    tmp_path: Path, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path)
    damaged = vendor_report("12.0")
    pipeline = pipeline_in(tmp_path)
    study = ready(pipeline, clip, beside(clip, damaged, tmp_path), beside(clip, vendor_report("13"), tmp_path))
    pipeline.run(study, [Step.PREPARE, Step.SCORE])
    instances = {i.sop_instance_uid: i.spool_path for i in pipeline.detail(study).instances}
    pipeline.context.spool.absolute(instances[damaged.SOPInstanceUID]).unlink()
    log = StringIO()
    configure_logs(process="test", stream=log)
    detail = pipeline.run(study, [Step.REPORT])
    assert detail.study.state == "REPORTED"
    assert [one.found.sides[0].said for one in listed(pipeline, study)] == ["13 %"]
    assert "report of a study cannot be read" in log.getvalue()
    assert detail.run is not None
    with pipeline.context.database.read() as session:
        check = last_check(session, detail.run.run_uid)
        assert check is not None
        assert len(check.notes) == 1
        assert damaged.SOPInstanceUID in check.notes[0]


def test_the_words_of_a_report_are_in_no_log_and_no_row(tmp_path: Path, rules: Path) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path, PatientName="Doe^Jane", PatientID="SECRET-4711")
    log = StringIO()
    configure_logs(process="test", stream=log)
    pipeline = pipeline_in(tmp_path)
    study = ready(pipeline, clip, beside(clip, text_report(TEXT), tmp_path))
    pipeline.run(study, TO_REPORT)
    assert len(listed(pipeline, study)) == 1
    with pipeline.context.database.read() as session:
        rows = [*session.scalars(select(DiscordanceRow)), *session.scalars(select(ConsistencyCheck))]
        kept = " ".join(str(vars(row)) for row in rows)
    written = [*comments(pipeline, study), log.getvalue(), kept]
    assert "reports of a study and its images do not agree" in log.getvalue()
    for secret in ("Unspeakable", "SECRET-4711", "Doe", "LVEF is"):
        assert not any(secret in text for text in written)


def test_checked_again_only_once_its_report_is_built(tmp_path: Path, rules: Path) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path)
    pipeline = pipeline_in(tmp_path)
    study = ready(pipeline, clip, beside(clip, vendor_report("12.0"), tmp_path))
    pipeline.run(study, [Step.PREPARE, Step.SCORE])
    assert check_again(pipeline.context, pipeline.id_of(study)) is None
    pipeline.run(study, [Step.REPORT])
    assert check_again(pipeline.context, pipeline.id_of(study)) == 0
    assert [one.found.severity for one in listed(pipeline, study)] == [Severity.MAJOR]


def test_after_answers_were_adopted_without_a_report_a_study_is_checked_all_the_same(
    tmp_path: Path, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path)
    pipeline = pipeline_in(tmp_path)
    study = ready(pipeline, clip, beside(clip, vendor_report("12.0"), tmp_path))
    run = pipeline.run(study, TO_REPORT).run
    assert run is not None
    moved = [replace(one, value=one.value and one.value + 0.4) for one in run.results]
    anew = replace(run, run_uid="of a re-scoring", results=tuple(moved))
    with pipeline.context.database.write() as session:
        append_run(session, study_id=pipeline.id_of(study), run=anew, units={})
    assert check_again(pipeline.context, pipeline.id_of(study)) is not None
    (one,) = listed(pipeline, study)
    assert one.found.sides[1].said != "12 %"
    assert pipeline.detail(study).study.state == "REPORTED", "our own number moved, and nothing was to go out for that"
    # What the last report told is not found any more: now one goes out.
    with_rules(tmp_path, monkeypatch, differs_by=100.0)
    pipeline = Pipeline.over_again(pipeline)
    assert check_again(pipeline.context, pipeline.id_of(study)) == 0
    assert pipeline.detail(study).study.state == "SCORED"
    assert check_again(pipeline.context, pipeline.id_of(study)) is None, "its report step is to come"


def test_a_mistake_in_the_rules_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('version = "1"\n[[numbers]]\nid = "x"\n')
    monkeypatch.setenv("ECHOWORKER_CONSISTENCY__RULES", str(file))
    with pytest.raises(ConfigurationError, match=r"rules\.toml"):
        pipeline_in(tmp_path)
