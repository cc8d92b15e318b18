"""New answers become current only when somebody decides, and a report goes out only for what is configured."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest

from config.sections.report_objects import ReportObject
from config.steps import Step
from db.rescoring.batches import decide_to_adopt
from db.results.recording import repeat_current_run
from db.results.reports import BuiltReport, add_report
from db.results.runs import Verdict
from db.states import BatchState, DeliveryState, RescoredState, StudyState
from db.tables.deliveries import Delivery
from tests.support.clips import SMALL
from tests.support.scored_archive import ScoredArchive, Thresholds
from tests.worker.pipeline import TO_REPORT, Pipeline, ready
from worker.rescoring.working import Stopped

ALWAYS = Thresholds("c" * 64, {"tavr": -1.0})
"""Every study gets a valve: an answer that was none before."""


def answered(archive: ScoredArchive) -> int:
    archive.use_model(calibration=ALWAYS)
    batch_id = archive.begin()
    assert batch_id is not None
    assert archive.work(batch_id) in (Stopped.WAITS, Stopped.OVER)
    return batch_id


def adopt(archive: ScoredArchive, batch_id: int) -> Stopped:
    with archive.context.database.write() as session:
        decide_to_adopt(session, batch_id, now=datetime.now(UTC))
    return archive.work(batch_id)


def test_the_report_on_a_batch_says_how_many_answers_change_and_from_what_to_what(archive: ScoredArchive) -> None:
    for _ in range(3):
        archive.add()
    report = archive.batch(answered(archive)).report
    assert report is not None
    tasks = report["tasks"]
    assert tasks["tavr"]["turns"] == [["UNCALIBRATED", "PRESENT", 3]]
    assert tasks["tavr"]["moved"]["median"] == pytest.approx(0)
    assert tasks["lvef"]["answers_changed"] == 0
    assert (report["studies"], report["studies_with_other_answers"]) == (3, 3)
    assert report["answers_changed"] == report["values_changed"] == 3


def test_what_is_adopted_is_current_and_no_report_goes_out_by_default(archive_on_either: ScoredArchive) -> None:
    archive = archive_on_either
    uid, skipped = archive.add(), archive.add(state=StudyState.SKIPPED)
    batch_id = answered(archive)
    assert adopt(archive, batch_id) is Stopped.OVER
    assert archive.batch(batch_id).state == BatchState.ADOPTED
    for study, state in ((uid, "DELIVERED"), (skipped, "SKIPPED")):
        row = archive.outcomes(batch_id)[study]
        assert (row.state, row.report_again) == (RescoredState.ADOPTED, False)
        assert archive.is_current(study, row.run_id)
        assert archive.state_of(study) == state
        assert {r.task_id: r.verdict for r in archive.run(study).results}["tavr"] is Verdict.PRESENT
        assert "no report goes out" in str(Pipeline(archive.context).detail(study).journal[-1].reason)
    assert archive.begin() is None


@pytest.mark.parametrize(
    ("report_again", "state"),
    [
        ({"answers": True}, "SCORED"),
        ({"values": {"tavr": 0.5}}, "DELIVERED"),
        ({"answers": False, "values": {"lvef": 0.0}}, "DELIVERED"),
    ],
)
def test_a_superseding_report_is_due_only_past_a_configured_change(
    tmp_path: Path, report_again: dict[str, Any], state: str
) -> None:
    archive = ScoredArchive(tmp_path, rescore={"report_again": report_again})
    uid = archive.add()
    batch_id = answered(archive)
    adopt(archive, batch_id)
    assert archive.state_of(uid) == state
    assert archive.outcomes(batch_id)[uid].report_again is (state == "SCORED")


def test_reports_trickle_out_and_each_study_has_one(tmp_path: Path) -> None:
    archive = ScoredArchive(tmp_path, rescore={"report_again": {"answers": True}, "portion": 2})
    studies = [archive.add(clips=1) for _ in range(3)]
    batch_id = answered(archive)
    assert adopt(archive, batch_id) is Stopped.REPORTS
    assert sorted(map(archive.state_of, studies)) == ["DELIVERED", "SCORED", "SCORED"]
    for uid in studies:
        archive.set_state(uid, StudyState.DELIVERED)  # the steps report and deliver
    assert archive.work(batch_id) is Stopped.REPORTS
    for uid in studies:
        archive.set_state(uid, StudyState.DELIVERED)
    assert archive.work(batch_id) is Stopped.OVER
    assert adopt(archive, batch_id) is Stopped.OVER
    assert [archive.state_of(uid) for uid in studies] == ["DELIVERED"] * 3


def test_a_study_that_has_other_results_by_now_keeps_them(archive: ScoredArchive) -> None:
    uid, on_its_way = archive.add(), archive.add()
    batch_id = answered(archive)
    archive.score_again(uid)
    mine = archive.run(uid)
    archive.set_state(uid, StudyState.DELIVERED)
    archive.set_state(on_its_way, StudyState.RECEIVING)
    adopt(archive, batch_id)
    rows = archive.outcomes(batch_id)
    assert (rows[uid].state, rows[on_its_way].state) == (RescoredState.LEFT, RescoredState.LEFT)
    assert "it has other results by now" in str(rows[uid].reason)
    assert archive.run(uid) == mine
    # What was left as it was on its way is adopted the next time.
    archive.set_state(on_its_way, StudyState.DELIVERED)
    adopt(archive, batch_id)
    assert archive.outcomes(batch_id)[on_its_way].state == RescoredState.ADOPTED


def test_a_run_that_only_repeats_the_one_before_does_not_stand_in_the_way(archive: ScoredArchive) -> None:
    uid = archive.add()
    batch_id = answered(archive)
    with archive.context.database.write() as session:
        repeat_current_run(session, study_id=archive.id_of(uid), run_uid="a repeat", at=datetime.now(UTC))
    adopt(archive, batch_id)
    assert archive.outcomes(batch_id)[uid].state == RescoredState.ADOPTED


@pytest.mark.parametrize(("is_reported", "state"), [(False, "DELIVERED"), (True, "SCORED")])
def test_a_change_is_measured_against_what_was_reported_last(tmp_path: Path, is_reported: bool, state: str) -> None:
    archive = ScoredArchive(tmp_path, rescore={"report_again": {"answers": True}})
    uid = archive.add()
    if is_reported:
        report = BuiltReport(
            kind=ReportObject.SR,
            sop_instance_uid="1.2.3",
            sop_class_uid="1.2",
            spool_path="a report",
            sha256="0" * 64,
            created_at=datetime.now(UTC),
        )
        with archive.context.database.write() as session:
            add_report(session, study_id=archive.id_of(uid), run_uid=archive.run(uid).run_uid, report=report)
    # Other answers became current without a report; those of the batch are the same once more.
    archive.use_model(calibration=Thresholds("d" * 64, ALWAYS.of))
    archive.score_again(uid)
    archive.set_state(uid, StudyState.DELIVERED)
    adopt(archive, answered(archive))
    assert archive.state_of(uid) == state


def test_a_superseding_report_names_the_one_before_and_is_built_once(tmp_path: Path) -> None:
    archive = ScoredArchive(tmp_path, rescore={"report_again": {"answers": True}})
    pipeline = Pipeline(archive.context)
    uid = ready(pipeline, SMALL)
    first = pipeline.run(uid, TO_REPORT).report
    assert first is not None
    with archive.context.database.write() as session:
        session.add(Delivery(report_id=first.id, destination="pacs", state=DeliveryState.DELIVERED, attempts=1))
    archive.set_state(uid, StudyState.DELIVERED)
    batch_id = answered(archive)
    adopt(archive, batch_id)
    second = pipeline.run(uid, [Step.REPORT]).report
    assert second is not None
    document = pydicom.dcmread(archive.context.spool.absolute(second.spool_path))
    (before,) = document.PredecessorDocumentsSequence
    named = before.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert named == first.sop_instance_uid != second.sop_instance_uid
    archive.set_state(uid, StudyState.DELIVERED)
    adopt(archive, batch_id)
    assert archive.state_of(uid) == "DELIVERED"


@pytest.mark.parametrize(("at_most", "state"), [(0.01, BatchState.SCORED), (0.5, BatchState.ADOPTED)])
def test_a_batch_is_adopted_automatically_only_where_little_changes(
    tmp_path: Path, at_most: float, state: BatchState
) -> None:
    archive = ScoredArchive(tmp_path, rescore={"adopt": "automatic", "adopt_at_most_changed": at_most})
    archive.add()
    batch = archive.batch(answered(archive))
    assert batch.state == state
    assert (batch.reason is None) is (state is BatchState.ADOPTED)
