"""Packs of heads whose weights a test chooses, on the pack that it names; nothing is trained."""

from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from config.clinical_tasks import AnyTask, BinaryTask
from config.labels import ModelLabel
from worker.echoclip.digests import embedder_of
from worker.linear_probe.head import LINEAR_PROBE, Head, HeadDescription, LogisticMap, TrainedHead, Training, answers_of
from worker.packs.folder import ModelPack
from worker.packs.manifest import Base, write_manifest

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def head_pack(folder: Path, base: ModelPack, task: AnyTask, weights: Tensor) -> Path:
    """A pack of kind linear-probe, UNTRAINED, whose head has these weights [K, D] and no bias."""
    answers = answers_of(task)
    is_binary = isinstance(task, BinaryTask)
    if is_binary:
        answers = answers.model_copy(update={"probability": LogisticMap(slope=1.0, intercept=0.0)})
    training = Training(
        base_name=base.identity.name,
        embedder=embedder_of(base),
        preprocessing_profile="fast-1",
        catalogue_digest="0" * 64,
        truth_sha256="0" * 64,
        cases=100,
        patients=100,
        cases_of={},
        strength=1.0,
        rule="",
        trained_at=NOW,
        software_version="1",
        metrics={},
    )
    description = HeadDescription(
        format=1,
        answers=answers,
        threshold=0.5 if is_binary else None,
        cut_points=tuple(number + 0.5 for number in range(len(answers.classes) - 1)) if answers.ordered else None,
        training=training,
    )
    folder.mkdir(parents=True)
    head = Head(answers=answers, weights=weights, bias=torch.zeros(len(weights)))
    TrainedHead(head=head, description=description).write(folder)
    of_base = Base(name=base.identity.name, digest=base.identity.digest)
    fields = {"name": "Head", "version": "1", "family": base.identity.family, "licence": "none"}
    write_manifest(folder, kind=LINEAR_PROBE, base=of_base, label=ModelLabel.UNTRAINED, **fields)
    return folder
