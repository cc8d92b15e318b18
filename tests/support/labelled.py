"""A registry of studies with kept embeddings, and a model whose scores are read off them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint
from pathlib import Path
from statistics import fmean

import torch
from sqlalchemy import select
from torch import Tensor

from config.catalogue import Catalogue, load_catalogue
from config.clinical_tasks import AnyTask
from config.labels import ModelLabel
from db.lifecycle.received import Identity, ReceivedInstance
from db.lifecycle.studies import register_instance
from db.results.embeddings import StoredEmbeddings, record_embeddings
from db.results.recording import append_run
from db.results.runs import ClipAnswer, ModelIdentity, Run, TaskResult, Verdict
from db.session import Database
from db.tables.studies import Study
from dicom_node.spool import Spool
from worker.calibration.scored import Source
from worker.embeddings import ClipEmbeddings, embeddings_path, write_embeddings
from worker.models import EmbeddedClip, Frames, StudyModel, Surroundings
from worker.packs.folder import ModelPack, load_pack
from worker.packs.manifest import write_manifest
from worker.views import ViewClassifier, ViewGate

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PROFILE = "fast-1"


def _codes(number: int) -> str:
    return f"""
concept = {{ value = "{number}", scheme = "99TEST", meaning = "Concept {number}" }}
finding_site = {{ value = "80891009", scheme = "SCT", meaning = "Heart" }}
"""


def _class(class_id: str) -> str:
    concept = f'{{ value = "{class_id.upper()}", scheme = "99TEST", meaning = "{class_id}" }}'
    return f'{{ id = "{class_id}", name = "{class_id}", prompts = ["it is {class_id}"], concept = {concept} }}'


CATALOGUE = f"""
[[task]]
id = "device"
name = "Device"
kind = "binary"
prompts = ["a device"]
{_codes(1)}
[[task]]
id = "grade"
name = "Grade"
kind = "class"
classes = [{", ".join(map(_class, ("none", "mild", "severe")))}]
{_codes(2)}
[[task]]
id = "place"
name = "Place"
kind = "class"
ordered = false
classes = [{", ".join(map(_class, ("left", "right")))}]
{_codes(3)}
[[task]]
id = "volume"
name = "Volume"
kind = "regression"
prompts = ["volume {{value}}"]
values = {{ first = 0, last = 100 }}
reportable = {{ first = -100, last = 100 }}
unit = {{ value = "ml", scheme = "UCUM", meaning = "millilitre" }}
{_codes(4)}
"""


class AxisModel:
    """A `StudyModel` whose score of task number n is coordinate n of the embeddings; it knows no threshold."""

    image_size = 224
    frames_at_once = 1
    calibration_digest = None

    def __init__(self, catalogue: Catalogue, identity: ModelIdentity, *, width: int = 16) -> None:
        self.identity = identity
        self.embedder = "e" * 64
        self.width = width
        self.catalogue = catalogue

    def wording_digest(self, task_id: str) -> str:
        task = self.catalogue.task(task_id)
        assert task is not None
        return task.wording_digest()

    def embed(self, clips: Sequence[Frames]) -> list[Tensor]:
        """By the brightness of each frame: 0 and 255 are opposite ways along the first axis, mid-grey is neither."""
        return [self._shone_on(torch.from_numpy(frames[:, 0, 0, 0] / 127.5 - 1)) for frames in clips]

    def _shone_on(self, brightness: Tensor) -> Tensor:
        embeddings = torch.zeros(len(brightness), self.width)
        embeddings[:, 0] = brightness
        embeddings[:, -1] = (1 - brightness**2).clamp(min=0).sqrt()
        return embeddings

    def view_classifier(self) -> ViewClassifier | None:
        return None

    def answer(self, clips: Sequence[EmbeddedClip]) -> tuple[TaskResult, ...]:
        return tuple(self._answer(number, task, clips) for number, task in enumerate(self.catalogue.tasks))

    def _answer(self, number: int, task: AnyTask, clips: Sequence[EmbeddedClip]) -> TaskResult:
        task_id = task.id
        if not clips or task.asked_if:  # without a threshold nothing is PRESENT
            why = f"asked only where {task.asked_if} is PRESENT" if clips else "no usable clip"
            return TaskResult(task_id=task_id, verdict=Verdict.ABSTAINED, reason=why)
        answers = tuple(
            ClipAnswer(sop_instance_uid=clip.sop_instance_uid, value=float(clip.embeddings[:, number].mean()))
            for clip in clips
        )
        score = fmean(answer.value for answer in answers)
        if task_id == "volume":
            return TaskResult(task_id=task_id, verdict=Verdict.MEASURED, value=100 * score, clips=answers)
        outcome = {"grade": "none", "place": "right" if score > 0 else "left"}.get(task_id)
        return TaskResult(task_id=task_id, verdict=Verdict.UNCALIBRATED, score=score, outcome=outcome, clips=answers)


def load_axis(pack: ModelPack, surroundings: Surroundings) -> StudyModel:
    """What loads packs of the kind `axis`."""
    return AxisModel(surroundings.catalogue, pack.identity)


def pack_kinds(*, group: str) -> tuple[EntryPoint, ...]:
    """In place of `importlib.metadata.entry_points`: the kind of the packs below, and the linear probe's own."""
    kinds = {"axis": "tests.support.labelled:load_axis", "linear-probe": "worker.linear_probe.model:load"}
    return tuple(EntryPoint(name=name, value=value, group=group) for name, value in kinds.items())


