"""READY -> PREPARED: every instance of the study becomes a clip for the model, or a reason why not."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from sqlalchemy.orm import Session

from config.errors import ClipError
from config.reasons import Reason, ReasonKind, counted
from config.sections.rules import Action
from config.whole_files import write_durably
from db.reading.queries import rules_of, spool_paths_of
from db.results.embeddings import forget_embeddings
from db.results.recording import PreparedClip, replace_clips
from db.tables.studies import Study
from db.working.leases import Claim
from worker.context import WorkerContext
from worker.pixels.clip import read_clip
from worker.steps.outcome import Outcome


def prepare_study(context: WorkerContext, held: Claim) -> Outcome:
    """Read the sampled frames of each clip into a uint8 tensor file in the spool.

    Raises
    ------
    SpoolFullError
        The disk has no room for them.
    SpoolAwayError
        None of the instances is there, nor the spool itself.
    """
    with context.database.read() as session:
        instances = spool_paths_of(session, held.study_id, action=Action.SCORE)
        rules = rules_of(session, held.study_id)
    context.spool.require_room()
    # A folder for each claim: a worker that lost its lease and goes on cannot touch what another has prepared.
    folder = context.spool.tensor_folder(held.study_instance_uid, held.revision) / held.token
    try:
        with ThreadPoolExecutor(context.settings.pixels.threads or os.cpu_count()) as pool:
            prepare = partial(prepare_clip, context, folder)
            clips = list(pool.map(prepare, instances.keys(), instances.values()))
    except Exception:
        # The next attempt has a folder of its own: with a bucket away for a night, these would fill the disk.
        shutil.rmtree(folder, ignore_errors=True)
        raise

    outdated: list[str] = []

    def record(session: Session, study: Study) -> None:
        replace_clips(session, study_id=study.id, revision=held.revision, clips=clips)
        # Whoever has it prepared again wants it read again, whatever the model made of the frames before.
        outdated.extend(forget_embeddings(session, study_id=study.id, revision=held.revision))

    def forget_what_was_before() -> None:
        for path in outdated:
            context.spool.remove(context.spool.absolute(path))
        for revision in range(1, held.revision):
            earlier = context.spool.tensor_folder(held.study_instance_uid, revision)
            context.spool.remove_folder(earlier)

    return Outcome(record=record, afterwards=forget_what_was_before, skip_reason=_why_nothing_is_usable(clips, rules))


def prepare_clip(context: WorkerContext, folder: Path, sop_instance_uid: str, spool_path: str) -> PreparedClip:
    """One instance: its tensor file and what is known of it, or the reason why it gives none."""
    try:
        clip = read_clip(context.spool.file(spool_path), context.profile)
    except ClipError as error:
        return PreparedClip(sop_instance_uid=sop_instance_uid, skip_reason=error.reason)
    except FileNotFoundError:
        context.require_spool()
        return PreparedClip(sop_instance_uid=sop_instance_uid, skip_reason=Reason(ReasonKind.FILE_MISSING))
    content = BytesIO()
    np.save(content, clip.frames)
    tensor = folder / f"{sop_instance_uid}.npy"
    write_durably(tensor, content.getvalue())
    context.spool.share(tensor)
    return PreparedClip(
        sop_instance_uid=sop_instance_uid,
        tensor_path=context.spool.relative(tensor),
        frame_numbers=clip.frame_numbers,
        preprocessing_profile=clip.profile,
        notes=clip.notes,
        frame_times_ms=clip.frame_times_ms,
        time_origin=clip.time_origin,
        heart_rate=clip.heart_rate,
        region=asdict(clip.region),
        region_origin=clip.region_origin,
        pixel_spacing_mm=clip.pixel_spacing_mm,
        contents=tuple(sorted(clip.contents)),
    )


def _why_nothing_is_usable(clips: list[PreparedClip], rules: list[str]) -> str | None:
    if not clips:
        why = f"rule {', '.join(rules)}" if rules else "it holds reports of this software alone"
        return f"no instance of this study is to be scored: {why}"
    reasons = [clip.skip_reason for clip in clips if clip.skip_reason is not None]
    if len(reasons) < len(clips):
        return None
    return f"no usable clip: {counted(reasons, most=5)}"
