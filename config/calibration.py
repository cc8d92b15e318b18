"""A site's calibration: the thresholds and cut points that `echoworker calibrate` made from cases with known truth.

One JSON file, which may also come with a model pack. A threshold belongs to what made the scores: the weights (the
embedder), the prompts and the preprocessing. Where one of them is another, it does not hold, and is not used.
"""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from config.clinical_tasks import IDENTIFIER
from config.errors import ConfigurationError
from config.labels import ModelLabel
from config.reasons import Reason, ReasonKind
from config.settings import Settings

CALIBRATION_FILE = "calibration.json"
"""Its name where a pack brings one, and in the folder that `echoworker calibrate` writes."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Rule = Literal["f1", "sensitivity"]
"""How thresholds were chosen."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Metric(_Frozen):
    """A measured quality with its 95 % interval, which bootstrap resamples of the patients give."""

    value: float
    low: float
    high: float


class TaskCalibration(_Frozen):
    """What was found for one task."""

    task_id: str = Field(pattern=IDENTIFIER, max_length=32)
    prompts_digest: Sha256
    """`wording_digest()` of the task as the model asked it; of a trained head, of the head."""
    rule: Rule
    at_least: float | None = Field(default=None, gt=0, le=1)
    """The sensitivity that was asked for."""
    threshold: float | None = None
    """Binary: a score strictly above it is PRESENT. Classes without an order: strictly above it the first one is the
    answer, and else there is none."""
    cut_points: tuple[float, ...] | None = None
    """Ordered classes: the answer is the class of so many points as the score is strictly above; ascending."""
    origin: str = Field(min_length=1)
    """In a sentence, for people."""
    cases: int = Field(ge=1)
    cases_of_training: int = Field(default=0, ge=0)
    """How many of them are of patients whom the model itself was trained on: its figures are then too good."""
    patients: int = Field(ge=1)
    cases_of: dict[str, int]
    """How many cases are of each truth: `present` and `absent`, or the classes by id."""
    metrics: dict[str, Metric]
    """Cross-validated, as `report.md` names them: what to expect of further patients like these."""
    apparent_metrics: dict[str, Metric] = Field(default_factory=dict)
    """On the cases that the threshold was chosen on: too good."""

    @model_validator(mode="after")
    def _one_way_to_decide(self) -> Self:
        given = [name for name in ("threshold", "cut_points") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a task has a threshold or cut_points, and not {'both' if given else 'neither'}")
        if self.cut_points is not None and list(self.cut_points) != sorted(self.cut_points):
            raise ValueError("cut_points must ascend")
        return self


class Calibration(_Frozen):
    """A calibration file, with the digest that runs carry as provenance."""

    format: Literal[1]
    model_name: str
    model_digest: Sha256
    """Of the pack that scored the cases: provenance."""
    model_label: ModelLabel
    embedder: Sha256
    """Of the weights and their configuration, as kept embeddings have it: what decides whether this calibration holds.
    A pack imported anew, or one that brings this very file, has another digest and the same scores."""
    preprocessing_profile: str
    catalogue_digest: Sha256
    software_version: str
    made_at: AwareDatetime
    truth_sha256: Sha256
    """Of the file of cases."""
    tasks: tuple[TaskCalibration, ...] = Field(min_length=1)
    digest: Sha256 = Field(exclude=True)
    """SHA-256 of the file's bytes; not in the file."""

    @model_validator(mode="after")
    def _each_task_once(self) -> Self:
        ids = Counter(task.task_id for task in self.tasks)
        if repeated := sorted(task_id for task_id, count in ids.items() if count > 1):
            raise ValueError(f"task id used more than once: {', '.join(repeated)}")
        return self

    def task(self, task_id: str) -> TaskCalibration | None:
        """What was found for this task; None where it was not calibrated."""
        return next((task for task in self.tasks if task.task_id == task_id), None)

    def why_not(self, task_id: str, *, embedder: str, prompts_digest: str, profile: str) -> str | None:
        """Why this file says nothing of a task that is asked in this way; None where it holds."""
        found = self.task(task_id)
        if found is None:
            return Reason(ReasonKind.CALIBRATION_LACKS_TASK)
        if embedder != self.embedder:
            return Reason(ReasonKind.CALIBRATION_OF_OTHER_MODEL, model=self.model_name)
        if profile != self.preprocessing_profile:
            return Reason(ReasonKind.CALIBRATION_OF_OTHER_FRAMES, profile=self.preprocessing_profile)
        if prompts_digest != found.prompts_digest:
            return Reason(ReasonKind.CALIBRATION_OF_OTHER_PROMPTS)
        return None

    def holding_for(self, task_id: str, *, embedder: str, prompts_digest: str, profile: str) -> TaskCalibration | None:
        """What decides a task that is asked in this way; None where this file does not hold for it."""
        said = self.why_not(task_id, embedder=embedder, prompts_digest=prompts_digest, profile=profile)
        return None if said else self.task(task_id)

    def content(self) -> bytes:
        """The file: JSON, one field a line."""
        return (json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n").encode()


def load_calibration(path: Path) -> Calibration:
    """Read and validate a calibration file; its digest is the SHA-256 of the file's bytes.

    Raises
    ------
    ConfigurationError
        The file is missing, is not JSON, or an entry is wrong; the message names the file and the entry.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"calibration {path}: cannot be read ({error.strerror})") from error
    try:
        entries = json.loads(content)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"calibration {path}: not valid JSON: {error}") from error
    if not isinstance(entries, dict):
        raise ConfigurationError(f"calibration {path}: is no object of JSON")
    try:
        return Calibration.model_validate({**entries, "digest": hashlib.sha256(content).hexdigest()})
    except ValidationError as error:
        raise ConfigurationError(f"calibration {path}: {_first_fault(error, entries)}") from error


def site_calibration(settings: Settings) -> Calibration | None:
    """The calibration that is active at this site: of `model.calibration`, or the one that was activated; or none.

    Raises
    ------
    ConfigurationError
        It is not valid, or the setting names a file that is not there.
    """
    path = settings.calibration_path
    if not settings.model.calibration and not path.exists():
        return None
    return load_calibration(path)


def _first_fault(error: ValidationError, entries: dict[str, object]) -> str:
    fault = error.errors()[0]
    where = list(fault["loc"])
    tasks = entries.get("tasks")
    if len(where) > 1 and where[0] == "tasks" and isinstance(where[1], int) and isinstance(tasks, list):
        entry = tasks[where[1]]
        name = entry.get("task_id", f"number {where[1] + 1}") if isinstance(entry, dict) else f"number {where[1] + 1}"
        return f"task {name!r}{''.join(f', {part}' for part in where[2:])}: {fault['msg']}"
    return f"{'.'.join(map(str, where)) or 'calibration'}: {fault['msg']}"
