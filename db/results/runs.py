"""What one scoring run says about one revision of a study: the value objects that pass between the rooms.

The worker makes a `Run`, `db.results.recording` appends it, `dicom_node.report` turns it into a Structured Report.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from config.labels import ModelLabel


class Verdict(StrEnum):
    """What a run says about one task."""

    MEASURED = "MEASURED"
    """A regression: `TaskResult.value` holds the estimate."""
    PRESENT = "PRESENT"
    ABSENT = "ABSENT"
    CLASSIFIED = "CLASSIFIED"
    """`TaskResult.outcome` holds the class."""
    UNCALIBRATED = "UNCALIBRATED"
    """Scored, but no threshold was made with this model: neither present nor absent, nor a class, can be said."""
    ABSTAINED = "ABSTAINED"
    """Not answered; `TaskResult.reason` says why."""


@dataclass(frozen=True, kw_only=True)
class ModelIdentity:
    """Which model made a run: name and version as people know it, digest as the bytes prove it."""

    name: str
    version: str
    family: str
    label: ModelLabel
    digest: str
    """SHA-256 over the model pack's files, 64 hexadecimal digits."""


@dataclass(frozen=True, kw_only=True)
class ViewCall:
    """What a view classifier says of one clip."""

    view: str
    """The id of the nearest view of the catalogue, or of a classifier's own list."""
    name: str
    """The same in words, lower case."""
    is_heart: bool | None
    """None: in doubt, so that it may be one."""
    score: float
    """Of that view, on the classifier's own scale: a mean cosine, -1..1, where it works with prompts."""
    margin: float
    """By how much the view beats the nearest one of the other kind: of no heart where it is a heart, or the reverse."""


@dataclass(frozen=True, kw_only=True)
class JudgedClip:
    """What the view gate made of one clip."""

    sop_instance_uid: str
    call: ViewCall | None = None
    """None: not judged; the note says why."""
    note: str | None = None
    skip_reason: str | None = None
    """Set when the clip is left out of the scoring."""


@dataclass(frozen=True, kw_only=True)
class LeftOutClip:
    """An instance of the study that a run did not look at, or saw no heart in, and why."""

    sop_instance_uid: str
    reason: str
    view: ViewCall | None = None
    """What the model saw in it, where it was asked."""


@dataclass(frozen=True, kw_only=True)
class ClipEvidence:
    """One instance that a run's answers come from, and the frames of it that were embedded."""

    sop_instance_uid: str
    frame_numbers: tuple[int, ...]
    """Counted from 1, as Referenced Frame Number (0008,1160) counts them."""
    view: ViewCall | None = None
    """None: not judged."""


@dataclass(frozen=True, kw_only=True)
class ClipAnswer:
    """What a single clip says about a task; its spread and agreement as in `TaskResult`, over its own frames."""

    sop_instance_uid: str
    value: float
    """Regression: the estimate in the task's unit. Binary: a cosine, -1..1. Class: the severity score where the
    classes are ordered, from 0 to one less than their number; else by how much the outcome's cosine leads the next."""
    outcome: str | None = None
    spread: float | None = None
    agreement: float | None = None


ZERO_SHOT_METHOD, LINEAR_PROBE_METHOD = "zero-shot", "linear probe"
"""`TaskResult.method` of our own models."""
FROM_KEPT = ", kept embeddings"
"""Behind the method of results that no frame was embedded for."""
ScoreKind = Literal["similarity", "probability", "score"]
_SCORE_KINDS: Mapping[str | None, ScoreKind] = {
    None: "similarity",
    ZERO_SHOT_METHOD: "similarity",
    LINEAR_PROBE_METHOD: "probability",
}


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """The answer to one task for the whole study."""

    task_id: str
    verdict: Verdict
    value: float | None = None
    """Regression only: the estimate, in the unit of the task."""
    unit: str | None = field(default=None, compare=False)
    """UCUM code of that unit, as it was kept with the run; None of an answer that was never in the registry."""
    score: float | None = None
    """Binary: see `score_kind`; zero-shot, the mean cosine of frames and prompts, -1..1, which is no probability.
    Class: as `ClipAnswer.value`."""
    threshold: float | None = None
    outcome: str | None = None
    """Class only: the id of the class; of an UNCALIBRATED answer, the one that the clips are most like."""
    spread: float | None = None
    """How far the frames differ: the standard deviation of what each says alone, every clip weighing the same. In the
    unit of the task (regression) or as a cosine (binary); None for classes."""
    agreement: float | None = None
    """0..1: the share of the frames, every clip weighing the same, that alone give this answer; None where no answer
    is given, and for regressions. Frames of one clip are no independent witnesses: it is no probability."""
    reason: str | None = None
    """Why there is no answer; of one that is given, what a reader has to know of it, where there is something."""
    method: str | None = None
    """How it was answered, as `ZERO_SHOT_METHOD`; None in runs from before there was a choice."""
    clips: tuple[ClipAnswer, ...] = ()

    @property
    def score_kind(self) -> ScoreKind:
        """What the score of a finding is; that of a method which is not ours is no more than a score."""
        method = None if self.method is None else self.method.removesuffix(FROM_KEPT)
        return _SCORE_KINDS.get(method, "score")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run with its provenance: enough to say of every number where it came from."""

    run_uid: str
    """A UUID of this run; UIDs of what is sent derive from it, so a rebuilt report is the same object."""
    study_instance_uid: str
    revision: int
    model: ModelIdentity
    catalogue_digest: str
    software_version: str
    preprocessing_profile: str
    finished_at: datetime
    """Aware, UTC."""
    clips: tuple[ClipEvidence, ...]
    """None of them when no clip shows a heart: every task is then ABSTAINED."""
    results: tuple[TaskResult, ...]
    left_out: tuple[LeftOutClip, ...] = ()
    calibration_digest: str | None = None
    """SHA-256 of the site's calibration that decided; None where there is none."""
    view_gate: str | None = None
    """How the views were judged, with its settings; None in runs from before there was a gate."""
    repeats: str | None = None
    """The UID of the run whose results these are, word for word: it is there for a report of its own, of the same
    results beside other reports. None of a run that scored."""

    @property
    def scored_as(self) -> str:
        """The UID of the run that scored: what the model left in the spool has its name."""
        return self.repeats or self.run_uid
