"""A head: one linear map on embeddings that answers one task, with where it comes from.

head.json           what it answers, and how it was trained
head.safetensors    weights float32 [K, D] and bias float32 [K]; K is 1, or the number of classes
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import torch
from pydantic import AwareDatetime, Field, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from config.calibration import Metric, Sha256
from config.clinical_tasks import IDENTIFIER, AnyTask, ClassTask
from config.coded_concepts import Entry
from config.errors import ModelPackError
from config.whole_files import write_durably
from worker.packs.manifest import parsed

LINEAR_PROBE = "linear-probe"
"""The kind of the packs of heads."""
DESCRIPTION = "head.json"
NUMBERS = "head.safetensors"


class LogisticMap(Entry):
    """From the head's own log-odds to a probability; fitted on cases that the head had not seen (Platt 1999)."""

    slope: float
    intercept: float


class Training(Entry):
    """What a head was made from."""

    base_name: str
    embedder: Sha256
    preprocessing_profile: str
    catalogue_digest: Sha256
    truth_sha256: Sha256
    """Of the file of cases."""
    studies: tuple[Sha256, ...] = ()
    """`study_digest` of each study, ascending. A pack may be passed on, and UIDs find a patient."""
    cases: int
    patients: int
    cases_of: dict[str, int]
    strength: float
    """Of the regularisation, chosen by cross-validation: C of a logistic, alpha of a ridge regression."""
    rule: str
    """How the threshold was chosen, in words; on out-of-fold scores."""
    trained_at: AwareDatetime
    software_version: str
    metrics: dict[str, Metric]
    """Of cases that the head had not seen."""


def study_digest(study_instance_uid: str) -> str:
    """SHA-256 of a Study Instance UID."""
    return hashlib.sha256(study_instance_uid.encode()).hexdigest()


class Answers(Entry):
    """What a head answers, and how its numbers become a score: with them, all that decides the score."""

    task_id: str = Field(pattern=IDENTIFIER, max_length=32)
    kind: Literal["regression", "binary", "class"]
    classes: tuple[str, ...] = ()
    """Their ids, in order."""
    ordered: bool = False
    """Whether the classes have an order of severity."""
    views: tuple[str, ...] = ()
    """Of the clips that it was trained on, and may answer; empty: of every heart."""
    probability: LogisticMap | None = None
    """Binary."""


class HeadDescription(Entry):
    """The content of head.json."""

    format: Literal[1]
    answers: Answers
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    """Binary: a probability strictly above it is PRESENT. Classes without an order: strictly above it the most likely
    one is the answer, and else there is none."""
    cut_points: tuple[float, ...] | None = None
    """Ordered classes: on the severity score."""
    training: Training

    @model_validator(mode="after")
    def _can_answer(self) -> Self:
        kind, classes = self.answers.kind, len(self.answers.classes)
        if (kind == "binary") != (self.answers.probability is not None):
            raise ValueError("probability goes with the kind binary, and with no other")
        if (kind == "binary" or (kind == "class" and not self.answers.ordered)) != (self.threshold is not None):
            raise ValueError("a threshold goes with the kind binary and with classes without an order, and no other")
        if (kind == "class") != (classes > 1):
            raise ValueError("two classes or more go with the kind class, and with no other")
        if (len(self.cut_points) if self.cut_points else 0) != (classes - 1 if self.answers.ordered else 0):
            raise ValueError("ordered classes need one cut point fewer than there are, others none")
        return self


@dataclass(frozen=True, kw_only=True)
class Head:
    """A head that is ready to be asked."""

    answers: Answers
    weights: Tensor
    """float32 [K, D]."""
    bias: Tensor
    """float32 [K]."""

    @property
    def digest(self) -> str:
        """SHA-256 over all that decides its scores."""
        return hashlib.sha256(self.answers.model_dump_json().encode() + self.numbers()).hexdigest()

    def __call__(self, embeddings: Tensor) -> Tensor:
        """What it makes of embeddings [..., D], before any map: [..., K]."""
        return embeddings @ self.weights.T + self.bias

    def direction(self, outcome: str | None) -> Tensor:
        """Along which an embedding moves towards an answer: towards PRESENT, a higher estimate, or this class.

        float32 [D], of length 1. Of a class, its weights less the mean of all: what all classes have in common moves
        none.
        """
        if not self.answers.classes:
            along = self.weights[0]
        else:
            along = self.weights[self.answers.classes.index(outcome or "")] - self.weights.mean(dim=0)
        return torch.nn.functional.normalize(along, dim=0)

    def numbers(self) -> bytes:
        """The file of its numbers."""
        return save({"weights": self.weights.contiguous(), "bias": self.bias.contiguous()})

    def require_task(self, task: AnyTask | None) -> AnyTask:
        """The task of the catalogue, where it is still the one that the head was trained for.

        Raises
        ------
        ModelPackError
            The catalogue does not have it, or has another under its id.
        """
        made_for = self.answers
        if task is None:
            raise ModelPackError(f"the head answers task {made_for.task_id}, which the task catalogue does not have")
        classes = tuple(outcome.id for outcome in task.classes) if isinstance(task, ClassTask) else ()
        if (task.kind, classes) != (made_for.kind, made_for.classes):
            raise ModelPackError(f"task {task.id} of the catalogue has other answers than its head: train it again")
        return task


@dataclass(frozen=True, kw_only=True)
class TrainedHead:
    """A head with what decides by it, and where it comes from."""

    head: Head
    description: HeadDescription

    def write(self, folder: Path) -> None:
        """Write both files.

        Raises
        ------
        OSError
            The disk does not take them.
        """
        write_durably(folder / DESCRIPTION, (self.description.model_dump_json(indent=1) + "\n").encode())
        write_durably(folder / NUMBERS, self.head.numbers())


def read_head(folder: Path) -> TrainedHead:
    """Read both files of a folder.

    Raises
    ------
    ModelPackError
        A file is missing, damaged or not valid, or they do not fit each other.
    """
    try:
        description = parsed(HeadDescription, (folder / DESCRIPTION).read_bytes(), folder / DESCRIPTION)
        numbers = load_file(folder / NUMBERS)
        head = Head(answers=description.answers, weights=numbers["weights"], bias=numbers["bias"])
    except KeyError as error:
        raise ModelPackError(f"{folder / NUMBERS}: has no tensor {error}") from error
    except (OSError, SafetensorError) as error:
        raise ModelPackError(f"model pack {folder}: {DESCRIPTION} or {NUMBERS} is missing or damaged") from error
    rows = len(head.answers.classes) or 1
    fits = head.weights.ndim == 2 and head.weights.shape[0] == rows and head.bias.shape == (rows,)
    if not fits or head.weights.dtype != torch.float32 or head.bias.dtype != torch.float32:
        raise ModelPackError(f"{folder / NUMBERS}: needs float32 weights [{rows}, D] and bias [{rows}]")
    return TrainedHead(head=head, description=description)


def answers_of(task: AnyTask) -> Answers:
    """What a head of this task answers, before it is trained."""
    classes: tuple[str, ...] = ()
    ordered = False
    if isinstance(task, ClassTask):
        classes, ordered = tuple(outcome.id for outcome in task.classes), task.ordered
    return Answers(task_id=task.id, kind=task.kind, classes=classes, ordered=ordered, views=task.views)
