"""What can be searched: the kept embeddings of one model over clips prepared in one way, as an index.

<index_folder>/<preprocessing profile>/     the index; may be removed at any time
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from config.errors import SearchError, StudyNotFoundError
from config.settings import Settings
from db.reading.retrieval import SearchableStudy, count_unsearchable, received_at, searchable_studies, views_of
from db.session import Database
from dicom_node.spool import Spool
from worker.embeddings import read_embeddings
from worker.retrieval.index import Clips, Index, Update, WantedStudy, updated_index
from worker.retrieval.packs import index_folder
from worker.retrieval.segments import Vectors
from worker.retrieval.similarity import clip_embedding


@dataclass(frozen=True, kw_only=True)
class StudyClips:
    """The clips of one study, as they are compared."""

    study_instance_uid: str
    instances: tuple[str, ...]
    """SOP Instance UIDs, in the order of `vectors`."""
    vectors: Vectors
    views: tuple[str | None, ...]
    """What the view gate saw in each; None: not judged."""


@dataclass(frozen=True, kw_only=True)
class Library:
    """The index of this installation, and what is missing in it."""

    index: Index
    update: Update
    without_embeddings: int
    """Scored studies that have no embeddings of this kind."""
    embedder: str
    preprocessing_profile: str

    def clips_of(self, registry: Database, study_instance_uid: str) -> StudyClips:
        """The clips of a study with their views.

        Raises
        ------
        StudyNotFoundError
            It is not registered.
        SearchError
            It has no embeddings, or all of its clips were left out.
        """
        with registry.read() as session:
            if not received_at(session, [study_instance_uid]):
                raise StudyNotFoundError(f"no study {study_instance_uid}")
        if study_instance_uid not in self.index:
            raise SearchError(
                f"study {study_instance_uid} has no embeddings of this model: requeue it with --step prepare"
            )
        clips = self.clips_of_many(registry, [study_instance_uid]).get(study_instance_uid)
        if clips is None:
            raise SearchError(f"study {study_instance_uid} has no clip in which the model sees a heart")
        return clips

    def clips_of_many(self, registry: Database, study_instance_uids: Sequence[str]) -> dict[str, StudyClips]:
        """The clips of these studies, of those that have any."""
        with registry.read() as session:
            views = views_of(session, study_instance_uids)
        found = {}
        for uid in study_instance_uids:
            instances, vectors = self.index.of_study(uid) or ((), None)
            if vectors is not None and instances:
                seen = tuple(views.get((uid, instance)) for instance in instances)
                found[uid] = StudyClips(study_instance_uid=uid, instances=instances, vectors=vectors, views=seen)
        return found


def open_library(settings: Settings, registry: Database, *, embedder: str) -> Library:
    """Bring the index up to date with the registry, and open it.

    Raises
    ------
    SearchError
        No study has embeddings of this model.
    OSError
        The disk does not take the index.
    """
    kind = {"embedder": embedder, "preprocessing_profile": settings.pixels.profile}

    spool = Spool.of(settings)

    def wanted() -> Mapping[str, WantedStudy]:
        with registry.read() as session:
            studies = list(
                searchable_studies(session, embedder=embedder, preprocessing_profile=settings.pixels.profile)
            )
        return {study.study_instance_uid: _wanted(spool, study) for study in studies}

    index, update = updated_index(index_folder(settings, embedder) / settings.pixels.profile, wanted)
    with registry.read() as session:
        without = count_unsearchable(session, **kind)
    if not index.clips:
        unusable = without + len(update.unreadable)
        raise SearchError(
            f"no study has embeddings of this model over clips prepared as {settings.pixels.profile}; "
            + (
                f"scored studies that have none that can be used: {unusable}; requeue them with --step prepare"
                if unusable
                else "none has been scored yet, or the view gate left out all of their clips"
            )
        )
    return Library(index=index, update=update, without_embeddings=without, **kind)


def stamp_of(study: SearchableStudy) -> str:
    """Another one, of 16 hexadecimal digits, where the study has other clips or other embeddings of them."""
    made_from = f"{study.path} {study.revision} {study.created_at.isoformat()} {sorted(study.left_out)}"
    return hashlib.sha256(made_from.encode()).hexdigest()[:16]


def clips_in(spool: Spool, study: SearchableStudy) -> Clips:
    """The clips of a study that were not left out, out of the kept embeddings.

    Raises
    ------
    DamagedFileError
        These are missing or damaged.
    """
    return [
        (clip.sop_instance_uid, clip_embedding(clip.frames))
        for clip in read_embeddings(spool.file(study.path))
        if clip.sop_instance_uid not in study.left_out
    ]


def _wanted(spool: Spool, study: SearchableStudy) -> WantedStudy:
    return WantedStudy(stamp=stamp_of(study), load=partial(clips_in, spool, study))
