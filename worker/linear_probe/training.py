"""A head from labelled cases and kept embeddings: trained, and judged on patients that it had not seen.

Everything that the report says comes from out-of-fold answers: of a head that was trained, and whose regularisation was
chosen, without the patient. The head that is kept is trained on all of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import torch
from torch import Tensor

from config.clinical_tasks import AnyTask, BinaryTask, ClassTask, RegressionTask
from config.errors import CalibrationError, DamagedFileError
from config.reasons import counted
from db.results.embeddings import latest_embeddings
from worker.calibration.cases import CaseFile, LabelledCase
from worker.calibration.judging import MINIMUM_CASES, Findings, judge
from worker.calibration.probabilities import logistic_map
from worker.calibration.resampling import FOLDS, Groups
from worker.calibration.scored import (
    ScoredCase,
    Source,
    TaskCases,
    UnansweredCase,
    count_of_no_patient,
    of_no_patient,
    patients_by_study,
)
from worker.calibration.thresholds import Floats, ThresholdRule
from worker.embeddings import read_embeddings
from worker.linear_probe.answering import Decider, study_embedding
from worker.linear_probe.fitting import LinearModel, fit, strata
from worker.linear_probe.head import (
    Head,
    HeadDescription,
    LogisticMap,
    TrainedHead,
    Training,
    answers_of,
    study_digest,
)

_LEAST_SLOPE = 1e-3


@dataclass(frozen=True, kw_only=True)
class EmbeddedCase:
    """One labelled study with the embeddings of the clips that may answer."""

    study_instance_uid: str
    group: str
    truth: float
    clips: tuple[Tensor, ...]
    """float32 [T, D] each."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A head, and what is to be expected of it."""

    head: TrainedHead
    findings: Findings


def train(
    task: AnyTask,
    cases: Sequence[EmbeddedCase],
    unanswered: Sequence[UnansweredCase],
    rule: ThresholdRule,
    *,
    source: Source,
    read: CaseFile,
    software_version: str,
) -> Trained:
    """Train the head of one task.

    Raises
    ------
    CalibrationError
        There are too few cases, or patients, of a kind.
    """
    _require_enough(task, cases, unanswered)
    groups = Groups([case.group for case in cases])
    truth = np.array([case.truth for case in cases])
    embeddings = np.stack([study_embedding(case.clips).double().numpy() for case in cases])
    # Each case's answer by a head that was made without its patient.
    heads: list[tuple[int, Head]] = []
    for train_on, test in groups.folds(strata(task, truth), repeats=1)[0]:
        subset = Groups([groups.names[number] for number in train_on])
        of_fold = _head(task, fit(task, embeddings[train_on], truth[train_on], subset))
        heads += [(int(number), of_fold) for number in test]
    heads.sort(key=lambda pair: pair[0])
    probability = _probability(task, cases, [head for _, head in heads], truth)
    scored = tuple(_scored(case, _with_map(head, probability)) for case, (_, head) in zip(cases, heads, strict=True))
    model = fit(task, embeddings, truth, groups)
    head = _with_map(_head(task, model), probability)
    findings = judge(
        TaskCases(
            task=task,
            wording_digest=head.digest,
            scored=scored,
            unanswered=tuple(unanswered),
            of_no_patient=count_of_no_patient(groups.names),
        ),
        rule,
        source=f"out-of-fold scores of a linear probe on {source.model.identity.name}",
    )
    training = _training(source, read, findings, model, rule, software_version)
    return Trained(head=_with_decision(head, findings, training), findings=findings)


def embedded_cases(
    source: Source, task: AnyTask, cases: Sequence[LabelledCase]
) -> tuple[list[EmbeddedCase], list[UnansweredCase]]:
    """The kept embeddings of the cases' clips that may answer; and the studies that have none, with the reason."""
    uids = sorted({case.study_instance_uid for case in cases})
    with source.database.read() as session:
        found = latest_embeddings(session, embedder=source.model.embedder, study_instance_uids=uids)
        kept = {stored.study_instance_uid: stored for stored in found}
    patients = patients_by_study(source.database, cases)
    embedded, left_out = [], []
    for case in cases:
        uid = case.study_instance_uid
        stored = kept.get(uid)
        if stored is None or stored.preprocessing_profile != source.profile:
            why = "has no embeddings of this model and profile: requeue it, --step prepare"
            left_out.append(UnansweredCase(study_instance_uid=uid, reason=why))
            continue
        file = source.spool.file(stored.path)
        try:
            clips = source.shown(read_embeddings(file))
        except DamagedFileError as error:
            left_out.append(UnansweredCase(study_instance_uid=uid, reason=str(error)))
            continue
        used = tuple(clip.embeddings for clip in clips if clip.may_answer(task.views))
        if used:
            group = patients.get(uid, of_no_patient(uid))
            embedded.append(EmbeddedCase(study_instance_uid=uid, group=group, truth=case.truth, clips=used))
        else:
            left_out.append(UnansweredCase(study_instance_uid=uid, reason="no clip shows a view that may answer this"))
    return embedded, left_out


