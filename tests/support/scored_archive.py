"""An installation whose studies were scored, and are at rest; the models' embeddings are numbers made of texts."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import torch
from sqlalchemy import func, select, update
from torch import Tensor

from config.broker import create_celery_app
from config.labels import ModelLabel
from config.settings import load_settings
from config.steps import Step
from db.lifecycle.studies import close_quiet_studies, register_instance, requeue
from db.rescoring.batches import create_batch
from db.rescoring.outdated import Wanted
from db.results.embeddings import StoredEmbeddings, record_embeddings
from db.results.recording import PreparedClip, current_run, replace_clips
from db.results.run_rows import run_of
from db.results.runs import ModelIdentity, Run
from db.states import StudyState
from db.tables.rescoring import RescoredStudy, Rescoring
from db.tables.runs import CurrentRun, RunRow
from db.tables.studies import Study
from tests.support.reported import instance_of
from worker.context import WorkerContext
from worker.echoclip.decisions import DecidingCalibration
from worker.echoclip.model import EchoClipModel
from worker.embeddings import ClipEmbeddings, embeddings_path, write_embeddings
from worker.rescoring.target import Scorers, target_of
from worker.rescoring.working import Rescorer, Stopped
from worker.study_scoring import Scorer
from worker.tasks import run_due_step
from worker.views import ViewGate

WIDTH = 16
FRAMES = 4
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
GATE = ViewGate(not_judged="no test of the gate")


def direction(seed: str) -> Tensor:
    """A unit vector that belongs to a text: float32 [16]."""
    generator = torch.Generator().manual_seed(zlib.crc32(seed.encode()))
    return torch.nn.functional.normalize(torch.randn(WIDTH, generator=generator), dim=0)


class HashedTowers:
    """Prompts and frames as directions of their own; `allowed` says whether frames may be embedded."""

    def __init__(self, *, allowed: bool = True) -> None:
        self.allowed = allowed

    def embed_prompts(self, prompts: Sequence[str]) -> Tensor:
        return torch.stack([direction(prompt) for prompt in prompts])

    def embed_clips(self, clips: Sequence[Tensor]) -> list[Tensor]:
        assert self.allowed, "a frame is embedded"
        return [torch.stack([direction(str(int(frame.sum()))) for frame in clip]) for clip in clips]


@dataclass(frozen=True)
class OneThreshold:
    """As much of a calibration's task as decides."""

    threshold: float
    cut_points: None = None
    origin: str = "a test"


@dataclass(frozen=True)
class Thresholds:
    """A calibration that holds for whatever is asked."""

    digest: str
    of: Mapping[str, float]
    preprocessing_profile: str = "fast-1"

    def task(self, task_id: str) -> OneThreshold | None:
        return OneThreshold(self.of[task_id]) if task_id in self.of else None

    def why_not(self, task_id: str, *, embedder: str, prompts_digest: str, profile: str) -> str | None:
        return None


