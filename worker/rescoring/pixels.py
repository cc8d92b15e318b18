"""A study of which this model has kept nothing: its frames are decoded once more, as they were, and embedded.

Nothing of the study changes: neither its clips nor its state, and no report goes out. What comes of it is kept as the
step `score` keeps it, so that a worker that is killed loses one study's work, and all further starts from the files.
"""

from config.errors import ClipError
from db.reading.queries import spool_paths_of
from db.rescoring.outdated import Target, Wanted, files_to_read
from db.results.embeddings import record_embeddings
from db.results.recording import PreparedClip
from worker.context import WorkerContext
from worker.models import Frames, StudyModel
from worker.pixels.clip import read_clip
from worker.pixels.profiles import PROFILES
from worker.steps.embedding import StudyClips, keep_embeddings, take_up_kept


def embed_from_pixels(context: WorkerContext, model: StudyModel, study: StudyClips) -> None:
    """Embed a study's clips from its instances, keep that, and take it up as kept.

    Raises
    ------
    ClipError
        An instance is gone, or gives other frames than it gave then.
    """
    with context.database.read() as session:
        paths = spool_paths_of(session, study.held.study_id)
    frames = [_frames(context, clip, paths.get(clip.sop_instance_uid)) for clip in study.clips]
    keep_embeddings(context, model, study, model.embed(frames))
    with context.database.write() as session:
        for stored in study.written:
            record_embeddings(session, study_id=study.held.study_id, stored=stored)
    study.stored |= {stored.embedder: stored for stored in study.written}
    # As they are kept, in half precision: the same answers whether the batch goes on now or after a restart.
    study.embeddings.clear()
    if not take_up_kept(context, study, model.embedder):
        raise ClipError(f"the embeddings of study {study.held.study_instance_uid} were changed while they were written")


def studies_without_pixels(context: WorkerContext, target: Target, wanted: Wanted) -> int:
    """How many of the studies that need their pixels have not all of them any more; no file is opened."""
    with context.database.read() as session:
        files = files_to_read(session, target, wanted)
    return len({study for study, path in files if path is None or not context.spool.has(path)})


def _frames(context: WorkerContext, clip: PreparedClip, path: str | None) -> Frames:
    profile = PROFILES.get(clip.preprocessing_profile or "")
    if profile is None:
        raise ClipError(f"its frames are of profile {clip.preprocessing_profile}, which there is no more")
    file = None if path is None else context.spool.file(path)
    if file is None or not file.exists():
        context.require_spool()
        raise ClipError("neither embeddings of this model nor all of the pixels are there")
    found = read_clip(file, profile)
    if found.frame_numbers != clip.frame_numbers:
        raise ClipError("its frames are not found again as they were: requeue it with --step prepare")
    return found.frames
