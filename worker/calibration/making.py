"""A calibration from end to end: file of cases -> scores -> thresholds -> a folder of candidate, report, pictures."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from config.calibration import CALIBRATION_FILE, Calibration
from config.clinical_tasks import AnyTask
from config.whole_files import write_durably
from worker.calibration.cases import CaseFile, read_cases
from worker.calibration.judging import Findings, judge
from worker.calibration.report import report
from worker.calibration.scored import Source, scored_cases
from worker.calibration.thresholds import ThresholdRule
from worker.models import StudyModel

REPORT_FILE = "report.md"


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a calibration gave."""

    findings: tuple[Findings, ...]
    calibration: Calibration | None
    """None where nothing was chosen, as for measurements alone."""
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def calibrate(
    source: Source,
    tasks: Mapping[str, AnyTask],
    *,
    cases: Path,
    rule: ThresholdRule,
    folder: Path,
    software_version: str,
) -> Made:
    """Calibrate these tasks of the catalogue, and write the candidate with its report into the folder.

    Raises
    ------
    CalibrationError
        The cases are wrong, or too few.
    OSError
        The disk does not take the files.
    """
    read = read_cases(cases, list(tasks.values()))
    model = source.model.identity
    origin = f"{cases.name}, {model.name} {model.version}"
    scored = scored_cases(source, tasks, read.cases)
    findings = tuple(judge(of_task, rule, source=origin) for of_task in scored)
    calibration = calibration_of(
        findings,
        source.model,
        profile=source.profile,
        catalogue_digest=source.catalogue.digest,
        truth_sha256=read.sha256,
        software_version=software_version,
    )
    folder.mkdir(parents=True, exist_ok=True)
    files = write_findings(
        folder,
        findings,
        title=f"Calibration of {model.name} ({model.label})",
        facts=provenance(source, read, rule, software_version),
        notes=read.notes,
    )
    if calibration is not None:
        candidate = folder / CALIBRATION_FILE
        write_durably(candidate, calibration.content())
        files = [candidate, *files]
    return Made(findings=findings, calibration=calibration, files=tuple(files), notes=read.notes)


def write_findings(
    folder: Path, findings: Sequence[Findings], *, title: str, facts: Mapping[str, str], notes: Sequence[str]
) -> list[Path]:
    """Write the report and its pictures."""
    from worker.calibration.drawing import draw  # noqa: PLC0415  matplotlib is slow to load, and comes last

    written = folder / REPORT_FILE
    write_durably(written, report(findings, title=title, facts=facts, notes=notes).encode())
    return [written, *(picture for found in findings for picture in draw(found, folder))]


def provenance(source: Source, read: CaseFile, rule: ThresholdRule, software_version: str) -> dict[str, str]:
    """Where the figures come from, for the report."""
    model = source.model.identity
    return {
        "model": f"{model.name} {model.version}, {model.label}, {model.digest}",
        "frames": source.profile,
        "views": source.gate.provenance,
        "task catalogue": source.catalogue.digest,
        "cases": read.sha256,
        "threshold": str(rule),
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC by EchoWorker {software_version}",
    }


def calibration_of(
    findings: Sequence[Findings],
    model: StudyModel,
    *,
    profile: str,
    catalogue_digest: str,
    truth_sha256: str,
    software_version: str,
) -> Calibration | None:
    """What of the findings decides, as a calibration of this model; None where none of them does.

    Parameters
    ----------
    profile
        Of the frames that were scored.
    truth_sha256
        Of what told the truth, as the file of cases.
    """
    tasks = tuple(found.calibration for found in findings if found.calibration is not None)
    if not tasks:
        return None
    unsigned = Calibration(
        format=1,
        model_name=model.identity.name,
        model_digest=model.identity.digest,
        model_label=model.identity.label,
        embedder=model.embedder,
        preprocessing_profile=profile,
        catalogue_digest=catalogue_digest,
        software_version=software_version,
        made_at=datetime.now(UTC),
        truth_sha256=truth_sha256,
        tasks=tasks,
        digest="0" * 64,
    )
    return unsigned.model_copy(update={"digest": hashlib.sha256(unsigned.content()).hexdigest()})
