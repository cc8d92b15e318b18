"""Outdated results are answered anew: beside the current ones, once, and behind whatever is fresh."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from config.errors import RegistryError, SpoolFullError
from db.monitoring.clocks import bring_back
from db.rescoring.batches import claim_batch, decide_to_adopt, discard, go_on_after_canary, set_paused, stands_still
from db.rescoring.outdated import Wanted, outlook
from db.rescoring.rescored import has_counted, outcomes_of
from db.results.recording import repeat_current_run
from db.states import BatchKind, BatchState, RescoredState, StudyState
from db.tables.rescoring import Rescoring
from db.tables.runs import RunRow
from tests.support.scored_archive import ScoredArchive, Thresholds
from worker.rescoring import answering, working
from worker.rescoring.target import target_of
from worker.rescoring.working import Stopped

CALIBRATED = Thresholds("c" * 64, {"tavr": 0.0, "mitraclip": 0.0, "impella": -1.0})


def test_new_answers_are_those_of_the_score_step_from_what_is_kept_and_nothing_becomes_current(
    archive_on_either: ScoredArchive,
) -> None:
    archive = archive_on_either
    studies = [archive.add(clips=number) for number in (1, 2, 3)]
    before = {uid: archive.run(uid) for uid in studies}
    archive.use_model(calibration=CALIBRATED, allowed=False)
    batch_id = archive.begin()
    assert batch_id is not None
    assert archive.work(batch_id) is Stopped.WAITS
    assert archive.batch(batch_id).state == BatchState.SCORED
    for uid in studies:
        assert archive.run(uid) == before[uid]
        first, second = archive.runs(uid)
        assert first == before[uid]
        assert archive.state_of(uid) == "DELIVERED"
        assert second.calibration_digest == CALIBRATED.digest
        assert archive.outcomes(batch_id)[uid].scored_from == "embeddings"
        ordinary = archive.score_again(uid)
        assert (second.results, second.clips, second.left_out) == (ordinary.results, ordinary.clips, ordinary.left_out)
        assert second.results != first.results


def test_what_is_outdated_is_told_without_doing_anything(archive: ScoredArchive) -> None:
    archive.add()
    archive.add(state=StudyState.READY)  # on its way: what scores today answers it
    assert archive.begin() is None
    archive.use_model(digest="1" * 64, embedder="f" * 64)
    target = target_of(archive.context.scorer, archive.context.catalogue, "")
    with archive.context.database.read() as session:
        found = outlook(session, target, Wanted())
        late = outlook(session, target, Wanted(since=datetime.now(UTC)))
    assert (found.studies, found.from_embeddings, found.because) == (1, 0, {"model": 1})
    assert late.studies == 0


def test_what_one_batch_has_is_in_no_second_one_unless_it_is_discarded(archive: ScoredArchive) -> None:
    archive.add()
    archive.use_model(calibration=CALIBRATED)
    first = archive.begin()
    assert first is not None
    archive.work(first)
    assert archive.begin() is None
    with archive.context.database.write() as session:
        repeat_current_run(session, study_id=1, run_uid="a repeat", at=datetime.now(UTC))
    assert archive.begin() is None, "these are the same results, for the sake of another report"
    with archive.context.database.write() as session:
        discard(session, first, now=datetime.now(UTC), reason="a test")
    assert archive.begin() is not None


def test_the_canary_comes_first_and_the_others_only_when_somebody_says_so(archive_on_either: ScoredArchive) -> None:
    archive = archive_on_either
    studies = [archive.add(clips=1) for _ in range(5)]
    archive.use_model(calibration=CALIBRATED)
    batch_id = archive.begin(canary=2)
    assert batch_id is not None
    assert archive.work() is Stopped.WAITS
    batch = archive.batch(batch_id)
    assert (batch.state, batch.report and batch.report["studies"]) == (BatchState.CANARY, 2)
    assert archive.work() is Stopped.NOBODY_TO_WORK_ON
    with archive.context.database.write() as session:
        with pytest.raises(RegistryError, match="it can be adopted once it is SCORED"):
            decide_to_adopt(session, batch_id, now=datetime.now(UTC))
        go_on_after_canary(session, batch_id, now=datetime.now(UTC))
    assert archive.work() is Stopped.WAITS
    assert {row.state for row in archive.outcomes(batch_id).values()} == {RescoredState.SCORED}
    assert [len(archive.runs(uid)) for uid in studies] == [2] * 5


def test_who_stops_or_is_killed_leaves_what_is_done_and_the_next_goes_on_from_there(archive: ScoredArchive) -> None:
    one_by_one = archive.context.settings.rescore.model_copy(update={"portion": 1})
    archive.context.settings = archive.context.settings.model_copy(update={"rescore": one_by_one})
    studies = [archive.add(clips=1) for _ in range(4)]
    archive.use_model(calibration=CALIBRATED)
    batch_id = archive.begin()
    assert batch_id is not None
    assert archive.work(batch_id, portions=2) is Stopped.ASKED_TO
    with archive.context.database.read() as session:
        done = outcomes_of(session, batch_id)
    assert 0 < done[RescoredState.SCORED] < 4
    # As if it had been killed: its lease runs out, and only then somebody else may have it.
    now = datetime.now(UTC)
    with archive.context.database.write() as session:
        assert claim_batch(session, now=now, pipeline=archive.context.settings.pipeline) is not None
    assert archive.work(batch_id) is Stopped.NOBODY_TO_WORK_ON
    with archive.context.database.write() as session:
        session.execute(update(Rescoring).values(lease_expires_at=now - timedelta(seconds=1)))
    assert archive.work(batch_id) is Stopped.WAITS
    assert [len(archive.runs(uid)) for uid in studies] == [2] * 4


def test_what_a_batch_stood_still_for_is_forgotten_once_it_goes_on(
    archive: ScoredArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_by_one = archive.context.settings.rescore.model_copy(update={"portion": 1})
    archive.context.settings = archive.context.settings.model_copy(update={"rescore": one_by_one})
    for _ in range(3):
        archive.add(clips=1)
    archive.use_model(calibration=CALIBRATED)
    batch_id = archive.begin()
    assert batch_id is not None

    def disk_low(*_: object, **__: object) -> None:
        raise SpoolFullError("the disk is low")

    for state, part in ((BatchState.RUNNING, "answer_portion"), (BatchState.ADOPTING, "adopt_portion")):
        with monkeypatch.context() as low:
            low.setattr(working, part, disk_low)
            with pytest.raises(SpoolFullError):
                archive.work(batch_id)
        assert stands_still(archive.batch(batch_id))
        assert archive.work(batch_id, portions=1) is Stopped.ASKED_TO
        batch = archive.batch(batch_id)
        assert (batch.state, batch.reason) == (state, None)
        archive.work(batch_id)
        if state is BatchState.RUNNING:
            with archive.context.database.write() as session:
                decide_to_adopt(session, batch_id, now=datetime.now(UTC))


def test_a_lease_by_a_clock_that_was_ahead_runs_out_all_the_same(archive: ScoredArchive) -> None:
    archive.add()
    archive.use_model(calibration=CALIBRATED)
    batch_id = archive.begin()
    now, settings = datetime.now(UTC), archive.context.settings
    with archive.context.database.write() as session:
        ahead = claim_batch(session, now=now + timedelta(days=1), pipeline=settings.pipeline, batch_id=batch_id)
        assert ahead is not None
        assert bring_back(session, settings, now=now) == 1
        assert bring_back(session, settings, now=now) == 0
    later = now + timedelta(seconds=settings.pipeline.lease_s + 1)
    with archive.context.database.write() as session:
        assert claim_batch(session, now=later, pipeline=settings.pipeline, batch_id=batch_id) is not None


def test_a_portion_is_written_whole_or_not_at_all(archive: ScoredArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    studies = [archive.add(clips=1) for _ in range(3)]
    archive.use_model(calibration=CALIBRATED)
    batch_id = archive.begin()
    assert batch_id is not None
    with monkeypatch.context() as killed:
        killed.setattr(answering, "record_outcomes", _dies)
        with pytest.raises(ZeroDivisionError):
            archive.work(batch_id)
    assert [len(archive.runs(uid)) for uid in studies] == [1] * 3
    assert "ZeroDivisionError" in str(archive.batch(batch_id).reason)
    assert archive.work(batch_id) is Stopped.WAITS
    assert [len(archive.runs(uid)) for uid in studies] == [2] * 3
    assert archive.batch(batch_id).reason is None


def _dies(*_: object) -> None:
    raise ZeroDivisionError


def test_fresh_studies_go_first_and_a_pause_holds(archive: ScoredArchive) -> None:
    archive.add()
    fresh = archive.add(state=StudyState.READY)
    archive.use_model(calibration=CALIBRATED)
    batch_id = archive.begin()
    assert batch_id is not None
    assert archive.work(batch_id) is Stopped.FRESH_STUDIES
    archive.set_state(fresh, StudyState.DELIVERED)
    with archive.context.database.write() as session:
        set_paused(session, batch_id, paused=True, by="somebody")
    assert archive.work(batch_id) is Stopped.NOBODY_TO_WORK_ON
    with archive.context.database.read() as session:
        assert outcomes_of(session, batch_id) == {RescoredState.DUE: 1}
    with archive.context.database.write() as session:
        set_paused(session, batch_id, paused=False, by="somebody")
    assert archive.work(batch_id) is Stopped.WAITS


def test_a_study_that_went_on_its_way_meanwhile_is_passed_over(archive: ScoredArchive) -> None:
    uid = archive.add()
    archive.use_model(calibration=CALIBRATED)
    batch_id = archive.begin()
    assert batch_id is not None
    archive.set_state(uid, StudyState.RECEIVING)
    assert archive.work(batch_id) is Stopped.WAITS
    assert archive.outcomes(batch_id)[uid].state == RescoredState.PASSED_OVER
    assert len(archive.runs(uid)) == 1


def test_a_batch_is_of_one_model_and_ends_where_another_is_active_by_now(archive: ScoredArchive) -> None:
    archive.add()
    archive.use_model(calibration=CALIBRATED)
    batch_id = archive.begin()
    assert batch_id is not None
    archive.use_model(digest="9" * 64)
    assert archive.work(batch_id) is Stopped.OVER
    batch = archive.batch(batch_id)
    assert batch.state == BatchState.DISCARDED
    assert "begun with another" in str(batch.reason)


def test_without_embeddings_and_without_pixels_a_study_cannot_be_answered_and_says_so(archive: ScoredArchive) -> None:
    uid = archive.add()
    archive.use_model(digest="1" * 64, embedder="f" * 64)
    batch_id = archive.begin()
    assert batch_id is not None
    assert archive.work(batch_id) is Stopped.WAITS
    row = archive.outcomes(batch_id)[uid]
    assert row.state == RescoredState.CANNOT
    assert row.reason == "neither embeddings of this model nor all of the pixels are there"
    assert archive.begin() is None
    assert archive.begin(try_again=True) is not None


def test_a_shadow_is_compared_and_never_counts(archive: ScoredArchive) -> None:
    studies = [archive.add() for _ in range(3)]
    archive.context.chosen = archive.model(digest="5" * 64, calibration=CALIBRATED)
    batch_id = archive.begin(kind=BatchKind.SHADOW)
    assert batch_id is not None
    assert archive.work(batch_id) is Stopped.WAITS
    report = archive.batch(batch_id).report
    assert report is not None
    assert report["studies"] == 3
    assert report["tasks"]["lvef"]["both_have_numbers"] == 3
    assert report["tasks"]["lvef"]["mean_difference"] == pytest.approx(0)
    with (
        archive.context.database.write() as session,
        pytest.raises(RegistryError, match="is a shadow: what it says never becomes current"),
    ):
        decide_to_adopt(session, batch_id, now=datetime.now(UTC))
    with archive.context.database.read() as session:
        counted = session.scalars(select(RunRow.model_digest).where(has_counted(RunRow, datetime.now(UTC)))).all()
    assert counted == ["0" * 64] * len(studies)
