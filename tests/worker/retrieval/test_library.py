"""From the registry and the spool to an index: what is searched, and what is missing in it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import torch

from config.errors import SearchError, StudyNotFoundError
from config.settings import Settings, load_settings
from db.results.embeddings import StoredEmbeddings, record_embeddings
from db.results.recording import PreparedClip, record_views, replace_clips
from db.results.runs import JudgedClip, ViewCall
from db.session import Database
from db.tables.studies import Study
from worker.embeddings import ClipEmbeddings, embeddings_path, write_embeddings
from worker.retrieval.library import Library, open_library

EMBEDDER = "e" * 64
NOW = datetime(2026, 11, 25, tzinfo=UTC)
AXES = torch.eye(3)


class Installation:
    """A registry and a spool, into which a test puts embeddings that it knows."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.registry = Database(settings.database_url)
        self.registry.upgrade()

    def keep(self, study: str, *axes: int, revision: int = 1, profile: str = "fast-1") -> Path:
        """Keep the embeddings of a study whose clips lie on these axes; instances <study>.1, <study>.2, ..."""
        path = embeddings_path(self.settings.spool_dir, embedder=EMBEDDER, study_instance_uid=study, revision=revision)
        clips = [
            ClipEmbeddings(sop_instance_uid=f"{study}.{number}", frame_numbers=(1, 2), frames=AXES[[axis, axis]])
            for number, axis in enumerate(axes, start=1)
        ]
        write_embeddings(path, clips, embedder=EMBEDDER, profile=profile)
        stored = StoredEmbeddings(
            study_instance_uid=study,
            revision=revision,
            embedder=EMBEDDER,
            preprocessing_profile=profile,
            path=str(path.relative_to(self.settings.spool_dir)),
            clips=len(clips),
            frames=2 * len(clips),
            created_at=NOW + timedelta(minutes=revision),
        )
        with self.registry.write() as session:
            number = self._id_of(session, study)
            record_embeddings(session, study_id=number, stored=stored)
        return path

    def judge(self, study: str, *clips: JudgedClip) -> None:
        with self.registry.write() as session:
            number = self._id_of(session, study)
            prepared = [PreparedClip(sop_instance_uid=clip.sop_instance_uid, tensor_path="t") for clip in clips]
            replace_clips(session, study_id=number, revision=1, clips=prepared)
            session.flush()
            record_views(session, study_id=number, revision=1, clips=clips)

    def library(self) -> Library:
        return open_library(self.settings, self.registry, embedder=EMBEDDER)

    def _id_of(self, session, study: str) -> int:  # type: ignore[no-untyped-def]
        row = session.query(Study).filter_by(study_instance_uid=study).one_or_none()
        if row is None:
            row = Study(study_instance_uid=study, state="SCORED", state_since=NOW, created_at=NOW, last_instance_at=NOW)
            session.add(row)
            session.flush()
        return int(row.id)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(load_settings(data_dir=tmp_path))
    yield made
    made.registry.close()


def test_an_installation_that_has_scored_nothing_is_not_told_to_requeue(installation: Installation) -> None:
    with pytest.raises(SearchError, match="none has been scored yet") as refused:
        installation.library()
    assert "requeue" not in str(refused.value)


def test_a_study_is_found_by_its_newest_revision_alone(installation: Installation) -> None:
    installation.keep("1.1", 0, 1)
    assert installation.library().index.clips == 2
    installation.keep("1.1", 2, revision=2)
    library = installation.library()
    assert (library.update.written, library.index.clips) == (1, 1)
    assert library.clips_of(installation.registry, "1.1").vectors.tolist() == [[0, 0, 1]]
    assert installation.library().update.written == 0


def test_embeddings_that_were_made_anew_replace_those_before(installation: Installation) -> None:
    installation.keep("1.1", 0)
    installation.library()
    installation.keep("1.1", 1, profile="upstream-1")
    with pytest.raises(SearchError, match="no study has embeddings of this model over clips prepared as fast-1"):
        installation.library()


def test_a_clip_that_the_gate_left_out_is_not_found_and_comes_back_when_it_is_judged_again(
    installation: Installation,
) -> None:
    installation.keep("1.1", 0, 1)
    call = ViewCall(view="a4c", name="apical four-chamber", is_heart=True, score=0.3, margin=0.1)
    shown = JudgedClip(sop_instance_uid="1.1.1", call=call)
    installation.judge("1.1", shown, JudgedClip(sop_instance_uid="1.1.2", skip_reason="the model sees no heart"))
    clips = installation.library().clips_of(installation.registry, "1.1")
    assert (clips.instances, clips.views) == (("1.1.1",), ("a4c",))
    installation.judge("1.1", shown, JudgedClip(sop_instance_uid="1.1.2"))
    clips = installation.library().clips_of(installation.registry, "1.1")
    assert (clips.instances, clips.views) == (("1.1.1", "1.1.2"), ("a4c", None))


def test_damaged_embeddings_are_named_and_the_others_are_searched(installation: Installation) -> None:
    installation.keep("1.1", 0)
    damaged = installation.keep("1.2", 1)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    library = installation.library()
    assert library.update.unreadable == ("1.2",)
    assert library.index.studies == 1
    with pytest.raises(SearchError, match=r"study 1.2 has no embeddings .* requeue it with --step prepare"):
        library.clips_of(installation.registry, "1.2")


def test_what_cannot_be_compared_is_said(installation: Installation) -> None:
    installation.keep("1.1", 0)
    installation.keep("1.2", 1)
    installation.judge("1.2", JudgedClip(sop_instance_uid="1.2.1", skip_reason="the model sees no heart"))
    library = installation.library()
    with pytest.raises(StudyNotFoundError, match=r"1\.404"):
        library.clips_of(installation.registry, "1.404")
    with pytest.raises(SearchError, match=r"study 1.2 has no clip in which the model sees a heart"):
        library.clips_of(installation.registry, "1.2")
    assert library.clips_of_many(installation.registry, ["1.1", "1.2", "1.404"]).keys() == {"1.1"}


def test_an_index_that_is_removed_is_made_again(installation: Installation) -> None:
    installation.keep("1.1", 0)
    installation.library()
    index = installation.settings.data_dir / "cache" / "retrieval"
    index.rename(index.with_name("away"))
    assert installation.library().update.written == 1
