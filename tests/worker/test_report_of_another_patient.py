"""How well a report's text fits the images of its study, against how well those of other studies fit theirs."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, update

from config.labels import ModelLabel
from config.settings import load_settings
from config.steps import Step
from db.consistency.discordances import Severity
from db.lifecycle.studies import requeue
from db.tables.consistency import ReportLikeness
from db.tables.runs import RunRow
from db.tables.studies import Study
from tests.support.clips import LARGE, SMALL, as_study_of_its_own
from tests.support.reported import last_check
from tests.worker.pipeline import TO_REPORT, Pipeline, ready
from tests.worker.test_consistency import beside, listed, text_report, vendor_report
from worker.consistency.checking import check_again
from worker.consistency.reading import ReportReader
from worker.echoclip.towers import Towers
from worker.embeddings import read_embeddings

pytestmark = pytest.mark.long

RULES = """
version = "test-1"

[another_patient]
id = "report-of-another-patient"
below = 0.05
fewest_pairs = 20
"""
TEXT = "The left ventricle is normal in size."
OTHER = "1.2.77"


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, untrained_folder: Path) -> Pipeline:
    """Its pack for retrieval is the one that scores: that has embeddings of texts, and keeps those of clips."""
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    monkeypatch.setenv("ECHOWORKER_CONSISTENCY__RULES", str(rules))
    monkeypatch.setenv("ECHOWORKER_MODEL__RETRIEVAL_PACK", str(untrained_folder))
    return Pipeline.create(load_settings(data_dir=tmp_path / "data"))


def likenesses(pipeline: Pipeline, study: str) -> list[ReportLikeness]:
    with pipeline.context.database.read() as session:
        return list(session.scalars(select(ReportLikeness).where(ReportLikeness.study_id == pipeline.id_of(study))))


def others_fit(pipeline: Pipeline, like: ReportLikeness, numbers: Iterable[float]) -> None:
    """Other pairs of text and images whose likeness is this."""
    now = datetime.now(UTC)
    with pipeline.context.database.write() as session:
        study = Study(study_instance_uid=OTHER, state="SCORED", state_since=now, created_at=now, last_instance_at=now)
        session.add(study)
        session.flush()
        for place, number in enumerate(numbers):
            kind = {"towers": like.towers, "preprocessing_profile": like.preprocessing_profile, "made_from": "x"}
            session.add(ReportLikeness(study_id=study.id, report_id=f"other {place}", likeness=number, **kind))


def notes(pipeline: Pipeline, study: str) -> list[str]:
    run = pipeline.detail(study).run
    assert run is not None
    with pipeline.context.database.read() as session:
        check = last_check(session, run.run_uid)
    assert check is not None
    return [str(note) for note in check.notes]


def two_clips_and_a_text(tmp_path: Path, text: str = TEXT) -> list[Path]:
    one = as_study_of_its_own(SMALL, tmp_path / "one", StudyInstanceUID="1.2.9")
    other = as_study_of_its_own(LARGE, tmp_path / "other", StudyInstanceUID="1.2.9")
    return [one, other, beside(one, text_report(text), tmp_path)]


def test_the_cosine_of_the_text_and_the_mean_of_the_clips_is_kept_and_too_few_others_say_nothing(
    pipeline: Pipeline, tmp_path: Path, towers: Towers
) -> None:
    study = ready(pipeline, *two_clips_and_a_text(tmp_path))
    pipeline.run(study, TO_REPORT)
    (kept,) = likenesses(pipeline, study)
    (file,) = pipeline.context.spool.root.glob(f"embeddings/*/{study}/1.safetensors")
    means = [clip.frames.mean(dim=0).numpy() for clip in read_embeddings(file)]
    mean = np.mean([each / np.linalg.norm(each) for each in means], axis=0)
    read = ReportReader().instance(text_report(TEXT))
    assert read is not None
    text = towers.embed_prompts([read.text]).numpy()[0]
    assert kept.likeness == pytest.approx(float(text @ mean / np.linalg.norm(mean)), abs=1e-5)
    assert listed(pipeline, study) == []
    assert notes(pipeline, study) == [
        "report-of-another-patient: 0 other pairs of text and images are known here, of 20 that it needs"
    ]


@pytest.mark.parametrize(("worse", "is_found"), [(0, True), (1, False), (20, False)])
def test_a_text_that_fits_worse_than_nearly_all_others_is_found(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worse: int, *, is_found: bool
) -> None:
    study = ready(pipeline, *two_clips_and_a_text(tmp_path))
    pipeline.run(study, TO_REPORT)
    (kept,) = likenesses(pipeline, study)
    others_fit(pipeline, kept, [kept.likeness - 0.1] * worse + [kept.likeness + 0.1] * (20 - worse))
    # The number is known: whatever checks the study again needs no model.
    monkeypatch.setattr("worker.retrieval.report_likeness.load_retrieval_model", None)
    check_again(pipeline.context, pipeline.id_of(study))
    pipeline.run(study, [Step.REPORT])  # due where something was found
    found = listed(pipeline, study)
    assert notes(pipeline, study) == []
    assert [(one.found.rule, one.found.field) for one in found] == [("report-of-another-patient", "patient")] * is_found
    for one in found:
        assert one.found.severity is Severity.MAJOR
        assert one.found.sides[1].said == "fits these images less than 95.0 % of this site's texts fit theirs"


def test_other_images_are_measured_anew(pipeline: Pipeline, tmp_path: Path) -> None:
    one, other, text = two_clips_and_a_text(tmp_path)
    study = ready(pipeline, one, text)
    pipeline.run(study, TO_REPORT)
    (first,) = likenesses(pipeline, study)
    ready(pipeline, other)
    pipeline.run(study, TO_REPORT)
    (second,) = likenesses(pipeline, study)
    assert second.report_id == first.report_id
    assert second.likeness != first.likeness


def test_a_machine_s_measurements_are_no_text(pipeline: Pipeline, tmp_path: Path) -> None:
    clip = as_study_of_its_own(SMALL, tmp_path)
    study = ready(pipeline, clip, beside(clip, vendor_report("55"), tmp_path))
    pipeline.run(study, TO_REPORT)
    assert (likenesses(pipeline, study), notes(pipeline, study)) == ([], [])


def test_without_a_pack_for_retrieval_nothing_is_measured(
    tmp_path: Path, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ECHOWORKER_MODEL__RETRIEVAL_PACK")
    without = Pipeline.over_again(pipeline)
    study = ready(without, *two_clips_and_a_text(tmp_path))
    without.run(study, TO_REPORT)
    assert (likenesses(without, study), notes(without, study)) == ([], [])


def test_a_pack_that_is_to_be_trusted_less_than_the_results_says_nothing_of_them(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    study = ready(pipeline, *two_clips_and_a_text(tmp_path))
    pipeline.run(study, [Step.PREPARE, Step.SCORE])
    with pipeline.context.database.write() as session:
        session.execute(update(RunRow).values(model_label=ModelLabel.RESEARCH))
    pipeline.run(study, [Step.REPORT])
    assert likenesses(pipeline, study) == []
    assert notes(pipeline, study) == [
        "report-of-another-patient: the model for retrieval is UNTRAINED, and the results are RESEARCH"
    ]


def test_lost_embeddings_cost_this_rule_alone(pipeline: Pipeline, tmp_path: Path) -> None:
    study = ready(pipeline, *two_clips_and_a_text(tmp_path))
    pipeline.run(study, [Step.PREPARE, Step.SCORE])
    (file,) = pipeline.context.spool.root.glob(f"embeddings/*/{study}/1.safetensors")
    file.unlink()
    detail = pipeline.run(study, [Step.REPORT])
    assert detail.study.state == "REPORTED"
    assert likenesses(pipeline, study) == []
    (note,) = notes(pipeline, study)
    assert "report-of-another-patient: the embeddings" in note
    assert "missing or damaged" in note
    with pipeline.context.database.write() as session:
        requeue(session, study, now=datetime.now(UTC), step=Step.PREPARE)
    pipeline.run(study, TO_REPORT)
    assert len(likenesses(pipeline, study)) == 1
