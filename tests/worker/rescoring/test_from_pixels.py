"""Where the model that embeds is another, the pixels are read once more, and nothing else of the study changes."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.steps import Step
from db.lifecycle.retention import begin_removing_pixels
from db.rescoring.outdated import Wanted
from db.results.embeddings import embeddings_of_many
from db.states import RescoredState, StudyState
from tests.support.clips import SMALL
from tests.support.scored_archive import ScoredArchive
from tests.worker.pipeline import Pipeline, ready
from worker.rescoring.pixels import studies_without_pixels
from worker.rescoring.target import target_of
from worker.rescoring.working import Stopped


@pytest.fixture
def study(archive: ScoredArchive) -> str:
    pipeline = Pipeline(archive.context)
    uid = ready(pipeline, SMALL)
    pipeline.run(uid, [Step.PREPARE, Step.SCORE])
    for clip in pipeline.detail(uid).clips:
        archive.context.spool.absolute(str(clip.tensor_path)).unlink()
    archive.set_state(uid, StudyState.DELIVERED)
    return uid


def test_another_embedder_reads_the_same_frames_and_keeps_what_it_makes(archive: ScoredArchive, study: str) -> None:
    before = archive.run(study)
    archive.use_model(digest="1" * 64, embedder="f" * 64)
    batch_id = archive.begin()
    assert batch_id is not None
    assert archive.work(batch_id) is Stopped.WAITS
    row = archive.outcomes(batch_id)[study]
    assert (row.state, row.scored_from) == (RescoredState.SCORED, "pixels")
    assert archive.run(study) == before
    new = archive.runs(study)[-1]
    assert [clip.frame_numbers for clip in new.clips] == [clip.frame_numbers for clip in before.clips]
    assert {result.method for result in new.results if result.method} == {"zero-shot, kept embeddings"}
    revisions = {archive.id_of(study): 1}
    with archive.context.database.read() as session:
        kept = [embeddings_of_many(session, revisions, embedder=letter * 64) for letter in "ef"]
    assert all(kept)
    # The same towers, the same frames: but for half precision, which the first run had not been through.
    for one, other in zip(before.results, new.results, strict=True):
        if one.score is not None:
            assert other.score == pytest.approx(one.score, abs=1e-3)


def test_pixels_that_are_gone_are_no_loss_where_the_embedder_is_the_same(archive: ScoredArchive, study: str) -> None:
    for file in Path(archive.context.spool.root).rglob("*.dcm"):
        file.unlink()
    archive.use_model(digest="1" * 64, allowed=False)
    batch_id = archive.begin()
    assert batch_id is not None
    archive.work(batch_id)
    assert archive.outcomes(batch_id)[study].scored_from == "embeddings"


def test_pixels_that_were_removed_are_counted_as_gone(archive: ScoredArchive, study: str) -> None:
    archive.use_model(digest="1" * 64, embedder="f" * 64)
    context, wanted = archive.context, Wanted()
    target = target_of(context.scorer, context.catalogue, "")
    assert studies_without_pixels(context, target, wanted) == 0
    with context.database.write() as session:
        begin_removing_pixels(session, archive.id_of(study), now=datetime.now(UTC))
    assert studies_without_pixels(context, target, wanted) == 1, "its file is there yet, and is to go"
