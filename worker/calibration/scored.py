"""The labelled cases with their scores: kept results where these are of the active model, else made from embeddings.

Pixels are never read: a study whose embeddings are gone is listed, with what to do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from config.catalogue import Catalogue
from config.clinical_tasks import AnyTask, ClassTask
from config.errors import DamagedFileError
from db.reading.scored_cases import current_runs, patients_of
from db.results.embeddings import StoredEmbeddings, latest_embeddings
from db.results.runs import Run, TaskResult
from db.session import Database
from dicom_node.spool import Spool
from worker.calibration.cases import LabelledCase
from worker.embeddings import ClipEmbeddings, read_embeddings
from worker.models import EmbeddedClip, StudyModel, TrainedOnCases
from worker.views import ViewGate

_NO_PATIENT = "study:"
Results = Mapping[str, TaskResult]
"""By the id of the task."""


@dataclass(frozen=True, kw_only=True)
class ScoredCase:
    """One labelled study with the model's answer."""

    study_instance_uid: str
    group: str
    truth: float
    score: float
    """As `TaskResult.score`; of a regression its value."""
    outcome: int | None = None
    """The number of the class that was answered, or that the clips are most like."""


@dataclass(frozen=True, kw_only=True)
class UnansweredCase:
    """One labelled study that cannot be used."""

    study_instance_uid: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class TaskCases:
    """All labelled cases of one task."""

    task: AnyTask
    wording_digest: str
    """As `StudyModel.wording_digest` says it."""
    scored: tuple[ScoredCase, ...]
    unanswered: tuple[UnansweredCase, ...] = ()
    of_no_patient: int = 0
    """How many of the scored ones are of studies whose patient is not known, so that each counted as one of its own."""
    of_training: int = 0
    """How many of the scored ones are of patients whom the model was trained on, for this task."""

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        """[N]."""
        return np.array([case.score for case in self.scored], dtype=np.float64)

    @property
    def truths(self) -> npt.NDArray[np.float64]:
        """[N]."""
        return np.array([case.truth for case in self.scored], dtype=np.float64)

    @property
    def groups(self) -> list[str]:
        """Whose each study is."""
        return [case.group for case in self.scored]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the answers of the active model are found, or made."""

    database: Database
    spool: Spool
    model: StudyModel
    gate: ViewGate
    catalogue: Catalogue
    profile: str
    """Of the frames that are scored now."""

    def answers(self, study_instance_uids: Sequence[str], task_ids: Sequence[str]) -> dict[str, Results | str]:
        """What the model says of each study; or why it says nothing."""
        with self.database.read() as session:
            runs = {run.study_instance_uid: run for run in current_runs(session, study_instance_uids)}
            kept = {
                stored.study_instance_uid: stored
                for stored in latest_embeddings(
                    session, embedder=self.model.embedder, study_instance_uids=study_instance_uids
                )
            }
        return {uid: self._answer(runs.get(uid), kept.get(uid), task_ids) for uid in study_instance_uids}

    def _answer(self, run: Run | None, stored: StoredEmbeddings | None, task_ids: Sequence[str]) -> Results | str:
        if run is not None and self._is_current(run):
            results = {result.task_id: result for result in run.results}
            if stored is None or all(_number(results.get(task_id)) is not None for task_id in task_ids):
                return results
        if stored is None:
            if run is None:
                return "not scored here: send it, or check its UID"
            return "scored by another model or with other questions, and has no embeddings: requeue it, --step prepare"
        if stored.preprocessing_profile != self.profile:
            return f"its embeddings are of profile {stored.preprocessing_profile}: requeue it, --step prepare"
        file = self.spool.file(stored.path)
        try:
            return self._from_embeddings(file)
        except DamagedFileError as error:
            return str(error)

    def _is_current(self, run: Run) -> bool:
        """Whether this model would answer the same today, but for thresholds."""
        made_by = (run.model.digest, run.catalogue_digest, run.preprocessing_profile, run.view_gate)
        return made_by == (self.model.identity.digest, self.catalogue.digest, self.profile, self.gate.provenance)

    def _from_embeddings(self, file: Path) -> Results:
        clips = self.shown(read_embeddings(file))
        return {result.task_id: result for result in self.model.answer(clips)}

    def shown(self, clips: Sequence[ClipEmbeddings]) -> list[EmbeddedClip]:
        """Of kept clips those that the view gate lets through, as a model takes them."""
        judged = [(clip, self.gate.judge(clip.sop_instance_uid, clip.frames)) for clip in clips]
        return [
            EmbeddedClip(
                sop_instance_uid=clip.sop_instance_uid,
                embeddings=clip.frames,
                view=self.gate.restricting(call),
                preprocessing_profile=self.profile,
            )
            for clip, call in judged
            if call.skip_reason is None
        ]


def scored_cases(source: Source, tasks: Mapping[str, AnyTask], cases: Sequence[LabelledCase]) -> tuple[TaskCases, ...]:
    """The cases of each task with their scores; studies without one are listed with the reason."""
    uids = sorted({case.study_instance_uid for case in cases})
    answers = source.answers(uids, list(tasks))
    patients = patients_by_study(source.database, cases)
    return tuple(
        _of_task(
            task,
            source.model,
            [case for case in cases if case.task_id == task_id],
            answers,
            patients,
        )
        for task_id, task in tasks.items()
    )


def patients_by_study(database: Database, cases: Sequence[LabelledCase]) -> dict[str, str]:
    """Whose each study is: as the file says, else by the registry's patient ID, which goes nowhere from here."""
    named = {case.study_instance_uid: f"file:{case.group}" for case in cases if case.group}
    with database.read() as session:
        others = patients_of(session, sorted({case.study_instance_uid for case in cases} - set(named)))
    return named | {uid: f"registry:{patient}" for uid, patient in others.items()}


