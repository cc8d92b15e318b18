"""The write side of what the steps make of pictures: clips, and runs with their results.

Called inside `db.working.leases.completing`, so that what a step made and the study's new state are one transaction.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from config.reasons import reason_of, terms_of
from db.results.run_rows import row_of, run_of
from db.results.runs import JudgedClip, Run
from db.tables.pictures import Clip
from db.tables.runs import CurrentRun, RunRow


@dataclass(frozen=True, kw_only=True)
class PreparedClip:
    """What `prepare` made of one instance: a tensor in the spool, or the reason why there is none.

    The facts of the picture, below, are None where they are not known.
    """

    sop_instance_uid: str
    tensor_path: str | None = None
    """Relative to the spool: uint8 [T,224,224,3] as .npy."""
    frame_numbers: tuple[int, ...] = ()
    preprocessing_profile: str | None = None
    notes: tuple[str, ...] = ()
    skip_reason: str | None = None
    frame_times_ms: tuple[float, ...] | None = None
    """When each of `frame_numbers` was taken, in milliseconds from the first frame of the instance."""
    time_origin: str | None = None
    heart_rate: float | None = None
    """Beats a minute."""
    region: dict[str, int] | None = None
    """left, top, right, bottom, in pixels; right and bottom are one past the last."""
    region_origin: str | None = None
    pixel_spacing_mm: tuple[float, float] | None = None
    """Vertical, horizontal."""
    contents: tuple[str, ...] | None = None


def replace_clips(session: Session, *, study_id: int, revision: int, clips: Iterable[PreparedClip]) -> None:
    """Write what `prepare` made of this revision; an earlier outcome of the same revision is replaced."""
    session.execute(delete(Clip).where(Clip.study_id == study_id, Clip.revision == revision))
    for clip in clips:
        columns = {name: list(fact) if isinstance(fact, tuple) else fact for name, fact in vars(clip).items()}
        columns["skip_reason_terms"] = terms_of(clip.skip_reason)
        session.add(Clip(study_id=study_id, revision=revision, **columns))


def prepared_clips(session: Session, *, study_id: int, revision: int) -> list[PreparedClip]:
    """What `prepare` made of this revision, in the order of its instances.

    A clip that has a tensor is to be scored: what an earlier scoring said against it is judged anew.
    """
    return [
        PreparedClip(
            **_sampled(row),
            notes=tuple(row.notes),
            frame_times_ms=_tuple(row.frame_times_ms),
            time_origin=row.time_origin,
            heart_rate=row.heart_rate,
            region=row.region,
            region_origin=row.region_origin,
            pixel_spacing_mm=_tuple(row.pixel_spacing_mm),
            contents=_tuple(row.contents),
        )
        for row in _clip_rows(session, study_id, revision)
    ]


def sampled_clips(session: Session, revisions: Mapping[int, int]) -> dict[int, list[PreparedClip]]:
    """The same of many studies, by their numbers in the registry, each of this revision; without facts of the picture.

    For who answers many from what is kept of their frames: one query, and no object of the registry for a row.
    """
    columns = ("study_id", "revision", *_SAMPLED, "skip_reason", "skip_reason_terms")
    rows = session.execute(
        select(*(Clip.__table__.c[name] for name in columns)).where(Clip.study_id.in_(revisions)).order_by(Clip.id)
    )
    clips: dict[int, list[PreparedClip]] = {study_id: [] for study_id in revisions}
    for row in rows:
        if row.revision == revisions[row.study_id]:
            clips[row.study_id].append(PreparedClip(**_sampled(row)))
    return clips


def record_views(session: Session, *, study_id: int, revision: int, clips: Iterable[JudgedClip]) -> None:
    """Write beside each scored clip of this revision what the view gate made of it, in place of what it said before."""
    judged = {clip.sop_instance_uid: clip for clip in clips}
    for row in _clip_rows(session, study_id, revision):
        clip = judged.get(row.sop_instance_uid)
        if clip is not None:
            row.view = clip.call.view if clip.call else None
            row.view_score = clip.call.score if clip.call else None
            row.view_margin = clip.call.margin if clip.call else None
            row.view_note = clip.note
            row.skip_reason = clip.skip_reason


def append_run(session: Session, *, study_id: int, run: Run, units: Mapping[str, str]) -> None:
    """Append a run with its results and point the study's current results at it.

    `units` gives the UCUM code of each regression task, so that a row of SQL explains itself.
    """
    row = row_of(run, study_id=study_id, units=units)
    session.add(row)
    session.flush()
    set_current_run(session, study_id=study_id, run_id=row.id)


def set_current_run(session: Session, *, study_id: int, run_id: int) -> None:
    """Point the study's current results at a run of it."""
    session.merge(CurrentRun(study_id=study_id, run_id=run_id))


def repeat_current_run(session: Session, *, study_id: int, run_uid: str, at: datetime) -> None:
    """Append the study's current run once more, ended now and under this UID, and point the current results at it."""
    query = select(RunRow).join(CurrentRun, CurrentRun.run_id == RunRow.id).where(CurrentRun.study_id == study_id)
    row = session.scalars(query).one()
    before = run_of(row, "")
    units = {result.task_id: result.unit for result in row.results if result.unit is not None}
    again = replace(before, run_uid=run_uid, finished_at=at, repeats=before.scored_as)
    append_run(session, study_id=study_id, run=again, units=units)


def current_run(session: Session, *, study_id: int, study_instance_uid: str) -> Run | None:
    """The run that the study's current results come from; None before the first."""
    row = session.scalar(
        select(RunRow).join(CurrentRun, CurrentRun.run_id == RunRow.id).where(CurrentRun.study_id == study_id)
    )
    return None if row is None else run_of(row, study_instance_uid)


def _clip_rows(session: Session, study_id: int, revision: int) -> Iterable[Clip]:
    of_revision = select(Clip).where(Clip.study_id == study_id, Clip.revision == revision)
    return session.scalars(of_revision.order_by(Clip.id))


_SAMPLED = ("sop_instance_uid", "tensor_path", "frame_numbers", "preprocessing_profile")


def _sampled(row: Any) -> dict[str, Any]:
    """Of a row of `clips` what names the clip and its frames, or says why there are none."""
    return {
        "sop_instance_uid": row.sop_instance_uid,
        "tensor_path": row.tensor_path,
        "frame_numbers": tuple(row.frame_numbers),
        "preprocessing_profile": row.preprocessing_profile,
        "skip_reason": reason_of(row.skip_reason, row.skip_reason_terms) if row.tensor_path is None else None,
    }


def _tuple(fact: list[Any] | None) -> tuple[Any, ...] | None:
    return None if fact is None else tuple(fact)