@dataclass
class Labelled:
    """A data folder with studies whose embeddings, or results, a test chooses."""

    data_dir: Path
    number: int = 0
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.catalogue_file = self.data_dir / "tasks.toml"
        self.catalogue_file.write_text(CATALOGUE)
        self.catalogue = load_catalogue(self.catalogue_file)
        self.database = Database(f"sqlite:///{self.data_dir}/registry.sqlite3")
        self.database.upgrade()
        self.spool = Spool(self.data_dir / "spool")
        self.spool.create()
        self.base = self._installed_base()
        self.model = AxisModel(self.catalogue, self.base.identity)

    def _installed_base(self) -> ModelPack:
        folder = self.data_dir / "packs/axis"
        folder.mkdir(parents=True)
        write_manifest(
            folder, kind="axis", name="Axis", version="1", family="axis", label=ModelLabel.CLINICAL, licence="none"
        )
        return load_pack(folder)

    @property
    def source(self) -> Source:
        return Source(
            database=self.database,
            spool=self.spool,
            model=self.model,
            gate=ViewGate(not_judged="the model judges no views"),
            catalogue=self.catalogue,
            profile=PROFILE,
        )

    def study(self, patient: str | None = None) -> str:
        """A study without anything; its UID."""
        self.number += 1
        uid = f"1.2.826.{self.number}"
        identity = Identity(
            patient_id=patient, patient_name=None, birth_date=None, accession_number=None, study_date=None
        )
        instance = ReceivedInstance(
            study_instance_uid=uid,
            series_instance_uid=f"{uid}.1",
            sop_instance_uid=f"{uid}.1.1",
            sop_class_uid="1.2.840.10008.5.1.4.1.1.3.1",
            transfer_syntax_uid="1.2.840.10008.1.2.4.50",
            modality="US",
            spool_path=f"studies/{uid}/1.dcm",
            sha256="0" * 64,
            size_bytes=1,
            received_at=NOW,
            calling_ae_title="ECHO1",
            is_our_report=False,
            identity=identity,
        )
        with self.database.write() as session:
            register_instance(session, instance, timedelta(seconds=30))
        return uid

    def embedded(self, clips: Sequence[Tensor], patient: str | None = None, profile: str = PROFILE) -> str:
        """A study with these kept embeddings, each [T, D]."""
        uid = self.study(patient)
        embedder = self.model.embedder
        path = embeddings_path(self.spool.root, embedder=embedder, study_instance_uid=uid, revision=1)
        kept = [
            ClipEmbeddings(
                sop_instance_uid=f"{uid}.1.{number}", frame_numbers=tuple(range(1, len(frames) + 1)), frames=frames
            )
            for number, frames in enumerate(clips, 1)
        ]
        write_embeddings(path, kept, embedder=embedder, profile=profile)
        stored = StoredEmbeddings(
            study_instance_uid=uid,
            revision=1,
            embedder=embedder,
            preprocessing_profile=profile,
            path=self.spool.relative(path),
            clips=len(clips),
            frames=sum(len(frames) for frames in clips),
            created_at=NOW,
        )
        with self.database.write() as session:
            record_embeddings(session, study_id=self._id(session, uid), stored=stored)
        return uid

    def scored(self, scores: Mapping[str, float], patient: str | None = None, **changes: object) -> str:
        """A study whose current run gave these scores; `changes` to the run, as another preprocessing_profile."""
        uid = self.study(patient)
        results = tuple(
            TaskResult(task_id=task_id, verdict=Verdict.UNCALIBRATED, score=score) for task_id, score in scores.items()
        )
        made: dict[str, object] = {
            "run_uid": str(uuid.uuid4()),
            "study_instance_uid": uid,
            "revision": 1,
            "model": self.model.identity,
            "catalogue_digest": self.catalogue.digest,
            "software_version": "1",
            "preprocessing_profile": PROFILE,
            "finished_at": NOW,
            "clips": (),
            "results": results,
            "view_gate": self.source.gate.provenance,
        }
        with self.database.write() as session:
            run = Run(**{**made, **changes})  # type: ignore[arg-type]
            append_run(session, study_id=self._id(session, uid), run=run, units={})
        return uid

    def label(self, uid: str, truth: object, group: str = "") -> None:
        self.lines.append(f"{uid},{truth},{group}")

    @property
    def cases(self) -> Path:
        """The file of what was labelled."""
        path = self.data_dir / "cases.csv"
        path.write_text("\n".join(["study_instance_uid,truth,group", *self.lines]) + "\n")
        return path

    def _id(self, session: object, uid: str) -> int:
        query = select(Study.id).where(Study.study_instance_uid == uid)
        return int(session.scalars(query).one())  # type: ignore[attr-defined]
