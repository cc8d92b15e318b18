"""What is known of each clip of a study, on both databases."""

from dataclasses import replace
from datetime import datetime

import pytest
import sqlalchemy as sa
from alembic import command

from config.labels import ModelLabel
from config.reasons import Named, Reason, ReasonKind
from db.migrating import alembic_config
from db.results.recording import PreparedClip, append_run, current_run, prepared_clips, record_views, replace_clips
from db.results.runs import ClipEvidence, JudgedClip, LeftOutClip, ModelIdentity, Run, TaskResult, Verdict, ViewCall
from db.session import Database
from db.tables.pictures import Clip

PREPARED = PreparedClip(
    sop_instance_uid="1.1",
    tensor_path="tensors/1.1.npy",
    frame_numbers=(1, 3),
    preprocessing_profile="fast",
    notes=("odd",),
    frame_times_ms=(0.0, 66.7),
    time_origin="Frame Time",
    heart_rate=61.5,
    region={"left": 1, "top": 2, "right": 30, "bottom": 40},
    region_origin="machine",
    pixel_spacing_mm=(0.2, 0.3),
    contents=("COLOUR_DOPPLER", "TISSUE"),
)
SKIPPED = PreparedClip(sop_instance_uid="1.2", skip_reason="a still image")
LUNG = Reason(ReasonKind.NO_HEART, view=Named("view", "lung", "lung or pleura"))
CALL = ViewCall(view="lung", name="lung or pleura", is_heart=False, score=0.3, margin=0.1)


@pytest.fixture
def run(now: datetime) -> Run:
    return Run(
        run_uid="11111111-2222-3333-4444-555555555555",
        study_instance_uid="1.2.1",
        revision=1,
        model=ModelIdentity(name="m", version="1", family="f", label=ModelLabel.RESEARCH, digest="0" * 64),
        catalogue_digest="0" * 64,
        software_version="1",
        preprocessing_profile="fast",
        finished_at=now,
        clips=(
            ClipEvidence(sop_instance_uid="1.1", frame_numbers=(1, 3), view=replace(CALL, is_heart=None)),
            ClipEvidence(sop_instance_uid="1.3", frame_numbers=(1,)),
        ),
        results=(),
        left_out=(
            LeftOutClip(sop_instance_uid="1.2", reason="a still image"),
            LeftOutClip(sop_instance_uid="1.4", reason="the model sees no heart", view=CALL),
        ),
        view_gate="skip: prompts, margin 0.05",
    )


def test_what_prepare_found_is_read_back_as_it_was(registry: Database, ready_study: int) -> None:
    with registry.write() as session:
        replace_clips(session, study_id=ready_study, revision=1, clips=[PREPARED, SKIPPED])
    with registry.read() as session:
        assert prepared_clips(session, study_id=ready_study, revision=1) == [PREPARED, SKIPPED]
        assert prepared_clips(session, study_id=ready_study, revision=2) == []


def test_what_is_not_known_of_a_clip_is_null_to_sql(registry: Database, ready_study: int) -> None:
    with registry.write() as session:
        replace_clips(session, study_id=ready_study, revision=1, clips=[PREPARED, SKIPPED])
    unknown = [
        column.is_(None)
        for column in (
            Clip.frame_times_ms,
            Clip.region,
            Clip.pixel_spacing_mm,
            Clip.contents,
            Clip.heart_rate,
            Clip.view,
        )
    ]
    with registry.read() as session:
        assert session.scalars(sa.select(Clip.sop_instance_uid).where(*unknown)).all() == ["1.2"]