def of_no_patient(study_instance_uid: str) -> str:
    """The group of a study whose patient is not known: it stands alone."""
    return f"{_NO_PATIENT}{study_instance_uid}"


def count_of_no_patient(groups: Sequence[str]) -> int:
    """Of how many cases the patient is not known."""
    return sum(group.startswith(_NO_PATIENT) for group in groups)


def _of_task(
    task: AnyTask,
    model: StudyModel,
    cases: Sequence[LabelledCase],
    answers: Mapping[str, Results | str],
    patients: Mapping[str, str],
) -> TaskCases:
    scored, unanswered = [], []
    for case in cases:
        uid = case.study_instance_uid
        answer = answers[uid]
        result = None if isinstance(answer, str) else answer.get(task.id)
        number = _number(result)
        if number is None:
            reason = answer if isinstance(answer, str) else (result and result.reason) or "its run does not ask this"
            unanswered.append(UnansweredCase(study_instance_uid=uid, reason=reason))
            continue
        outcome = _class_number(task, result)
        group = patients.get(uid, of_no_patient(uid))
        scored.append(ScoredCase(study_instance_uid=uid, group=group, truth=case.truth, score=number, outcome=outcome))
    return TaskCases(
        task=task,
        wording_digest=model.wording_digest(task.id),
        scored=tuple(scored),
        unanswered=tuple(unanswered),
        of_no_patient=count_of_no_patient([case.group for case in scored]),
        of_training=_of_training(task, model, scored),
    )


def _of_training(task: AnyTask, model: StudyModel, scored: Sequence[ScoredCase]) -> int:
    if not isinstance(model, TrainedOnCases):
        return 0
    seen = {case.group for case in scored if model.was_trained_on(case.study_instance_uid, task.id)}
    return sum(case.group in seen for case in scored)


def _number(result: TaskResult | None) -> float | None:
    """The score, or of a regression the value; None of a question that was not asked.

    Where a class led the next by too little it was asked, and the score is there: another threshold may be chosen.
    """
    if result is None:
        return None
    return result.value if result.score is None else result.score


def _class_number(task: AnyTask, result: TaskResult | None) -> int | None:
    if not isinstance(task, ClassTask) or result is None or result.outcome is None:
        return None
    return [outcome.id for outcome in task.classes].index(result.outcome)
