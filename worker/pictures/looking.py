"""Beside the scoring of a study: where in the clip that decided its model looked. One Grad-CAM of one clip."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from config.errors import BucketAwayError
from config.logs import Event, emit, told_of
from config.sections.report_objects import ReportObject
from db.reading.queries import spool_paths_of
from db.results.recording import PreparedClip
from db.results.runs import Run
from dicom_node.header import read_attributes
from worker.context import WorkerContext
from worker.echoclip.grad_cam import on_one_scale
from worker.models import Explaining, Frames, Maps, StudyModel
from worker.pictures.headline import deciding_clip, headline
from worker.pictures.heat import EDGE, Heat, WhyNoHeat, heat_path, write_heat
from worker.pixels.profiles import PROFILES
from worker.pixels.regions import Region


def keep_heat(
    context: WorkerContext, model: StudyModel, run: Run, prepared: Sequence[PreparedClip], *, study_id: int
) -> None:
    """Keep where the model looked in the clip that decided, or why that cannot be shown; a failure fails no scoring.

    Does nothing where no destination takes pictures of such a model's results.
    """
    wanted = context.wanted_objects(run.model.label, run.study_instance_uid)
    if not wanted[ReportObject.HEAT_MAP] and not wanted[ReportObject.PDF]:
        return
    heat: Heat | WhyNoHeat
    try:
        heat = _look(context, model, run, prepared, study_id)
    except BucketAwayError:  # the frames are there, and the step is done again
        raise
    except Exception as error:  # noqa: BLE001  answers need no picture, whatever it fails on
        reason = told_of(error)
        emit(Event.PICTURE_NOT_MADE, study_instance_uid=run.study_instance_uid, reason=reason)
        heat = WhyNoHeat.FAILED
    path = heat_path(context.spool.root, study_instance_uid=run.study_instance_uid, run_uid=run.run_uid)
    with suppress(OSError):  # a disk that is full has other, louder voices
        write_heat(path, heat)
        context.spool.share(path)


def _look(
    context: WorkerContext, model: StudyModel, run: Run, prepared: Sequence[PreparedClip], study_id: int
) -> Heat | WhyNoHeat:
    result = headline(run.results, context.catalogue)
    answer = None if result is None else deciding_clip(result)
    if result is None or answer is None:
        return WhyNoHeat.NOTHING_DECIDED
    if not isinstance(model, Explaining):
        return WhyNoHeat.MODEL_CANNOT
    clip = next(clip for clip in prepared if clip.sop_instance_uid == answer.sop_instance_uid)
    frames = _frames(context, clip)
    if frames is None or clip.region is None or clip.frame_times_ms is None:
        return WhyNoHeat.FRAMES_GONE
    support = model.support(frames, result)
    if support is None:
        return WhyNoHeat.MODEL_CANNOT
    if not support.any():
        return WhyNoHeat.NO_SUPPORT
    with context.database.read() as session:
        spool_path = spool_paths_of(session, study_id)[clip.sop_instance_uid]
    region = Region(**clip.region)
    header = read_attributes(context.spool.file(spool_path), ["Rows", "Columns"])
    seen = PROFILES[clip.preprocessing_profile or ""].seen(region, header.Rows, header.Columns)
    return Heat(
        task_id=result.task_id,
        sop_instance_uid=clip.sop_instance_uid,
        frame_numbers=clip.frame_numbers,
        frame_times_ms=clip.frame_times_ms,
        region=_edges(region),
        seen=_edges(seen),
        maps=_as_kept(on_one_scale(support)),
    )


def _frames(context: WorkerContext, clip: PreparedClip) -> Frames | None:
    """None where they are gone, as of a study that is scored again from its kept embeddings."""
    try:
        frames: Frames = np.load(context.spool.file(clip.tensor_path or ""), mmap_mode="r", allow_pickle=False)
    except (FileNotFoundError, IsADirectoryError):
        return None
    return frames


def _as_kept(maps: Maps) -> Maps:
    means: Maps = avg_pool2d(torch.from_numpy(maps)[:, None], maps.shape[-1] // EDGE)[:, 0].numpy()
    return means


def _edges(region: Region) -> tuple[int, int, int, int]:
    return region.left, region.top, region.right, region.bottom