def test_a_view_is_written_beside_its_clip_and_replaced_by_the_next_scoring(
    registry: Database, ready_study: int
) -> None:
    with registry.write() as session:
        replace_clips(session, study_id=ready_study, revision=1, clips=[PREPARED, SKIPPED])
        left_out = JudgedClip(sop_instance_uid="1.1", call=CALL, skip_reason="the model sees no heart")
        record_views(session, study_id=ready_study, revision=1, clips=[left_out])
    with registry.read() as session:
        clip, skipped = session.scalars(sa.select(Clip).order_by(Clip.id))
        assert (clip.view, clip.view_score, clip.view_margin) == ("lung", 0.3, 0.1)
        assert clip.skip_reason == "the model sees no heart"
        assert (skipped.view, skipped.skip_reason) == (None, "a still image")
        assert prepared_clips(session, study_id=ready_study, revision=1) == [PREPARED, SKIPPED], "judged anew"
    with registry.write() as session:
        unjudged = JudgedClip(sop_instance_uid="1.1", note="not judged")
        record_views(session, study_id=ready_study, revision=1, clips=[unjudged])
    with registry.read() as session:
        clip, _ = session.scalars(sa.select(Clip).order_by(Clip.id))
        assert (clip.view, clip.view_score, clip.view_margin, clip.skip_reason) == (None, None, None, None)
        assert clip.view_note == "not judged"


def test_a_run_keeps_what_it_left_out_and_how_it_judged(registry: Database, ready_study: int, run: Run) -> None:
    with registry.write() as session:
        append_run(session, study_id=ready_study, run=run, units={})
    with registry.read() as session:
        assert current_run(session, study_id=ready_study, study_instance_uid="1.2.1") == run


def test_reasons_keep_what_they_are_made_of(registry: Database, ready_study: int, run: Run) -> None:
    """A report in another language is made from it; SQL shows the sentence."""
    skipped = replace(SKIPPED, skip_reason=Reason(ReasonKind.TOO_SHORT, frames=3, needed=8))
    result = TaskResult(task_id="lvef", verdict=Verdict.ABSTAINED, reason=Reason(ReasonKind.NO_CLIP))
    left_out = (LeftOutClip(sop_instance_uid="1.4", reason=LUNG, view=CALL),)
    with registry.write() as session:
        replace_clips(session, study_id=ready_study, revision=1, clips=[skipped])
        append_run(session, study_id=ready_study, run=replace(run, results=(result,), left_out=left_out), units={})
    with registry.read() as session:
        (clip,) = prepared_clips(session, study_id=ready_study, revision=1)
        kept = current_run(session, study_id=ready_study, study_instance_uid="1.2.1")
        assert session.scalars(sa.text("SELECT skip_reason FROM clips")).one().startswith("too short: 3 frames")
        assert session.scalars(sa.text("SELECT reason FROM results")).one() == "no usable clip"
    assert kept is not None
    for reason, made in (
        (clip.skip_reason, skipped.skip_reason),
        (kept.results[0].reason, result.reason),
        (kept.left_out[0].reason, LUNG),
    ):
        assert isinstance(reason, Reason)
        assert isinstance(made, Reason)
        assert (reason.kind, reason.filled) == (made.kind, made.filled)


def test_runs_and_clips_from_before_the_gate_are_kept_without_its_columns(
    registry: Database, registry_url: str, ready_study: int, run: Run
) -> None:
    engine = sa.create_engine(registry_url)
    with registry.write() as session:
        replace_clips(session, study_id=ready_study, revision=1, clips=[PREPARED])
        append_run(session, study_id=ready_study, run=run, units={})
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0003")
        old = '[{"sop_instance_uid": "1.1", "frame_numbers": [1, 3]}]'  # as earlier versions wrote it
        connection.execute(sa.text("UPDATE runs SET clips = :old"), {"old": old})
        assert "view" not in {column["name"] for column in sa.inspect(connection).get_columns("clips")}
    engine.dispose()
    registry.upgrade()
    with registry.read() as session:
        kept = current_run(session, study_id=ready_study, study_instance_uid="1.2.1")
        (clip,) = prepared_clips(session, study_id=ready_study, revision=1)
    without = ClipEvidence(sop_instance_uid="1.1", frame_numbers=(1, 3))
    assert kept == replace(run, clips=(without,), left_out=(), view_gate=None)
    assert (clip.frame_numbers, clip.notes, clip.frame_times_ms, clip.region) == ((1, 3), ("odd",), None, None)
