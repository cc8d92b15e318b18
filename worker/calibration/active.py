"""Which calibration is active at this site, and what of it holds for the model that is active."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from config.calibration import CALIBRATION_FILE, Calibration, TaskCalibration, load_calibration
from config.catalogue import Catalogue
from config.errors import ConfigurationError
from config.settings import Settings
from config.whole_files import write_durably
from worker.models import StudyModel


@dataclass(frozen=True, kw_only=True)
class Activated:
    """What changed."""

    calibration: Calibration
    kept: Path | None
    """Where the one before it is kept."""
    no_longer: tuple[str, ...]
    """The tasks that the one before it had, and this one has not."""


def activate(settings: Settings, candidate: Path) -> Activated:
    """Make a candidate, a file or its folder, the site's calibration; the one before it is kept beside it.

    Raises
    ------
    ConfigurationError
        The candidate is not valid; or `model.calibration` names a file, which would stay in force.
    OSError
        The disk does not take it.
    """
    if settings.model.calibration:
        raise ConfigurationError(
            f"model.calibration names {settings.model.calibration}, which is stronger: put the candidate there, or "
            "remove the setting"
        )
    file = candidate / CALIBRATION_FILE if candidate.is_dir() else candidate
    calibration = load_calibration(file)
    before, kept = _keep_the_one_before(settings.calibration_path)
    write_durably(settings.calibration_path, file.read_bytes())
    lost = [task.task_id for task in before.tasks if calibration.task(task.task_id) is None] if before else []
    return Activated(calibration=calibration, kept=kept, no_longer=tuple(lost))


def _keep_the_one_before(path: Path) -> tuple[Calibration | None, Path | None]:
    if not path.exists():
        return None, None
    content = path.read_bytes()
    kept = path.with_name(f"calibration-{hashlib.sha256(content).hexdigest()[:12]}.json")
    write_durably(kept, content)
    try:
        return load_calibration(path), kept
    except ConfigurationError:  # a damaged one can be replaced, too
        return None, kept


def holding(
    calibration: Calibration, model: StudyModel, catalogue: Catalogue, *, profile: str
) -> list[tuple[TaskCalibration, str | None]]:
    """Each task of a calibration, with the reason why it does not hold for this model; None where it does."""

    def why_not(task_id: str) -> str | None:
        if catalogue.task(task_id) is None:
            return "the task catalogue does not have the task"
        asked = model.wording_digest(task_id)
        return calibration.why_not(task_id, embedder=model.embedder, prompts_digest=asked, profile=profile)

    return [(found, why_not(found.task_id)) for found in calibration.tasks]
