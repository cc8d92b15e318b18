"""A linear probe from end to end: file of cases -> kept embeddings -> trained head -> model pack."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from config.clinical_tasks import AnyTask
from config.errors import ConfigurationError
from config.labels import ModelLabel
from config.whole_files import unfinished_name
from worker.calibration.cases import read_cases
from worker.calibration.judging import Findings
from worker.calibration.making import provenance
from worker.calibration.scored import Source
from worker.calibration.thresholds import ThresholdRule
from worker.linear_probe.packing import label_of, write_pack
from worker.linear_probe.training import embedded_cases, train


@dataclass(frozen=True, kw_only=True)
class MadeProbe:
    """What the training gave."""

    name: str
    digest: str
    label: ModelLabel
    folder: Path
    findings: Findings
    notes: tuple[str, ...]


def make_probe(
    source: Source,
    task: AnyTask,
    *,
    cases: Path,
    rule: ThresholdRule,
    name: str,
    folder: Path | None,
    packs_dir: Path,
    software_version: str,
) -> MadeProbe:
    """Train the head of a task and write its pack: into the folder, or without one among the installed packs.

    Raises
    ------
    CalibrationError
        The cases are wrong, or too few.
    ConfigurationError
        The folder holds something already.
    OSError
        The disk does not take it.
    """
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty: name a new folder for the pack")
    read = read_cases(cases, [task])
    embedded, unanswered = embedded_cases(source, task, read.cases)
    trained = train(task, embedded, unanswered, rule, source=source, read=read, software_version=software_version)
    base = source.model.identity
    facts = provenance(source, read, rule, software_version)
    written = folder or unfinished_name(packs_dir / name)
    try:
        digest = write_pack(written, trained, base=base, name=name, facts=facts, notes=read.notes)
    except OSError:
        if folder is None:
            shutil.rmtree(written, ignore_errors=True)
        raise
    if folder is None:
        written = _installed(written, packs_dir / f"{name}-{digest[:12]}")
    return MadeProbe(
        name=name, digest=digest, label=label_of(base), folder=written, findings=trained.findings, notes=read.notes
    )


def _installed(written: Path, place: Path) -> Path:
    shutil.rmtree(place, ignore_errors=True)  # of the same digest: the same bytes
    written.rename(place)
    return place
