"""A site changes its catalogue: what was scored before is still reported, and shown, by the questions it answered."""

from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest

from config.catalogue import BUNDLED_CATALOGUE, load_catalogue
from config.settings import load_settings
from config.steps import Step
from db.lifecycle.studies import requeue
from tests.support.clips import SMALL
from tests.worker.pipeline import Pipeline, ready
from worker.catalogues import catalogue_of_run

pytestmark = pytest.mark.long


@pytest.fixture
def site_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "tasks.toml"
    file.write_bytes(BUNDLED_CATALOGUE.read_bytes())
    monkeypatch.setenv("ECHOWORKER_MODEL__CATALOGUE", str(file))
    return file


@pytest.fixture
def scored(tmp_path: Path, site_catalogue: Path) -> tuple[Pipeline, str]:
    """A study that was scored before its site changed the catalogue: ejection fraction is now called otherwise."""
    pipeline = Pipeline.create(load_settings(data_dir=tmp_path / "data"))
    study = ready(pipeline, SMALL)
    pipeline.run(study, [Step.PREPARE, Step.SCORE])
    changed = (
        site_catalogue.read_text().replace("Left ventricular ejection fraction", "Squeeze").replace("tavr", "valve")
    )
    site_catalogue.write_text(changed)
    return Pipeline.over_again(pipeline), study


def kept(pipeline: Pipeline, study: str) -> Path:
    run = pipeline.detail(study).run
    assert run is not None
    return pipeline.context.spool.root / "catalogues" / f"{run.catalogue_digest}.toml"


def test_the_report_speaks_of_the_questions_of_its_run(scored: tuple[Pipeline, str]) -> None:
    pipeline, study = scored
    assert kept(pipeline, study).read_bytes() == BUNDLED_CATALOGUE.read_bytes()
    detail = pipeline.run(study, [Step.REPORT])
    assert detail.study.state == "REPORTED"
    assert detail.report is not None
    report = pydicom.dcmread(pipeline.context.spool.absolute(detail.report.spool_path)).to_json()
    assert "Left ventricular ejection fraction" in report
    assert "Squeeze" not in report


def test_the_kept_copy_of_a_sites_changes_is_the_whole_that_the_run_was_asked_by(
    tmp_path: Path, site_catalogue: Path
) -> None:
    site_catalogue.write_text('extends = "bundled"\n[[task]]\nid = "lvef"\nname = "Squeeze"\n')
    pipeline = Pipeline.create(load_settings(data_dir=tmp_path / "data"))
    study = ready(pipeline, SMALL)
    pipeline.run(study, [Step.PREPARE, Step.SCORE])
    run = pipeline.detail(study).run
    assert run is not None
    assert load_catalogue(kept(pipeline, study)) == load_catalogue(site_catalogue)
    site_catalogue.write_text('extends = "bundled"\n')
    shown = catalogue_of_run(pipeline.context.spool, run.catalogue_digest, load_catalogue(site_catalogue)).task("lvef")
    assert shown is not None
    assert shown.name == "Squeeze"
    assert len(run.results) == len(load_catalogue().tasks)


@pytest.mark.parametrize(
    "damage",
    [Path.unlink, lambda file: file.write_text("task = 3"), lambda file: file.write_bytes(file.read_bytes() + b"\n")],
)
def test_a_catalogue_that_is_lost_or_changed_is_an_error_with_the_way_out(
    scored: tuple[Pipeline, str], damage: object
) -> None:
    assert callable(damage)
    pipeline, study = scored
    damage(kept(pipeline, study))
    detail = pipeline.run(study, [Step.REPORT])
    assert detail.study.state == "FAILED"
    reason = str(detail.study.reason)
    assert kept(pipeline, study).name in reason
    assert "requeue the study with --step prepare" in reason
    with pipeline.context.database.write() as session:
        requeue(session, study, now=datetime.now(UTC), step=Step.PREPARE)
    assert pipeline.run(study).study.state == "REPORTED"