def _require_enough(task: AnyTask, cases: Sequence[EmbeddedCase], unanswered: Sequence[UnansweredCase]) -> None:
    """Every answer must be in every part of every division."""
    kinds: list[tuple[str, float | None]]
    if isinstance(task, RegressionTask):
        kinds = [("cases", None)]
    elif isinstance(task, ClassTask):
        kinds = [(f"cases that are {outcome.id}", float(number)) for number, outcome in enumerate(task.classes)]
    else:
        kinds = [("cases that are absent", 0.0), ("cases that are present", 1.0)]
    for what, truth in kinds:
        of_kind = [case for case in cases if truth is None or case.truth == truth]
        patients = len({case.group for case in of_kind})
        if len(of_kind) < MINIMUM_CASES or patients < FOLDS:
            why = counted((case.reason for case in unanswered), most=3)
            raise CalibrationError(
                f"task {task.id}: {len(of_kind)} {what} with embeddings, of {patients} patients: at least "
                f"{MINIMUM_CASES}, of {FOLDS} patients, are needed{f'; left out: {why}' if why else ''}"
            )


def _probability(
    task: AnyTask, cases: Sequence[EmbeddedCase], heads: Sequence[Head], truth: Floats
) -> LogisticMap | None:
    """From log-odds to probabilities, by the out-of-fold ones: those of a fit to its own cases are too sure."""
    if not isinstance(task, BinaryTask):
        return None
    log_odds = [
        Decider(head=head).decisions(case.clips).mean(dim=0)[0].item() for case, head in zip(cases, heads, strict=True)
    ]
    slope, intercept = logistic_map(np.array(log_odds), truth > 0)
    if slope < _LEAST_SLOPE:
        # A head that is no better than chance: turned round by its map, it would look better than it is.
        share = float(truth.mean())
        slope, intercept = _LEAST_SLOPE, math.log(share / (1 - share))
    return LogisticMap(slope=slope, intercept=intercept)


def _scored(case: EmbeddedCase, head: Head) -> ScoredCase:
    said = Decider(head=head).study(case.clips)
    return ScoredCase(
        study_instance_uid=case.study_instance_uid,
        group=case.group,
        truth=case.truth,
        score=said.value,
        outcome=said.outcome,
    )


def _head(task: AnyTask, model: LinearModel) -> Head:
    weights, bias = torch.from_numpy(model.weights).float(), torch.from_numpy(model.bias).float()
    return Head(answers=answers_of(task), weights=weights, bias=bias)


def _with_map(head: Head, probability: LogisticMap | None) -> Head:
    return replace(head, answers=head.answers.model_copy(update={"probability": probability}))


def _with_decision(head: Head, findings: Findings, training: Training) -> TrainedHead:
    chosen = findings.calibration
    description = HeadDescription(
        format=1,
        answers=head.answers,
        threshold=_as_probability(chosen.threshold) if chosen else None,
        cut_points=chosen.cut_points if chosen else None,
        training=training,
    )
    return TrainedHead(head=head, description=description)


def _as_probability(threshold: float | None) -> float | None:
    """One that calls every case PRESENT lies below the lowest score, and may so be below 0."""
    return None if threshold is None else max(threshold, 0.0)


def _training(
    source: Source, read: CaseFile, findings: Findings, model: LinearModel, rule: ThresholdRule, software_version: str
) -> Training:
    chosen: Mapping[str, int] = findings.calibration.cases_of if findings.calibration else {}
    return Training(
        base_name=source.model.identity.name,
        embedder=source.model.embedder,
        preprocessing_profile=source.profile,
        catalogue_digest=source.catalogue.digest,
        truth_sha256=read.sha256,
        studies=tuple(sorted(study_digest(case.study_instance_uid) for case in findings.cases.scored)),
        cases=len(findings.cases.scored),
        patients=len(set(findings.cases.groups)),
        cases_of=dict(chosen),
        strength=model.strength,
        rule=str(rule) if chosen else "",
        trained_at=datetime.now(UTC),
        software_version=software_version,
        metrics=findings.cross_validated or findings.apparent,
    )
