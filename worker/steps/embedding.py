"""The embeddings of a study's clips: those that are kept, else made of the prepared frames, and kept.

Kept ones are used where they are of the same model and of just these frames. They are of half precision (a cosine
moves by some 0.00001), and the results that come of them say so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

import numpy as np
from sqlalchemy.orm import Session
from torch import Tensor

from config.errors import ClipError, DamagedFileError, ModelPackError
from db.results.embeddings import (
    StoredEmbeddings,
    embeddings_of,
    forget_earlier_embeddings,
    record_embeddings,
)
from db.results.recording import PreparedClip, prepared_clips
from db.tables.studies import Study
from db.working.leases import Claim
from worker.context import WorkerContext
from worker.embeddings import ClipEmbeddings, embeddings_path, read_embeddings, write_embeddings
from worker.models import Frames, StudyModel
from worker.steps.outcome import attempted


class HeldStudy(Protocol):
    """A revision of a study that somebody works on: under a claim of a step, or in a batch of re-scoring."""

    @property
    def study_id(self) -> int:
        """Its number in the registry."""

    @property
    def study_instance_uid(self) -> str:
        """Its UID."""

    @property
    def revision(self) -> int:
        """Counts from 1."""


@dataclass(kw_only=True)
class StudyClips:
    """The clips of one study, and what models make of them."""

    held: HeldStudy
    prepared: list[PreparedClip]
    """All instances, those that `prepare` left out as well."""
    stored: dict[str, StoredEmbeddings]
    """What is registered as kept of this revision, by embedder; whether it is of use is another question."""
    embeddings: dict[str, list[Tensor]] = field(default_factory=dict)
    """By embedder, float32 [T, D] for each of `clips`."""
    from_kept: set[str] = field(default_factory=set)
    """The embedders whose embeddings are kept ones."""
    written: list[StoredEmbeddings] = field(default_factory=list)
    """Files in the spool that wait to be registered."""

    @property
    def clips(self) -> list[PreparedClip]:
        """Those that can be scored."""
        return [clip for clip in self.prepared if clip.tensor_path is not None]

    @property
    def profile(self) -> str:
        """How the frames of the clips were made."""
        return "+".join(sorted({clip.preprocessing_profile or "" for clip in self.clips}))

    @property
    def frame_count(self) -> int:
        """Of all clips that can be scored."""
        return sum(len(clip.frame_numbers) for clip in self.clips)

    def register(self, session: Session, study: Study) -> list[str]:
        """Register what was written; the files of earlier revisions, which are to be removed."""
        outdated = []
        for stored in self.written:
            record_embeddings(session, study_id=study.id, stored=stored)
            outdated += forget_earlier_embeddings(
                session, study_id=study.id, revision=self.held.revision, embedder=stored.embedder
            )
        return outdated


def clips_of(context: WorkerContext, held: Claim) -> StudyClips:
    """What the registry has of a claimed study; no file is opened."""
    known = {"study_id": held.study_id, "revision": held.revision}
    with context.database.read() as session:
        return StudyClips(
            held=held,
            prepared=prepared_clips(session, **known),
            stored=embeddings_of(session, study_instance_uid=held.study_instance_uid, **known),
        )


def take_up_kept(context: WorkerContext, study: StudyClips, embedder: str) -> bool:
    """Take up the kept embeddings of this embedder; False where there are none of just these frames, or not whole."""
    stored = study.stored.get(embedder)
    if stored is None or stored.preprocessing_profile != study.profile:
        return False
    file = context.spool.file(stored.path)
    try:
        kept = {clip.sop_instance_uid: clip for clip in read_embeddings(file)}
    except DamagedFileError:
        return False
    found = [kept.get(clip.sop_instance_uid) for clip in study.clips]
    of_these = [
        one.frames
        for one, clip in zip(found, study.clips, strict=True)
        if one is not None and one.frame_numbers == clip.frame_numbers
    ]
    if len(of_these) != len(study.clips):
        return False
    study.embeddings[embedder] = of_these
    study.from_kept.add(embedder)
    return True


def has_frames(context: WorkerContext, study: StudyClips) -> bool:
    """Whether the prepared frames of all clips lie in the spool, as from `prepare` until the report is registered."""
    return all(context.spool.has(clip.tensor_path or "") for clip in study.clips)


def embed_together(context: WorkerContext, model: StudyModel, studies: Sequence[StudyClips]) -> dict[int, Exception]:
    """Embed the clips of several studies in the same batches, and keep what comes of it.

    The studies that failed, with the reason, by their number in the registry: the others go on.
    """
    failed: dict[int, Exception] = {}
    loaded: list[tuple[StudyClips, list[Frames]]] = []
    for study in studies:
        frames = attempted(partial(_frames_of, context, study))
        if isinstance(frames, Exception):
            failed[study.held.study_id] = frames
        else:
            loaded.append((study, frames))
    for study, made in _embedded(model, loaded):
        kept = made if isinstance(made, Exception) else attempted(partial(keep_embeddings, context, model, study, made))
        if isinstance(kept, Exception):
            failed[study.held.study_id] = kept
    return failed


def _embedded(
    model: StudyModel, loaded: Sequence[tuple[StudyClips, list[Frames]]]
) -> Iterator[tuple[StudyClips, list[Tensor] | Exception]]:
    together = attempted(partial(model.embed, [clip for _, frames in loaded for clip in frames])) if loaded else []
    if isinstance(together, Exception):
        # Each has a try by itself: one that is at fault fails alone.
        for study, frames in loaded:
            yield study, together if len(loaded) == 1 else attempted(partial(model.embed, frames))
        return
    rest = iter(together)
    for study, frames in loaded:
        yield study, [next(rest) for _ in frames]


def _frames_of(context: WorkerContext, study: StudyClips) -> list[Frames]:
    return [_load(context, clip) for clip in study.clips]


def keep_embeddings(context: WorkerContext, model: StudyModel, study: StudyClips, embeddings: list[Tensor]) -> None:
    """Keep what a model made of a study's clips, in a file that waits to be registered.

    Raises
    ------
    ModelPackError
        It made no numbers.
    """
    _require_numbers(model, study, embeddings)
    study.embeddings[model.embedder] = embeddings
    held = study.held
    path = embeddings_path(
        context.spool.root,
        embedder=model.embedder,
        study_instance_uid=held.study_instance_uid,
        revision=held.revision,
    )
    clips = [
        ClipEmbeddings(sop_instance_uid=clip.sop_instance_uid, frame_numbers=clip.frame_numbers, frames=frames)
        for clip, frames in zip(study.clips, embeddings, strict=True)
    ]
    write_embeddings(path, clips, embedder=model.embedder, profile=study.profile)
    context.spool.share(path)
    study.written.append(
        StoredEmbeddings(
            study_instance_uid=held.study_instance_uid,
            revision=held.revision,
            embedder=model.embedder,
            preprocessing_profile=study.profile,
            path=context.spool.relative(path),
            clips=len(clips),
            frames=study.frame_count,
            created_at=datetime.now(UTC),
        )
    )


def _require_numbers(model: StudyModel, study: StudyClips, embeddings: Sequence[Tensor]) -> None:
    """Of what is not a number every score would be none, and every finding ABSENT: nothing is above a threshold."""
    for clip, frames in zip(study.clips, embeddings, strict=True):
        if not bool(frames.isfinite().all()):
            raise ModelPackError(
                f"model {model.identity.name} makes no numbers of instance {clip.sop_instance_uid}: verify its pack, "
                "or set model.precision to float32"
            )


def _load(context: WorkerContext, clip: PreparedClip) -> Frames:
    """Only a file that is missing or damaged is a fault that stays; another OSError, as of a share, may pass."""
    try:
        frames: Frames = np.load(context.spool.file(clip.tensor_path or ""), mmap_mode="r", allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError) as error:
        what = "missing" if isinstance(error, FileNotFoundError) else "damaged"
        raise ClipError(
            f"the prepared frames of instance {clip.sop_instance_uid} are {what}: requeue the study with --step prepare"
        ) from error
    return frames