@dataclass
class ScoredArchive:
    """Studies with kept embeddings, and a worker whose model a test chooses."""

    folder: Path
    database_url: str = ""
    rescore: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        overrides: dict[str, Any] = {"rescore": dict(self.rescore)} if self.rescore else {}
        if self.database_url:
            overrides["database"] = {"url": self.database_url}
        settings = load_settings(data_dir=self.folder / "data", **overrides)
        self.context = _ContextWithModel(settings, create_celery_app(settings))
        self.context.database.upgrade()
        self.context.spool.create()
        self.number = 0
        self.use_model()

    def model(
        self,
        *,
        digest: str = "0" * 64,
        embedder: str = "e" * 64,
        calibration: DecidingCalibration | None = None,
        allowed: bool = True,
    ) -> Scorer:
        towers = HashedTowers(allowed=allowed)
        model = EchoClipModel(
            towers,
            towers.embed_prompts,
            identity=ModelIdentity(
                name="Hashed", version=digest[:1], family="hashed", label=ModelLabel.RESEARCH, digest=digest
            ),
            embedder=embedder,
            catalogue=self.context.catalogue,
            profile="fast-1",
            site_calibration=calibration,
        )
        return Scorer(model=model, gate=GATE)

    def use_model(self, **changes: Any) -> None:
        """What scores from now on, as `model` makes it."""
        self.context.chosen = self.model(**changes)

    def add(self, *, clips: int = 2, state: StudyState = StudyState.DELIVERED) -> str:
        """A study that was scored from kept embeddings by the step `score`; its UID."""
        self.number += 1
        uid = f"1.2.840.{self.number}"
        known = [
            PreparedClip(
                sop_instance_uid=f"{uid}.1.{number}",
                tensor_path=f"tensors/{uid}/{number}.npy",
                frame_numbers=tuple(range(1, FRAMES + number)),
                preprocessing_profile="fast-1",
            )
            for number in range(1, clips + 1)
        ]
        with self.context.database.write() as session:
            for clip in known:
                instance = instance_of(uid, sop=clip.sop_instance_uid, at=NOW)
                register_instance(session, instance, timedelta(seconds=30))
            close_quiet_studies(session, now=NOW + timedelta(seconds=60))
            study = session.scalars(select(Study).where(Study.study_instance_uid == uid)).one()
            study.state = StudyState.PREPARED
            replace_clips(session, study_id=study.id, revision=1, clips=known)
            record_embeddings(session, study_id=study.id, stored=self._kept(uid, known))
        self.score(uid)
        self.set_state(uid, state)
        return uid

    def _kept(self, uid: str, clips: Sequence[PreparedClip]) -> StoredEmbeddings:
        embedder = self.context.scorer.model.embedder
        path = embeddings_path(self.context.spool.root, embedder=embedder, study_instance_uid=uid, revision=1)
        embedded = [
            ClipEmbeddings(
                sop_instance_uid=clip.sop_instance_uid,
                frame_numbers=clip.frame_numbers,
                frames=torch.stack([direction(f"{clip.sop_instance_uid} {frame}") for frame in clip.frame_numbers]),
            )
            for clip in clips
        ]
        write_embeddings(path, embedded, embedder=embedder, profile="fast-1")
        return StoredEmbeddings(
            study_instance_uid=uid,
            revision=1,
            embedder=embedder,
            preprocessing_profile="fast-1",
            path=self.context.spool.relative(path),
            clips=len(clips),
            frames=sum(len(clip.frame_numbers) for clip in clips),
            created_at=NOW,
        )

    def score(self, uid: str) -> None:
        """By the step, as every study is scored."""
        run_due_step(self.context, Step.SCORE, self.id_of(uid))

    def score_again(self, uid: str) -> Run:
        """The same, as `requeue --step score` has it done; the run."""
        with self.context.database.write() as session:
            requeue(session, uid, now=datetime.now(UTC), step=Step.SCORE)
        self.score(uid)
        return self.run(uid)

    def set_state(self, uid: str, state: StudyState) -> None:
        with self.context.database.write() as session:
            session.execute(update(Study).where(Study.study_instance_uid == uid).values(state=state))

    def id_of(self, uid: str) -> int:
        with self.context.database.read() as session:
            return session.scalars(select(Study.id).where(Study.study_instance_uid == uid)).one()

    def state_of(self, uid: str) -> str:
        with self.context.database.read() as session:
            return session.get_one(Study, self.id_of(uid)).state

    def run(self, uid: str) -> Run:
        """The current one."""
        with self.context.database.read() as session:
            run = current_run(session, study_id=self.id_of(uid), study_instance_uid=uid)
        assert run is not None
        return run

    def runs(self, uid: str) -> list[Run]:
        """All, in the order in which they were made."""
        rows = select(RunRow).where(RunRow.study_id == self.id_of(uid)).order_by(RunRow.id)
        with self.context.database.read() as session:
            return [run_of(row, uid) for row in session.scalars(rows)]

    def begin(self, pack: str = "", **wanted: Any) -> int | None:
        """A batch of what is outdated, for the model that scores now."""
        target = target_of(self.context.scorer, self.context.catalogue, pack)
        with self.context.database.write() as session:
            return create_batch(session, target, Wanted(**wanted), started_by="command", now=datetime.now(UTC))

    def work(self, batch_id: int | None = None, *, portions: int | None = None) -> Stopped:
        """Work on a batch here; with `portions`, it is asked to stop once it has asked so often whether to."""
        asked = iter(range(portions + 1)) if portions is not None else None
        stops = (lambda: next(asked, None) is None) if asked is not None else (lambda: False)
        return Rescorer(context=self.context, scorers=Scorers(self.context), is_asked_to_stop=stops).work(batch_id)

    def batch(self, batch_id: int) -> Rescoring:
        with self.context.database.read() as session:
            return session.get_one(Rescoring, batch_id)

    def last_batch(self) -> int | None:
        with self.context.database.read() as session:
            return session.scalar(select(func.max(Rescoring.id)))

    def outcomes(self, batch_id: int) -> dict[str, RescoredStudy]:
        """Of each study of a batch its row, by UID."""
        query = select(Study.study_instance_uid, RescoredStudy).join(RescoredStudy, RescoredStudy.study_id == Study.id)
        with self.context.database.read() as session:
            return {uid: row for uid, row in session.execute(query.where(RescoredStudy.rescoring_id == batch_id))}  # noqa: C416

    def is_current(self, uid: str, run_id: int | None) -> bool:
        with self.context.database.read() as session:
            return session.get_one(CurrentRun, self.id_of(uid)).run_id == run_id


class _ContextWithModel(WorkerContext):
    chosen: Scorer

    @property
    def scorer(self) -> Scorer:
        return self.chosen
