"""A second kind of pack goes the way of the first, with no change to it: receive, prepare, score, report."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch

import worker.packs.kinds
from config.broker import create_celery_app
from config.settings import load_settings
from config.steps import Step
from db.lifecycle.studies import requeue
from db.results.embeddings import latest_embeddings
from db.results.runs import Verdict
from tests.support.clips import SMALL, as_study_of_its_own
from tests.support.labelled import NOW, Labelled, pack_kinds
from tests.worker.pipeline import TO_REPORT, Pipeline
from worker.calibration.thresholds import ThresholdRule
from worker.context import WorkerContext
from worker.linear_probe.making import MadeProbe, make_probe

BRIGHTNESS = 0
"""The axis along which `AxisModel` embeds a frame by the brightness of its corner."""


@pytest.fixture
def probe(tmp_path: Path) -> tuple[Labelled, MadeProbe]:
    """A head that calls dark corners a device, installed."""
    labelled = Labelled(tmp_path / "data")
    generator = np.random.default_rng(0)
    for case in range(60):
        has_device = case % 2
        frames = 0.4 * generator.normal(size=(4, labelled.model.width))
        frames[:, BRIGHTNESS] += -1 if has_device else 1
        unit = torch.nn.functional.normalize(torch.tensor(frames, dtype=torch.float32), dim=1)
        labelled.label(labelled.embedded([unit]), has_device)
    task = labelled.catalogue.task("device")
    assert task is not None
    made = make_probe(
        labelled.source,
        task,
        cases=labelled.cases,
        rule=ThresholdRule(),
        name="Dark corners",
        folder=None,
        packs_dir=labelled.data_dir / "packs",
        software_version="1",
    )
    return labelled, made


def test_a_study_is_scored_and_reported_with_a_trained_head(
    probe: tuple[Labelled, MadeProbe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled, made = probe
    monkeypatch.setattr(worker.packs.kinds, "entry_points", pack_kinds)
    monkeypatch.setenv("ECHOWORKER_MODEL__CATALOGUE", str(labelled.catalogue_file))
    monkeypatch.setenv("ECHOWORKER_MODEL__PACK", made.pack.folder.name)
    settings = load_settings(data_dir=labelled.data_dir)
    pipeline = Pipeline(WorkerContext(settings, create_celery_app(settings)))
    uid = pipeline.receive(as_study_of_its_own(SMALL, tmp_path, StudyInstanceUID="1.2.9"))
    pipeline.fall_quiet()

    detail = pipeline.run(uid, TO_REPORT)

    assert detail.study.state == "REPORTED"
    run = detail.run
    assert run is not None
    assert (run.model.name, run.model.digest) == ("Dark corners", made.pack.identity.digest)
    results = {result.task_id: result for result in run.results}
    assert (results["device"].verdict, results["device"].method) == (Verdict.PRESENT, "linear probe")
    assert results["grade"].method is None  # the base's own answer, which says nothing of how
    with pipeline.context.database.read() as session:
        (kept,) = latest_embeddings(session, embedder=labelled.model.embedder, study_instance_uids=[uid])
    assert (kept.clips, kept.preprocessing_profile) == (1, settings.pixels.profile)
    assert detail.report is not None
    report = pydicom.dcmread(pipeline.context.spool.absolute(detail.report.spool_path)).to_json()
    assert "Dark corners" in report

    # With the pixels gone, the same head answers from what was kept.
    with pipeline.context.database.write() as session:
        assert requeue(session, uid, now=NOW, step=Step.SCORE) is Step.SCORE
    again = pipeline.run(uid, [Step.SCORE]).run
    assert again is not None
    assert again.run_uid != run.run_uid
    assert {result.task_id: result.verdict for result in again.results}["device"] is Verdict.PRESENT
